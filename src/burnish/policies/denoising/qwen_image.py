"""Qwen-Image: a Qwen2.5-VL reads the prompt; packed latents of a video autoencoder; norm-kept guidance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from burnish.core.transitions import Schedule
from burnish.policies.denoising import backbone
from burnish.policies.denoising.backbone import Condition, Guide
from burnish.policies.denoising.flux import DUAL_ATTENTION
from burnish.recipes.schema import Model


def rescaled(prompted: Tensor, unprompted: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance with every token brought back to the norm of its prompted prediction."""
    combined = backbone.combine(prompted, unprompted, scale)
    return combined * (prompted.norm(dim=-1, keepdim=True) / combined.norm(dim=-1, keepdim=True))


class QwenImage:
    """A `QwenImagePipeline` as a burnish backbone (protocol: `Backbone`)."""

    lora_targets = [  # noqa: RUF012
        *DUAL_ATTENTION, "img_mlp.net.0.proj", "img_mlp.net.2", "txt_mlp.net.0.proj", "txt_mlp.net.2"
    ]  # fmt: skip
    unprompted = " "

    def __init__(self, pipe: Any, settings: Model):
        self.pipe = pipe
        self.denoiser = pipe.transformer
        self.guidance: float | None = 4.0 if settings.guidance_scale is None else settings.guidance_scale
        self.embedded = bool(self.denoiser.config.guidance_embeds)
        self.guide: Guide | None = rescaled if self.guidance > 1 and not self.embedded else None
        self.text_tokens = min(settings.max_text_tokens, 1024)
        step, native = 2 * pipe.vae_scale_factor, pipe.default_sample_size * pipe.vae_scale_factor
        self.height, self.width = backbone.size_of(pipe, settings.height, settings.width, native, step)
        self.rows, self.columns = self.height // step, self.width // step
        self.latent_shape: tuple[int, ...] = (self.rows * self.columns, self.denoiser.config.in_channels)

    @torch.no_grad()
    def encode(self, texts: list[str]) -> list[Condition]:
        """Sequence [L, D] of each prompt's own length, and ones [L] that padding extends by zeros."""
        sequence, mask = self.pipe.encode_prompt(texts, max_sequence_length=self.text_tokens)
        lengths = [sequence.shape[1]] * len(texts) if mask is None else mask.sum(1).tolist()
        return [
            {"sequence": row[:length], "mask": torch.ones(length, dtype=torch.bool, device=row.device)}
            for row, length in zip(sequence, lengths, strict=True)
        ]

    def blank(self) -> Condition:
        """A condition without content, of the length of a full prompt, for estimates."""
        config = self.denoiser.config
        return {
            "sequence": torch.zeros(min(128, self.text_tokens), config.joint_attention_dim),
            "mask": torch.ones(min(128, self.text_tokens), dtype=torch.bool, device="cpu"),
        }

    def schedule(self, steps: int) -> Schedule:
        """The pipeline's levels for this resolution."""
        return backbone.shifted(self.pipe.scheduler, steps, self.latent_shape[0])

    def predict(self, latents: Tensor, time_B: Tensor, condition: Condition) -> Tensor:
        """Velocity [B, tokens, channels]."""
        mask = condition["mask"]
        return self.denoiser(
            hidden_states=latents,
            timestep=time_B,
            guidance=torch.full_like(time_B, self.guidance or 1.0) if self.embedded else None,
            encoder_hidden_states_mask=None if mask.all() else mask,
            encoder_hidden_states=condition["sequence"],
            img_shapes=[[(1, self.rows, self.columns)]] * len(latents),
            return_dict=False,
        )[0]

    @torch.no_grad()
    def decode(self, latents: Tensor) -> np.ndarray:
        """uint8 images [B, height, width, 3]; the autoencoder sees a video of one frame."""
        vae = self.pipe.vae
        latents = self.pipe._unpack_latents(latents, self.height, self.width, self.pipe.vae_scale_factor)
        mean, std = (
            torch.tensor(values, dtype=torch.float32, device=latents.device).view(1, -1, 1, 1, 1)
            for values in (vae.config.latents_mean, vae.config.latents_std)
        )
        pixels = vae.decode((latents * std + mean).to(vae.dtype), return_dict=False)[0]
        return backbone.to_uint8(pixels[:, :, 0])

    @torch.no_grad()
    def pipeline_images(self, texts: list[str], steps: int, noise: Tensor) -> np.ndarray:
        """What the pipeline itself draws from this noise: uint8 [B, height, width, 3]."""
        options: dict[str, Any] = {"guidance_scale" if self.embedded else "true_cfg_scale": self.guidance}
        if self.guide:
            options["negative_prompt"] = [self.unprompted] * len(texts)
        return backbone.draw(self, texts, steps, noise, max_sequence_length=self.text_tokens, **options)

    def save_lora(self, folder: Path) -> None:
        """Writes `pytorch_lora_weights.safetensors`."""
        backbone.save_lora(self.pipe, "transformer", folder)
