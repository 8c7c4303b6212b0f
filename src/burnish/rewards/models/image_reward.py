"""ImageReward (2304.05977): BLIP reads the prompt while it looks at the image; a head weighs what it read."""

from __future__ import annotations

import re
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import (
    BertTokenizer,
    BlipTextConfig,
    BlipTextModel,
    BlipVisionConfig,
    BlipVisionModel,
    CLIPImageProcessorPil,
)

from burnish.rewards.hub import pick_device
from burnish.rewards.models.common import Score, in_batches, load_tokenizer
from burnish.rewards.models.weights import build, check, linear_stack, read_weights, under

SOURCE = "ImageReward.pt of THUDM/ImageReward"
TOKENIZER = "bert-base-uncased"
ADDED = {"bos_token": "[DEC]", "additional_special_tokens": ["[ENC]"]}
LENGTH = 35
"""Tokens of a prompt that are read."""
MEAN, STD = 0.16717362830052426, 1.0333394966054072
"""Of the raw score; the reward is normalised with them."""
HEAD_WIDTH = 64
"""Numbers in an attention head, in both towers; the number of heads is not in the weights."""

VISION = (
    (r"^cls_token$", "embeddings.class_embedding"),
    (r"^pos_embed$", "embeddings.position_embedding"),
    (r"^patch_embed\.proj\.", "embeddings.patch_embedding."),
    (r"^norm\.", "post_layernorm."),
    (r"^blocks\.", "encoder.layers."),
    (r"\.norm([12])\.", r".layer_norm\1."),
    (r"\.attn\.proj\.", ".self_attn.projection."),
    (r"\.attn\.", ".self_attn."),
)
"""Names in the image tower and what becomes of them, in this order; the text tower's stay."""


def image_reward(path: str, tokenizer: str, device: str = "auto", batch: int = 32) -> Score:
    """(r − mean)/std of the head's r on BLIP's first token, as the official `ImageReward.score` computes it.

    Args:
        path: the official `ImageReward.pt`, or a `.safetensors` file with its names; sizes are read from it.
        tokenizer: folder of bert-base-uncased.
        device: where it runs; auto takes the accelerator if any.
        batch: images at a time.

    Returns:
        A reward of about mean 0 and deviation 1, mostly between −2 and 2.

    Raises:
        RewardError: a folder or file is missing, holds something else, or does not fit the other.
    """
    weights = read_weights("image_reward", path, SOURCE)
    vision = _vision(under(weights, "blip.visual_encoder."), path)
    text = _text(under(weights, "blip.text_encoder."), path)
    head = linear_stack("image_reward", under(weights, "mlp.layers."), text.config.hidden_size, path, SOURCE)
    words = load_tokenizer(
        "image_reward", tokenizer, TOKENIZER, text.config.vocab_size, BertTokenizer, **ADDED
    )
    side = vision.config.image_size
    seen = CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
    place = pick_device(device, "image_reward")
    for module in (vision, text, head):
        module.to(place)

    def score(images: list[Image.Image], texts: list[str]) -> Tensor:
        pixels = seen(images=images, return_tensors="pt").pixel_values.to(place)
        tokens = words(texts, padding="max_length", truncation=True, max_length=LENGTH, return_tensors="pt")
        read = text(
            input_ids=tokens.input_ids.to(place),
            attention_mask=tokens.attention_mask.to(place),
            encoder_hidden_states=vision(pixel_values=pixels).last_hidden_state,
        )
        return (head(read.last_hidden_state[:, 0])[:, 0] - MEAN) / STD

    return in_batches("image_reward", batch, score)


def _vision(weights: dict[str, Tensor], path: str) -> Any:
    """The image tower, of the sizes that its weights have."""
    for pattern, new in VISION:
        weights = {re.sub(pattern, new, name): value for name, value in weights.items()}
    wanted = ("embeddings.patch_embedding", "embeddings.position_embedding", "encoder.layers.0.mlp.fc1")
    patch, places, inner = _sizes(weights, wanted, path)
    config = BlipVisionConfig(
        hidden_size=patch[0],
        intermediate_size=inner[0],
        num_hidden_layers=_depth(weights),
        num_attention_heads=patch[0] // HEAD_WIDTH,
        image_size=round((places[1] - 1) ** 0.5) * patch[2],
        patch_size=patch[2],
        layer_norm_eps=1e-6,
    )
    return build("image_reward", BlipVisionModel, config, weights, path, SOURCE, dtype=torch.float32)


def _text(weights: dict[str, Tensor], path: str) -> Any:
    """The text tower with its cross-attention, of the sizes that its weights have."""
    weights = {name: value for name, value in weights.items() if not name.endswith(".position_ids")}
    wanted = (
        "embeddings.word_embeddings",
        "embeddings.position_embeddings",
        "encoder.layer.0.intermediate.dense",
        "encoder.layer.0.crossattention.self.key",
    )
    words, places, inner, key = _sizes(weights, wanted, path)
    config = BlipTextConfig(
        vocab_size=words[0],
        hidden_size=words[1],
        encoder_hidden_size=key[1],
        intermediate_size=inner[0],
        num_hidden_layers=_depth(weights),
        num_attention_heads=words[1] // HEAD_WIDTH,
        max_position_embeddings=places[0],
        pad_token_id=0,
    )
    return build(
        "image_reward", BlipTextModel, config, weights, path, SOURCE,
        dtype=torch.float32, add_pooling_layer=False,
    )  # fmt: skip


def _sizes(weights: dict[str, Tensor], names: tuple[str, ...], path: str) -> list[torch.Size]:
    """Shapes of these weights, `.weight` at the end of the name or not."""
    found = [weights.get(f"{name}.weight", weights.get(name)) for name in names]
    missing = [f"lacks {name}" for name, value in zip(names, found, strict=True) if value is None]
    check("image_reward", missing, path, SOURCE)
    return [value.shape for value in found if value is not None]


def _depth(weights: dict[str, Tensor]) -> int:
    """Number of layers."""
    return len({found[1] for name in weights if (found := re.match(r"encoder\.layers?\.(\d+)\.", name))})
