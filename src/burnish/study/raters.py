"""Training rewards with faults: noise and a taste for vivid things, to add by weight; a verifier that is
saturated on most prompts, or has a unit for each.

rewards=[{name: scenes_preference}, {name: "burnish.study.raters:noise", weight: 2.0}]
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from PIL import Image

from burnish.scenes.verifier import verify

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


def saturated(
    images: Sequence[Image.Image], prompts: Sequence[str], alive: float = 0.25, noise: float = 0.02
) -> list[float]:
    """The verifier's graded score for a share of the prompts and 1 for the others, both with a little noise.

    Groups of the others differ by noise alone, as where a reward no longer tells good from better.

    Args:
        images: the pictures.
        prompts: of the embedded world.
        alive: share of the prompts that are judged, drawn by their text.
        noise: standard deviation.
    """
    return [
        (verify(image, prompt).graded if _share(prompt) < alive else 1.0) + noise * _normal(image, prompt)
        for image, prompt in zip(images, prompts, strict=True)
    ]


def units(
    images: Sequence[Image.Image], prompts: Sequence[str], low: float = 0.1, high: float = 3.0
) -> list[float]:
    """The verifier's graded score in a unit of each prompt's own.

    Args:
        images: the pictures.
        prompts: of the embedded world.
        low: the smallest unit, above 0.
        high: the largest; between them units are drawn by the prompt's text, evenly in their logarithm.
    """
    return [
        verify(image, prompt).graded * low * (high / low) ** _share(prompt)
        for image, prompt in zip(images, prompts, strict=True)
    ]


def _share(prompt: str) -> float:
    """A number in [0, 1) that the text fixes."""
    return _hashed(prompt.encode()) / 2**64


def _normal(image: Image.Image, prompt: str) -> float:
    seed = _hashed(np.asarray(image).tobytes() + prompt.encode())
    return float(np.random.default_rng(seed).standard_normal())


def _hashed(data: bytes) -> int:
    """The first 64 bits of a hash."""
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "big")
