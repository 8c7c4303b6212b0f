"""How different are the pictures of one prompt? Training on a reward often costs that.

The mean over all pairs of a prompt's pictures: of 1 − cos between CLIP's embeddings (0 to 2) with a folder
of a model, else of the root mean square difference of the pictures at 32 × 32 (0 to 1). The second needs no
model and knows no content: a shifted picture is another one. Numbers compare only with the same measure and
model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from PIL import Image

from burnish.rewards.models.common import load_image_processor
from burnish.rewards.models.contrastive import CLIP, embed_images, load_clip

SIDE = 32

Variety = Callable[[Sequence[np.ndarray]], float | None]


def variety(features: str | None, device: str) -> tuple[str, Variety]:
    """The measure's name, and the measure of uint8 pictures [H, W, 3]; None for fewer than two.

    Args:
        features: folder of a CLIP model; None compares pixels.
        device: where it runs.

    Raises:
        RewardError: the folder is missing or holds something else.
    """
    if features is None:
        return "pixels", by_pixels
    model = load_clip("diversity", features, CLIP, device)
    processor = load_image_processor("diversity", features, CLIP)

    @torch.inference_mode()
    def by_features(images: Sequence[np.ndarray]) -> float | None:
        if len(images) < 2:
            return None
        pixels = processor(images=[Image.fromarray(image) for image in images], return_tensors="pt")
        return apart(embed_images(model, pixels.pixel_values).double().cpu().numpy())

    return "features", by_features


def apart(unit_ND: np.ndarray) -> float:
    """The mean of 1 − cos over all pairs of N unit vectors.

    >>> apart(np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])).round(4)
    0.6667
    """
    count = len(unit_ND)
    total = float((unit_ND.sum(0) ** 2).sum() - (unit_ND**2).sum())
    return 1 - total / (count * (count - 1))


def by_pixels(images: Sequence[np.ndarray]) -> float | None:
    """The mean over all pairs of the root mean square difference at 32 × 32, in [0, 1]."""
    if len(images) < 2:
        return None
    small = [
        np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BOX), float) / 255
        for image in images
    ]
    pairs = [
        float(np.sqrt(((a - b) ** 2).mean())) for index, a in enumerate(small) for b in small[index + 1 :]
    ]
    return float(np.mean(pairs))
