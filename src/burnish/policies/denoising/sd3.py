"""SD3 and SD3.5: two CLIP encoders and T5 in one sequence, square latents, classifier-free guidance."""

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


class StableDiffusion3:
    """A `StableDiffusion3Pipeline` as a burnish backbone (protocol: `Backbone`)."""

    lora_targets = [*DUAL_ATTENTION, "attn2.to_q", "attn2.to_k", "attn2.to_v", "attn2.to_out.0"]  # noqa: RUF012
    unprompted = ""

    def __init__(self, pipe: Any, settings: Model):
        self.pipe = pipe
        self.denoiser = pipe.transformer
        self.guidance: float | None = 7.0 if settings.guidance_scale is None else settings.guidance_scale
        self.guide: Guide | None = backbone.combine if self.guidance > 1 else None
        limit = pipe.tokenizer_3.model_max_length if pipe.tokenizer_3 else 256
        self.text_tokens = min(settings.max_text_tokens, limit, 256)
        step = pipe.vae_scale_factor * pipe.patch_size
        native = pipe.default_sample_size * pipe.vae_scale_factor
        self.height, self.width = backbone.size_of(pipe, settings.height, settings.width, native, step)
        rows, columns = (value // pipe.vae_scale_factor for value in (self.height, self.width))
        self.latent_shape: tuple[int, ...] = (self.denoiser.config.in_channels, rows, columns)

    @torch.no_grad()
    def encode(self, texts: list[str]) -> list[Condition]:
        """Sequence [L, D] of CLIP and T5 tokens, and the pooled CLIP embeddings [D]."""
        sequence, _, pooled, _ = self.pipe.encode_prompt(
            texts, texts, texts, do_classifier_free_guidance=False, max_sequence_length=self.text_tokens
        )
        return [{"sequence": s, "pooled": p} for s, p in zip(sequence, pooled, strict=True)]

    def blank(self) -> Condition:
        """A condition without content, of the length of a full prompt, for estimates."""
        config, tokens = self.denoiser.config, self.pipe.tokenizer_max_length + self.text_tokens
        return {
            "sequence": torch.zeros(tokens, config.joint_attention_dim),
            "pooled": torch.zeros(config.pooled_projection_dim),
        }

    def schedule(self, steps: int) -> Schedule:
        """The pipeline's levels; the shift is the scheduler's own, or follows the resolution."""
        from diffusers.pipelines.stable_diffusion_3.pipeline_stable_diffusion_3 import calculate_shift

        scheduler, options = self.pipe.scheduler, {}
        if scheduler.config.get("use_dynamic_shifting"):
            tokens = self.latent_shape[1] * self.latent_shape[2] // self.denoiser.config.patch_size**2
            names = ("base_image_seq_len", "max_image_seq_len", "base_shift", "max_shift")
            defaults = (256, 4096, 0.5, 1.16)
            shift = [scheduler.config.get(name, value) for name, value in zip(names, defaults, strict=True)]
            options["mu"] = calculate_shift(tokens, *shift)
        scheduler.set_timesteps(steps, **options)
        return Schedule(scheduler.timesteps.double().cpu(), scheduler.sigmas.double().cpu())

    def predict(self, latents: Tensor, time_B: Tensor, condition: Condition) -> Tensor:
        """Velocity [B, channels, height, width]."""
        return self.denoiser(
            hidden_states=latents,
            timestep=time_B,
            encoder_hidden_states=condition["sequence"],
            pooled_projections=condition["pooled"],
            return_dict=False,
        )[0]

    @torch.no_grad()
    def decode(self, latents: Tensor) -> np.ndarray:
        """uint8 images [B, height, width, 3]."""
        return backbone.decode(self.pipe.vae, latents)

    @torch.no_grad()
    def pipeline_images(self, texts: list[str], steps: int, noise: Tensor) -> np.ndarray:
        """What the pipeline itself draws from this noise: uint8 [B, height, width, 3]."""
        options = {"guidance_scale": self.guidance, "max_sequence_length": self.text_tokens}
        return backbone.draw(self, texts, steps, noise, **options)

    def save_lora(self, folder: Path) -> None:
        """Writes `pytorch_lora_weights.safetensors`."""
        backbone.save_lora(self.pipe, "transformer", folder)
