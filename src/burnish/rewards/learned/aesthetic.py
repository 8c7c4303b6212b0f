"""LAION's improved aesthetic predictor: how well would people like the picture, from 1 to 10?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from burnish.rewards import hub
from burnish.rewards.learned.clip import Clip, Score
from burnish.rewards.learned.head import read_head
from burnish.types import Prompt


def aesthetic(path: str, head: str, device: str = "auto", batch: int = 32) -> Score:
    """The linear layers of the predictor V2 on the unit embedding of CLIP ViT-L/14; prompts do not count.

    Source: github.com/christophschuhmann/improved-aesthetic-predictor, as DDPO (2305.13301, §5.1) uses it.

    Args:
        path: folder of openai/clip-vit-large-patch14.
        head: `sac+logos+ava1-l14-linearMSE.pth`, or the same tensors as `.safetensors`.
        device: where CLIP runs.
        batch: images in one forward.

    Raises:
        RewardError: a file is missing or holds another model.
    """
    clip = Clip(path, "aesthetic", device, batch)
    layers = read_head(
        hub.read_weights(head, "aesthetic"), clip.model.config.projection_dim, head, "aesthetic"
    )

    @torch.inference_mode()
    def score(images: Sequence[np.ndarray], prompts: Sequence[Prompt]) -> list[float]:
        seen = clip.images([Image.fromarray(image) for image in images])
        return layers(seen)[:, 0].tolist()

    return score
