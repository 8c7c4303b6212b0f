"""What a diffusion model must bring: text conditioning, a schedule, one prediction, pixels.

And what several of them share: the shifted schedule, sizes that fit, decoding, the export of an adapter.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from burnish.core.transitions import Schedule
from burnish.errors import ModelError

Condition = dict[str, Tensor]
"""Everything the prediction needs of the prompts; every tensor has one row a prompt."""

Guide = Callable[[Tensor, Tensor, float], Tensor]
"""Classifier-free guidance: predictions with the prompt and without it, and the scale, to one prediction."""


class Backbone(Protocol):
    """A model family: conditioning and prediction, nothing of sampling or of reinforcement learning.

    Attributes:
        pipe: the loaded `diffusers` pipeline.
        denoiser: the part that is trained.
        latent_shape: shape of one image's latents as the denoiser takes them, e.g. [tokens, channels].
        lora_targets: endings of module names that LoRA adapts by default.
        guidance: the scale in use; None where the model has none.
        guide: how two predictions become one; None where one forward is enough.
        unprompted: the text of the unguided prediction.
    """

    pipe: Any
    denoiser: nn.Module
    latent_shape: tuple[int, ...]
    lora_targets: list[str]
    guidance: float | None
    guide: Guide | None
    unprompted: str

    def encode(self, texts: list[str]) -> list[Condition]:
        """Conditions of the prompts, one each, without a batch axis; lengths may differ."""
        ...

    def blank(self) -> Condition:
        """A condition without content, of the length of a full prompt, for estimates."""
        ...

    def schedule(self, steps: int) -> Schedule:
        """The pipeline's own noise levels."""
        ...

    def predict(self, latents: Tensor, time_B: Tensor, condition: Condition) -> Tensor:
        """What the schedule names, of the latents' shape [B, *latent_shape]."""
        ...

    def decode(self, latents: Tensor) -> np.ndarray:
        """uint8 images [B, height, width, 3]."""
        ...

    def pipeline_images(self, texts: list[str], steps: int, noise: Tensor) -> np.ndarray:
        """What the `diffusers` pipeline itself draws from this noise: uint8 [B, height, width, 3]."""
        ...

    def save_lora(self, folder: Path) -> None:
        """Writes the adapter so that `pipe.load_lora_weights(folder)` reads it."""
        ...


def collate(conditions: list[Condition]) -> Condition:
    """Rows of equal or differing length to one batch; shorter ones are padded with zeros at the end."""
    return {
        key: nn.utils.rnn.pad_sequence([row[key] for row in conditions], batch_first=True)
        for key in conditions[0]
    }


def combine(prompted: Tensor, unprompted: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance (2207.12598, as every pipeline writes it): u + scale·(p − u)."""
    return unprompted + scale * (prompted - unprompted)


def size_of(pipe: Any, height: int | None, width: int | None, native: int, step: int) -> tuple[int, int]:
    """Height and width in pixels, `native` by default.

    Raises:
        ModelError: not a multiple of `step`.
    """
    sizes = height or native, width or native
    for name, value in zip(("height", "width"), sizes, strict=True):
        if value % step:
            raise ModelError(
                f"model.{name}={value} does not fit {type(pipe).__name__}: use a multiple of {step}"
            )
    return sizes


def shifted(scheduler: Any, steps: int, tokens: int) -> Schedule:
    """A flow's levels from 1 to 1/steps, shifted as the scheduler says for `tokens` image tokens."""
    from diffusers.pipelines.flux.pipeline_flux import calculate_shift

    names = ("base_image_seq_len", "max_image_seq_len", "base_shift", "max_shift")
    defaults = (256, 4096, 0.5, 1.15)
    shift = [scheduler.config.get(name, value) for name, value in zip(names, defaults, strict=True)]
    scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps), mu=calculate_shift(tokens, *shift))
    sigmas = scheduler.sigmas.double().cpu()
    return Schedule(sigmas[:-1], sigmas)


def draw(backbone: Any, texts: list[str], steps: int, noise: Tensor, **options: Any) -> np.ndarray:
    """The pipeline called as its users call it, with this start noise; uint8 [B, height, width, 3]."""
    images = backbone.pipe(
        list(texts),
        height=backbone.height,
        width=backbone.width,
        num_inference_steps=steps,
        latents=noise,
        output_type="np",
        **options,
    ).images
    return (images * 255).round().astype(np.uint8)


def to_uint8(pixels: Tensor) -> np.ndarray:
    """[B, 3, H, W] in [−1, 1] to uint8 [B, H, W, 3]."""
    pixels = ((pixels.float() / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
    return pixels.permute(0, 2, 3, 1).cpu().numpy()


def decode(vae: Any, latents: Tensor) -> np.ndarray:
    """uint8 images [B, H, W, 3] of an `AutoencoderKL`'s latents, by its own scale and shift."""
    latents = latents.to(vae.dtype) / vae.config.scaling_factor + (vae.config.shift_factor or 0.0)
    return to_uint8(vae.decode(latents, return_dict=False)[0])


def save_lora(pipe: Any, part: str, folder: Path) -> None:
    """Writes `pytorch_lora_weights.safetensors` of `pipe.transformer` or `pipe.unet`, with rank and alpha."""
    from diffusers.training_utils import _collate_lora_metadata
    from peft.utils import get_peft_model_state_dict

    module = getattr(pipe, part)
    pipe.save_lora_weights(
        folder,
        **{f"{part}_lora_layers": get_peft_model_state_dict(module)},
        **_collate_lora_metadata({part: module}),
    )
