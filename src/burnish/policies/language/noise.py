"""Rollouts that look at a noisy view of their pictures, while the gradient sees the clean one.

NoisyRollout (2504.13055): wrong looks make the rollouts of a group differ in what they saw, so the group's
advantages speak of perception too. The noise fades along a sigmoid.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from burnish.engine import rng
from burnish.media import Picture
from burnish.types import Prompt

STEEPNESS = 30.0
MIDDLE = 2 / 3
"""Share of the run after which half of the noise is gone; the paper's 40 of 60 steps."""


def level_at(level: float, step: int, steps: int) -> float:
    """The noise of training step `step` (from 1) of `steps`, from `level` down to 0 (§3.2)."""
    return level / (1 + math.exp(STEEPNESS * (step / max(1, steps) - MIDDLE)))


def view(prompt: Prompt, level: float, seed: tuple[int | str, ...]) -> Prompt:
    """The prompt with Gaussian noise in its pictures: x becomes √(1 − level²)·x + level·ε, x in [−1, 1].

    Level 0.5 is step 500 of 1000 of the diffusion by which the paper distorts.
    """

    def noisy(source: Any, *place: int | str) -> Picture:
        return Picture(lambda: _distorted(source, level, (*seed, *place)), prompt.text[:40])

    images = tuple(noisy(image, "image", i) for i, image in enumerate(prompt.images))
    videos = tuple(
        tuple(noisy(frame, "video", i, j) for j, frame in enumerate(frames))
        for i, frames in enumerate(prompt.videos)
    )
    return replace(prompt, images=images, videos=videos)


def _distorted(source: Any, level: float, seed: tuple[int | str, ...]) -> Image.Image:
    image = source.open() if isinstance(source, Picture) else source
    pixels = np.asarray(image.convert("RGB"), np.float32) / 127.5 - 1
    drawn = np.random.default_rng(rng.seed_of(*seed)).standard_normal(pixels.shape, np.float32)
    mixed = math.sqrt(1 - level**2) * pixels + level * drawn
    return Image.fromarray(((mixed + 1) * 127.5).round().clip(0, 255).astype(np.uint8))
