"""Tiny random vision-language models of every family, saved in the hub's own folder format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import (
    AutoImageProcessor,
    CLIPImageProcessorPil,
    LlavaConfig,
    LlavaForConditionalGeneration,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
    Qwen2VLImageProcessorPil,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)

SPECIALS = [
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
]
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
    "{% endif %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tokenizer() -> Qwen2Tokenizer:
    bpe = Tokenizer(BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    texts = ["how many red circles are there?", "what color is the star?", "one two three four five"]
    bpe.train_from_iterator(texts, BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False))
    merges = [tuple(pair) for pair in json.loads(bpe.to_str())["model"]["merges"]]
    made = Qwen2Tokenizer(vocab=bpe.get_vocab(False), merges=merges, model_max_length=1024)
    made.add_special_tokens(
        {"additional_special_tokens": SPECIALS, "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    )
    made.chat_template = CHAT
    return made


def _ids(made: Any) -> dict[str, int]:
    names = {
        "vision_start": SPECIALS[2],
        "vision_end": SPECIALS[3],
        "image": SPECIALS[4],
        "video": SPECIALS[5],
    }
    return {f"{name}_token_id": made.convert_tokens_to_ids(token) for name, token in names.items()}


def _text(made: Any, **more: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(made),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "eos_token_id": made.eos_token_id,
        "pad_token_id": made.pad_token_id,
        "bos_token_id": None,
        **more,
    }


def qwen2_5_vl(made: Any) -> tuple[Any, Any]:
    vision = {
        "depth": 2, "hidden_size": 32, "intermediate_size": 32, "num_heads": 2, "out_hidden_size": 32,
        "patch_size": 8, "spatial_merge_size": 2, "temporal_patch_size": 2, "window_size": 64,
        "fullatt_block_indexes": [0, 1],
    }  # fmt: skip
    rope = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 1e4}
    text = _text(made, rope_parameters=rope)
    config = Qwen2_5_VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=True, **_ids(made))
    return Qwen2_5_VLForConditionalGeneration(config), _pictures()


def qwen3_vl(made: Any) -> tuple[Any, Any]:
    vision = {
        "depth": 2, "hidden_size": 32, "intermediate_size": 32, "num_heads": 2, "out_hidden_size": 32,
        "patch_size": 8, "spatial_merge_size": 2, "temporal_patch_size": 2, "num_position_embeddings": 16,
        "deepstack_visual_indexes": [0],
    }  # fmt: skip
    rope = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 1e4, "mrope_interleaved": True}
    text = _text(made, rope_parameters=rope, head_dim=16)
    config = Qwen3VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=True, **_ids(made))
    return Qwen3VLForConditionalGeneration(config), _pictures()


def llava(made: Any) -> tuple[Any, Any]:
    vision = {
        "model_type": "clip_vision_model", "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "image_size": 32, "patch_size": 8, "projection_dim": 32,
    }  # fmt: skip
    text = {"model_type": "qwen2", **_text(made)}
    config = LlavaConfig(
        vision_config=vision, text_config=text, image_token_index=_ids(made)["image_token_id"],
        vision_feature_layer=-1, vision_feature_select_strategy="default",
    )  # fmt: skip
    size = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    return LlavaForConditionalGeneration(config), CLIPImageProcessorPil(**size)


def _pictures() -> Any:
    size = {"shortest_edge": 16 * 16, "longest_edge": 64 * 64}
    return Qwen2VLImageProcessorPil(patch_size=8, merge_size=2, temporal_patch_size=2, size=size)


FAMILIES = {"qwen2_5_vl": qwen2_5_vl, "qwen3_vl": qwen3_vl, "llava": llava}


def save(family: str, folder: Path, seed: int = 0) -> str:
    """Writes the model, its tokenizer and its image processor; returns the folder."""
    torch.manual_seed(seed)
    made = tokenizer()
    model, pictures = FAMILIES[family](made)
    model.generation_config.eos_token_id = made.eos_token_id
    model.generation_config.pad_token_id = made.pad_token_id
    for part in (model, made, pictures):
        part.save_pretrained(folder)
    assert AutoImageProcessor.from_pretrained(folder, backend="pil") is not None
    return str(folder)
