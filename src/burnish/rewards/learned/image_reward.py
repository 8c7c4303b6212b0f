"""ImageReward (2304.05977): a BLIP that reads the prompt beside the image, and a head on its first token."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import torch
import transformers
from PIL import Image
from torch import Tensor

from burnish.errors import RewardError
from burnish.rewards import hub
from burnish.rewards.learned.clip import Score
from burnish.rewards.learned.head import read_head
from burnish.types import Prompt

MEAN, STD = 0.16717362830052426, 1.0333394966054072
"""Of raw scores on the paper's test set: with them a score is in standard deviations."""
TOKENS = 35
HEAD_WIDTH = 64
"""Features of one attention head, in BERT and in the vision transformer alike."""

VISION = (
    (r"^cls_token$", "embeddings.class_embedding"),
    (r"^pos_embed$", "embeddings.position_embedding"),
    (r"^patch_embed\.proj", "embeddings.patch_embedding"),
    (r"^norm\.", "post_layernorm."),
    (r"^blocks\.", "encoder.layers."),
    (r"\.norm(\d)\.", r".layer_norm\1."),
    (r"\.attn\.qkv", ".self_attn.qkv"),
    (r"\.attn\.proj", ".self_attn.projection"),
)
"""The vision transformer's names in the official file → transformers' names."""


def image_reward(path: str, tokenizer: str, device: str = "auto", batch: int = 32) -> Score:
    """The score of ImageReward-v1.0, about a standard normal number over ordinary pictures.

    The prompt is cut at 35 tokens; the image's shorter edge becomes 224 pixels and its middle is seen.

    Args:
        path: the official file `ImageReward.pt`, or the same tensors as `.safetensors`.
        tokenizer: folder of bert-base-uncased.
        device: where it runs.
        batch: images in one forward.

    Raises:
        RewardError: a file is missing or holds another model.
    """
    place = hub.pick_device(device, "image_reward")
    weights = hub.read_weights(path, "image_reward")
    vision, text = _towers(weights, path)
    vision, text = vision.to(place).eval(), text.to(place).eval()
    head = read_head(weights, text.config.hidden_size, path, "image_reward", "mlp.layers")
    words = hub.load(transformers.AutoTokenizer, tokenizer, "image_reward")
    side = vision.config.image_size
    processor = transformers.CLIPImageProcessor(
        size={"shortest_edge": side}, crop_size={"height": side, "width": side}
    )

    @torch.inference_mode()
    def score(images: Sequence[np.ndarray], prompts: Sequence[Prompt]) -> list[float]:
        scores: list[float] = []
        for start in range(0, len(images), batch):
            part = slice(start, start + batch)
            pictures = [Image.fromarray(image) for image in images[part]]
            pixels = processor(images=pictures, return_tensors="pt").pixel_values.to(place)
            tokens = words(
                [prompt.text for prompt in prompts[part]],
                padding="max_length",
                truncation=True,
                max_length=TOKENS,
                return_tensors="pt",
            ).to(place)
            read = text(
                input_ids=tokens.input_ids,
                attention_mask=tokens.attention_mask,
                encoder_hidden_states=vision(pixel_values=pixels).last_hidden_state,
            )
            raw = head(read.last_hidden_state[:, 0].float().cpu())[:, 0]
            scores += ((raw - MEAN) / STD).tolist()
        return scores

    return score


def _towers(
    weights: dict[str, Tensor], path: str
) -> tuple[transformers.BlipVisionModel, transformers.BlipTextModel]:
    """Image and text tower of the sizes that the weights have."""
    seen = {_vision_name(name): value for name, value in _under("blip.visual_encoder.", weights).items()}
    read = _under("blip.text_encoder.", weights)
    try:
        patch, width = seen["embeddings.patch_embedding.weight"], seen["embeddings.class_embedding"].shape[-1]
        patches = seen["embeddings.position_embedding"].shape[1] - 1
        vision = transformers.BlipVisionConfig(
            hidden_size=width,
            intermediate_size=len(seen["encoder.layers.0.mlp.fc1.weight"]),
            num_hidden_layers=_depth(seen, r"encoder\.layers\.(\d+)\."),
            num_attention_heads=width // HEAD_WIDTH,
            image_size=round(patches**0.5) * patch.shape[-1],
            patch_size=patch.shape[-1],
            layer_norm_eps=1e-6,
        )
        vocabulary, width = read["embeddings.word_embeddings.weight"].shape
        text = transformers.BlipTextConfig(
            vocab_size=vocabulary,
            hidden_size=width,
            intermediate_size=len(read["encoder.layer.0.intermediate.dense.weight"]),
            num_hidden_layers=_depth(read, r"encoder\.layer\.(\d+)\."),
            num_attention_heads=width // HEAD_WIDTH,
            max_position_embeddings=len(read["embeddings.position_embeddings.weight"]),
            encoder_hidden_size=read["encoder.layer.0.crossattention.self.key.weight"].shape[1],
        )
    except KeyError as missing:
        raise RewardError(
            f"reward image_reward: {path} lacks {missing.args[0]}: it is not a checkpoint of ImageReward"
        ) from None
    towers = transformers.BlipVisionModel(vision), transformers.BlipTextModel(text, add_pooling_layer=False)
    for tower, found in zip(towers, (seen, read), strict=True):
        positions = {
            name: value for name, value in tower.state_dict().items() if name.endswith("position_ids")
        }
        hub.fill(tower, found | positions, path, "image_reward")
    return towers


def _under(prefix: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def _vision_name(name: str) -> str:
    for pattern, replacement in VISION:
        name = re.sub(pattern, replacement, name)
    return name


def _depth(weights: dict[str, Tensor], pattern: str) -> int:
    return 1 + max((int(found[1]) for name in weights if (found := re.match(pattern, name))), default=-1)
