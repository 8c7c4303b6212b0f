"""What the learned rewards share: what they read from a folder, and how they score in batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image
from torch import Tensor

from burnish.errors import RewardError
from burnish.rewards.hub import load
from burnish.types import Prompt

Score = Callable[[Sequence[np.ndarray], Sequence[Prompt]], list[float]]

VOCABULARIES = ("tokenizer.json", "vocab.json", "vocab.txt")
"""A folder with none of these has no tokenizer; the library would make an empty one."""


def load_config(reward: str, path: str, source: str, model_type: str) -> Any:
    """The configuration in a folder, made sure to be that of a `model_type`.

    Raises:
        RewardError: no such folder, or it holds another model.
    """
    config = load(reward, transformers.AutoConfig, path, source)
    if config.model_type != model_type:
        raise RewardError(
            f"reward {reward}: {path} holds a {config.model_type} model, not {model_type}; "
            f"give the folder of {source}"
        )
    return config


def load_tokenizer(
    reward: str, path: str, source: str, rows: int, kind: Any = transformers.AutoTokenizer, **added: Any
) -> Any:
    """The tokenizer in a folder, padding on the right.

    Args:
        reward: name for complaints.
        path: the folder.
        source: what to download where there is no tokenizer.
        rows: rows of the model's table of embeddings.
        kind: its class.
        added: special tokens that the reward adds.

    Raises:
        RewardError: no tokenizer, or one with more tokens than the model knows.
    """
    tokenizer = load(reward, kind, path, source, padding_side="right")
    if not any((Path(str(path)).expanduser() / name).is_file() for name in VOCABULARIES):
        raise RewardError(f"reward {reward}: no tokenizer in {path}; download that of {source} there")
    tokenizer.add_special_tokens(added)
    if len(tokenizer) > rows:
        raise RewardError(
            f"reward {reward}: the tokenizer in {path} has {len(tokenizer)} tokens, the model {rows}; "
            f"give that of {source}"
        )
    return tokenizer


def load_image_processor(reward: str, path: str, source: str) -> Any:
    """The image processor in a folder, computed by Pillow whatever else is installed.

    Raises:
        RewardError: there is none.
    """
    return load(reward, transformers.AutoImageProcessor, path, source, backend="pil")


def in_batches(reward: str, batch: int, score: Callable[[list[Image.Image], list[str]], Tensor]) -> Score:
    """The reward that scores at most `batch` images at a time.

    Args:
        reward: name for complaints.
        batch: images that the model sees together.
        score: RGB images and their prompts → scores [B].

    Raises:
        RewardError: `batch` is not a positive whole number.
    """
    if not isinstance(batch, int) or batch < 1:
        raise RewardError(f"reward {reward}: batch is {batch!r}; give a whole number of at least 1")

    @torch.inference_mode()
    def scores(images: Sequence[np.ndarray], prompts: Sequence[Prompt]) -> list[float]:
        if len(images) != len(prompts):
            raise ValueError(f"{len(images)} images but {len(prompts)} prompts")
        found: list[float] = []
        for start in range(0, len(images), batch):
            part = slice(start, start + batch)
            pictures = [Image.fromarray(image) for image in images[part]]
            found += score(pictures, [prompt.text for prompt in prompts[part]]).tolist()
        return found

    return scores
