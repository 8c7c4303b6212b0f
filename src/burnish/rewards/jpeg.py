"""Size of the JPEG file: the two rewards of DDPO (2305.13301, §5.1) that need no model.

Kilobytes are 1000 bytes. Flow-GRPO's code divides the compressibility by 500; give a weight for that.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from burnish.errors import RewardError
from burnish.types import Prompt

Score = Callable[[Sequence[np.ndarray], Sequence[Prompt]], list[float | None]]


def jpeg_compressibility(quality: int = 95) -> Score:
    """Minus the kilobytes of the image as JPEG of this quality (1–100): smooth pictures win.

    Raises:
        RewardError: the quality is no whole number from 1 to 100.
    """
    _check(quality, "jpeg_compressibility")
    return lambda images, prompts: [-_kilobytes(image, quality) for image in images]


def jpeg_incompressibility(quality: int = 95) -> Score:
    """Plus the kilobytes of the image as JPEG of this quality (1–100): busy pictures win.

    Raises:
        RewardError: the quality is no whole number from 1 to 100.
    """
    _check(quality, "jpeg_incompressibility")
    return lambda images, prompts: [_kilobytes(image, quality) for image in images]


def _kilobytes(image: np.ndarray, quality: int) -> float:
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="JPEG", quality=quality)
    return file.tell() / 1000


def _check(quality: int, name: str) -> None:
    if not isinstance(quality, int) or isinstance(quality, bool) or not 1 <= quality <= 100:
        raise RewardError(f"reward {name}: quality must be a whole number from 1 to 100, not {quality!r}")
