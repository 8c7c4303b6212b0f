"""How different is a picture from the others of its prompt? Training on a reward often costs that.

Names of axes: G pictures of one prompt, D numbers of a picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from PIL import Image
from scipy.spatial.distance import cdist

from burnish.rewards.kinds import groupwise
from burnish.types import Prompt

SIDE = 32

Score = Callable[[Sequence[np.ndarray], Sequence[Prompt]], list[float | None]]
Distances = Callable[[Sequence[np.ndarray]], np.ndarray]


def diversity(features: str | None = None, device: str = "auto") -> Score:
    """The mean distance of a picture to the others of its prompt; over a group, the mean over all its pairs.

    A groupwise reward: of 1 − cos between CLIP's embeddings (0 to 2), else of the root mean square difference
    of the pictures at 32 × 32 (0 to 1). The second needs no model and knows no content: a shifted picture is
    another one. Numbers compare only with the same measure and model. A picture alone has none.

    Args:
        features: folder of a CLIP model; None compares pixels.
        device: where that model runs; auto takes the accelerator if any.

    Raises:
        RewardError: the folder is missing or holds something else.
    """
    distances_GG = by_pixels if features is None else _by_features(features, device)

    @groupwise
    def score(images: Sequence[np.ndarray], prompts: Sequence[Prompt]) -> list[float | None]:
        others = len(images) - 1
        return (distances_GG(images).sum(1) / others).tolist() if others else [None]

    return score


def by_pixels(images: Sequence[np.ndarray]) -> np.ndarray:
    """Root mean square differences [G, G] at 32 × 32, in [0, 1], of uint8 pictures [H, W, 3].

    >>> black, white = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 255, np.uint8)
    >>> by_pixels([black, white]).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    small = [Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BOX) for image in images]
    pixels_GD = np.stack([np.asarray(image, float).ravel() / 255 for image in small])
    return cdist(pixels_GD, pixels_GD) / np.sqrt(pixels_GD.shape[1])


def _by_features(folder: str, device: str) -> Distances:
    from burnish.rewards.models.common import load_image_processor
    from burnish.rewards.models.contrastive import CLIP, embed_images, load_clip

    model = load_clip("diversity", folder, CLIP, device)
    processor = load_image_processor("diversity", folder, CLIP)

    @torch.inference_mode()
    def distances(images: Sequence[np.ndarray]) -> np.ndarray:
        pictures = [Image.fromarray(image) for image in images]
        pixels = processor(images=pictures, return_tensors="pt").pixel_values
        unit_GD = embed_images(model, pixels).double().cpu().numpy()
        return cdist(unit_GD, unit_GD, "cosine")

    return distances
