"""The embedded vision-language model: a genuine Qwen2.5-VL of about 1.5 M parameters, with its tokenizer.

The classes are those of Qwen2.5-VL-7B (`Qwen2_5_VLForConditionalGeneration`, `Qwen2Tokenizer`,
`Qwen2VLImageProcessor`); only sizes differ. An image of 64×64 pixels takes 16 tokens.
"""

from __future__ import annotations

import json
from typing import Any

import torch

PATCH, MERGE, TEMPORAL = 8, 2, 2
END, PAD = "<|im_end|>", "<|endoftext|>"
MARKERS = ("<|im_start|>", END, "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
TAGS = ("<think>", "</think>", "<answer>", "</answer>")
"""Ordinary tokens, so that decoding keeps them."""

CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% elif part['type'] == 'video' %}"
    "<|vision_start|><|video_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
    "{% endif %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tokenizer(corpus: list[str], size: int = 400) -> Any:
    """A byte-level BPE of `corpus` in which every digit is a token."""
    from tokenizers import Regex, Tokenizer, pre_tokenizers
    from tokenizers.models import BPE
    from tokenizers.trainers import BpeTrainer
    from transformers import AddedToken, Qwen2Tokenizer

    bpe = Tokenizer(BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\d"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    bpe.train_from_iterator(corpus, trainer)
    merges = [tuple(pair) for pair in json.loads(bpe.to_str())["model"]["merges"]]
    made = Qwen2Tokenizer(vocab=bpe.get_vocab(False), merges=merges, model_max_length=2048)  # type: ignore[arg-type]
    made.add_special_tokens({"additional_special_tokens": list(MARKERS), "eos_token": END, "pad_token": PAD})
    made.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in TAGS])
    made.chat_template = CHAT
    return made


def pictures() -> Any:
    """The image processor: 64×64 pixels stay as they are."""
    from transformers import Qwen2VLImageProcessorPil

    return Qwen2VLImageProcessorPil(
        patch_size=PATCH,
        merge_size=MERGE,
        temporal_patch_size=TEMPORAL,
        size={"shortest_edge": 32 * 32, "longest_edge": 64 * 64},
    )


def build(corpus: list[str], seed: int) -> tuple[Any, Any, Any]:
    """A fresh model with its tokenizer and image processor."""
    from transformers import GenerationConfig, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    torch.manual_seed(seed)
    words = tokenizer(corpus)
    ids = {token: words.convert_tokens_to_ids(token) for token in (*MARKERS, PAD)}
    ends = {"eos_token_id": ids[END], "pad_token_id": ids[PAD]}
    text = {
        "vocab_size": len(words),
        "hidden_size": 160,
        "intermediate_size": 432,
        "num_hidden_layers": 4,
        "num_attention_heads": 5,
        "num_key_value_heads": 5,
        "max_position_embeddings": 2048,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [4, 6, 6]},
        "bos_token_id": None,
        **ends,
    }
    vision = {
        "depth": 3,
        "hidden_size": 96,
        "intermediate_size": 256,
        "num_heads": 3,
        "patch_size": PATCH,
        "spatial_merge_size": MERGE,
        "temporal_patch_size": TEMPORAL,
        "window_size": 64,
        "fullatt_block_indexes": [0, 1, 2],
        "out_hidden_size": 160,
    }
    config = Qwen2_5_VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )
    model = Qwen2_5_VLForConditionalGeneration(config)
    model.generation_config = GenerationConfig(do_sample=True, top_k=0, top_p=1.0, **ends)
    return model, words, pictures()
