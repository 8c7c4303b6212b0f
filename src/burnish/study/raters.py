"""Faults to add to a training reward, by weight: noise, and a taste for vivid, large things.

rewards=[{name: scenes_preference}, {name: "burnish.study.raters:noise", weight: 2.0}]
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from PIL import Image

_COLOURED = 0.4
"""Saturation from which a pixel counts as coloured, as for the raters of scenes_preference."""


def noise(images: Sequence[Image.Image], prompts: Sequence[str]) -> list[float]:
    """Standard normal noise of the picture and its prompt: asked again, it says the same."""
    return [_normal(image, prompt) for image, prompt in zip(images, prompts, strict=True)]


def vividness(images: Sequence[Image.Image], prompts: Sequence[str]) -> list[float]:
    """Mean saturation plus the share of coloured pixels, in [0, 2], whatever was asked for."""
    found = []
    for image in images:
        pixels = np.asarray(image, dtype=np.float32) / 255
        saturation = pixels.max(-1) - pixels.min(-1)
        found.append(float(saturation.mean() + (saturation > _COLOURED).mean()))
    return found


def _normal(image: Image.Image, prompt: str) -> float:
    digest = hashlib.sha256(np.asarray(image).tobytes() + prompt.encode()).digest()
    return float(np.random.default_rng(int.from_bytes(digest[:8], "big")).standard_normal())
