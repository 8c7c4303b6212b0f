"""What differs between families of vision-language models: how many tokens a picture takes, and its tensors.

A family is one row of `FAMILIES`, by the `model_type` of `config.json`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Family:
    """One family.

    Attributes:
        placeholder: the config's key of the id that stands for a picture in the prompt.
        tokens: from one picture's tensors and the model's config to its number of tokens.
        typed: whether the forward pass asks for `mm_token_type_ids`.
    """

    placeholder: str
    tokens: Callable[[dict[str, Tensor], Any], int]
    typed: bool


def _merged(picture: dict[str, Tensor], config: Any) -> int:
    """Qwen-VL: patches over the square of the spatial merge."""
    return int(picture["image_grid_thw"].prod()) // config.vision_config.spatial_merge_size**2


def _patches(picture: dict[str, Tensor], config: Any) -> int:
    """LLaVA: every patch is a token; `full` keeps the class token too."""
    height, width = picture["pixel_values"].shape[-2:]
    size = config.vision_config.patch_size
    return (height // size) * (width // size) + (config.vision_feature_select_strategy == "full")


_QWEN = Family("image_token_id", _merged, typed=True)

FAMILIES: dict[str, Family] = {
    "qwen2_vl": _QWEN,
    "qwen2_5_vl": _QWEN,
    "qwen3_vl": _QWEN,
    "llava": Family("image_token_id", _patches, typed=False),
}

MARKERS = (
    "image_token_id",
    "video_token_id",
    "vision_start_token_id",
    "vision_end_token_id",
)
"""The config's keys of ids that only a prompt may hold: never sampled, and of probability 0 when scored."""
