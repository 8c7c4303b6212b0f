"""What a diffusion model must bring: text conditioning, a schedule, one prediction, pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import Tensor, nn

Condition = dict[str, Tensor]
"""Everything the prediction needs of the prompts; every tensor has one row a prompt."""


class Backbone(Protocol):
    """A model family: conditioning and prediction, nothing of sampling or of reinforcement learning.

    Attributes:
        pipe: the loaded `diffusers` pipeline.
        transformer: the denoiser: the only part that is trained.
        latent_shape: shape of one image's latents as the denoiser takes them, e.g. [tokens, channels].
        lora_targets: endings of module names that LoRA adapts by default.
    """

    pipe: Any
    transformer: nn.Module
    latent_shape: tuple[int, ...]
    lora_targets: list[str]

    def encode(self, texts: list[str]) -> Condition:
        """Conditions of P prompts."""
        ...

    def sigmas(self, steps: int) -> Tensor:
        """The pipeline's own noise levels, float64 [steps + 1], from 1 down to 0."""
        ...

    def predict(self, latents: Tensor, sigma_B: Tensor, condition: Condition) -> Tensor:
        """Velocity at noise level sigma, of the latents' shape [B, *latent_shape]."""
        ...

    def decode(self, latents: Tensor) -> np.ndarray:
        """uint8 images [B, height, width, 3]."""
        ...

    def save_lora(self, folder: Path) -> None:
        """Writes the adapter so that `pipe.load_lora_weights(folder)` reads it."""
        ...
