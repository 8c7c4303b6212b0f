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

from burnish.errors import ModelError
from burnish.policies.denoising.backbone import Condition
from burnish.recipes.schema import Model


class Flux:
    """A `FluxPipeline` as a burnish backbone (protocol: `Backbone`)."""

    lora_targets = [  # noqa: RUF012
        "attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0",
        "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj", "attn.to_add_out",
        "ff.net.0.proj", "ff.net.2", "ff_context.net.0.proj", "ff_context.net.2",
        "proj_mlp", "proj_out",
    ]  # fmt: skip

    def __init__(self, pipe: Any, settings: Model):
        self.pipe = pipe
        self.transformer = pipe.transformer
        self.guidance = settings.guidance_scale
        self.text_tokens = min(settings.max_text_tokens, pipe.tokenizer_2.model_max_length, 512)
        native = pipe.vae.config.sample_size if pipe.vae.config.sample_size < 512 else 1024
        self.height, self.width = settings.height or native, settings.width or native
        step = 2 * pipe.vae_scale_factor
        for name, value in (("height", self.height), ("width", self.width)):
            if value % step:
                raise ModelError(f"model.{name}={value} does not fit this model; use a multiple of {step}")
        rows, columns = self.height // step, self.width // step
        self.latent_shape: tuple[int, ...] = (rows * columns, self.transformer.config.in_channels)
        self.image_ids = pipe._prepare_latent_image_ids(1, rows, columns, pipe.device, torch.float32)

    @torch.no_grad()
    def encode(self, texts: list[str]) -> Condition:
        """Pooled [P, D] and sequence [P, L, D] text embeddings, as the pipeline makes them."""
        sequence, pooled, _ = self.pipe.encode_prompt(texts, texts, max_sequence_length=self.text_tokens)
        return {"sequence": sequence, "pooled": pooled}

    def sigmas(self, steps: int) -> Tensor:
        """The pipeline's schedule for this resolution, dynamic shift included; float64 [steps + 1]."""
        from diffusers.pipelines.flux.pipeline_flux import calculate_shift

        scheduler = self.pipe.scheduler
        names = ("base_image_seq_len", "max_image_seq_len", "base_shift", "max_shift")
        defaults = (256, 4096, 0.5, 1.15)
        shift = [scheduler.config.get(name, value) for name, value in zip(names, defaults, strict=True)]
        scheduler.set_timesteps(
            sigmas=np.linspace(1.0, 1 / steps, steps), mu=calculate_shift(self.latent_shape[0], *shift)
        )
        return scheduler.sigmas.double().cpu()

    def predict(self, latents: Tensor, sigma_B: Tensor, condition: Condition) -> Tensor:
        """Velocity [B, tokens, channels]."""
        guidance = None
        if self.transformer.config.guidance_embeds:
            guidance = torch.full_like(sigma_B, self.guidance)
        text_ids = self.image_ids.new_zeros(condition["sequence"].shape[1], 3)
        return self.transformer(
            hidden_states=latents,
            timestep=sigma_B,
            guidance=guidance,
            pooled_projections=condition["pooled"],
            encoder_hidden_states=condition["sequence"],
            txt_ids=text_ids,
            img_ids=self.image_ids,
            return_dict=False,
        )[0]

    @torch.no_grad()
    def decode(self, latents: Tensor) -> np.ndarray:
        """uint8 images [B, height, width, 3]."""
        vae = self.pipe.vae
        latents = self.pipe._unpack_latents(latents, self.height, self.width, self.pipe.vae_scale_factor)
        latents = latents.to(vae.dtype) / vae.config.scaling_factor + vae.config.shift_factor
        pixels = vae.decode(latents, return_dict=False)[0]
        pixels = ((pixels.float() / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
        return pixels.permute(0, 2, 3, 1).cpu().numpy()

    def save_lora(self, folder: Path) -> None:
        """Writes `pytorch_lora_weights.safetensors`, rank and alpha in its metadata."""
        from diffusers.training_utils import _collate_lora_metadata
        from peft.utils import get_peft_model_state_dict

        self.pipe.save_lora_weights(
            folder,
            transformer_lora_layers=get_peft_model_state_dict(self.transformer),
            **_collate_lora_metadata({"transformer": self.transformer}),
        )
