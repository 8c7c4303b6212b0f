"""FLUX.1: conditioning by CLIP (pooled) and T5 (sequence), packed 2×2 latents, embedded guidance.

Everything that depends on the checkpoint comes from its `diffusers.FluxPipeline`: token limits, latent
packing, the resolution-dependent shift of the schedule, the VAE's scaling.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from burnish.core.transitions import Schedule
from burnish.policies.denoising import backbone
from burnish.policies.denoising.backbone import Condition, Guide
from burnish.recipes.schema import Model

DUAL_ATTENTION = [
    "attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0",
    "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj", "attn.to_add_out",
]  # fmt: skip
"""Projections of a joint attention over text and image."""


class Flux:
    """A `FluxPipeline` as a burnish backbone (protocol: `Backbone`)."""

    lora_targets = [  # noqa: RUF012
        *DUAL_ATTENTION,
        "ff.net.0.proj", "ff.net.2", "ff_context.net.0.proj", "ff_context.net.2", "proj_mlp", "proj_out",
    ]  # fmt: skip
    guide: Guide | None = None
    unprompted = ""

    def __init__(self, pipe: Any, settings: Model):
        self.pipe = pipe
        self.denoiser = pipe.transformer
        embedded = self.denoiser.config.guidance_embeds
        self.guidance = (
            (3.5 if settings.guidance_scale is None else settings.guidance_scale) if embedded else None
        )
        self.text_tokens = min(settings.max_text_tokens, pipe.tokenizer_2.model_max_length, 512)
        native = pipe.vae.config.sample_size if pipe.vae.config.sample_size < 512 else 1024
        step = 2 * pipe.vae_scale_factor
        self.height, self.width = backbone.size_of(pipe, settings.height, settings.width, native, step)
        rows, columns = self.height // step, self.width // step
        self.latent_shape: tuple[int, ...] = (rows * columns, self.denoiser.config.in_channels)
        self.image_ids = pipe._prepare_latent_image_ids(1, rows, columns, pipe.device, torch.float32)

    @torch.no_grad()
    def encode(self, texts: list[str]) -> list[Condition]:
        """Pooled [D] and sequence [L, D] text embeddings, as the pipeline makes them."""
        sequence, pooled, _ = self.pipe.encode_prompt(texts, texts, max_sequence_length=self.text_tokens)
        return [{"sequence": s, "pooled": p} for s, p in zip(sequence, pooled, strict=True)]

    def blank(self) -> Condition:
        """A condition without content, of the length of a full prompt, for estimates."""
        config = self.denoiser.config
        return {
            "sequence": torch.zeros(self.text_tokens, config.joint_attention_dim),
            "pooled": torch.zeros(config.pooled_projection_dim),
        }

    def schedule(self, steps: int) -> Schedule:
        """The pipeline's levels for this resolution, dynamic shift included."""
        return backbone.shifted(self.pipe.scheduler, steps, self.latent_shape[0])

    def predict(self, latents: Tensor, time_B: Tensor, condition: Condition) -> Tensor:
        """Velocity [B, tokens, channels]."""
        text_ids = self.image_ids.new_zeros(condition["sequence"].shape[1], 3)
        return self.denoiser(
            hidden_states=latents,
            timestep=time_B,
            guidance=None if self.guidance is None else torch.full_like(time_B, self.guidance),
            pooled_projections=condition["pooled"],
            encoder_hidden_states=condition["sequence"],
            txt_ids=text_ids,
            img_ids=self.image_ids,
            return_dict=False,
        )[0]

    @torch.no_grad()
    def decode(self, latents: Tensor) -> np.ndarray:
        """uint8 images [B, height, width, 3]."""
        pipe = self.pipe
        return backbone.decode(
            pipe.vae, pipe._unpack_latents(latents, self.height, self.width, pipe.vae_scale_factor)
        )

    @torch.no_grad()
    def pipeline_images(self, texts: list[str], steps: int, noise: Tensor) -> np.ndarray:
        """What the pipeline itself draws from this noise: uint8 [B, height, width, 3]."""
        options = {} if self.guidance is None else {"guidance_scale": self.guidance}
        return backbone.draw(self, texts, steps, noise, max_sequence_length=self.text_tokens, **options)

    def save_lora(self, folder: Path) -> None:
        """Writes `pytorch_lora_weights.safetensors`."""
        backbone.save_lora(self.pipe, "transformer", folder)
