"""Stable Diffusion 1.x and 2.x: a U-Net that predicts ε or v, CLIP conditioning, DDIM.

The checkpoint's own scheduler is replaced by `DDIMScheduler` with the same betas, offsets and spacing: the
transition whose η makes a decision of a step.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from burnish.core.transitions import Schedule
from burnish.errors import ModelError
from burnish.policies.denoising import backbone
from burnish.policies.denoising.backbone import Condition, Guide
from burnish.recipes.schema import Model


class StableDiffusion:
    """A `StableDiffusionPipeline` as a burnish backbone (protocol: `Backbone`)."""

    lora_targets = ["to_q", "to_k", "to_v", "to_out.0"]  # noqa: RUF012
    unprompted = ""

    def __init__(self, pipe: Any, settings: Model):
        from diffusers import DDIMScheduler

        pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, clip_sample=False)
        config = pipe.scheduler.config
        if config.prediction_type not in ("epsilon", "v_prediction") or config.thresholding:
            raise ModelError(
                f"{settings.path} predicts {config.prediction_type!r} (thresholding {config.thresholding}); "
                "burnish trains ε- and v-prediction without thresholding"
            )
        self.pipe = pipe
        self.denoiser = pipe.unet
        self.guidance: float | None = 7.5 if settings.guidance_scale is None else settings.guidance_scale
        self.guide: Guide | None = backbone.combine if self.guidance > 1 else None
        scale = pipe.vae_scale_factor
        native = self.denoiser.config.sample_size * scale
        self.height, self.width = backbone.size_of(pipe, settings.height, settings.width, native, scale)
        channels = self.denoiser.config.in_channels
        self.latent_shape: tuple[int, ...] = (channels, self.height // scale, self.width // scale)

    @torch.no_grad()
    def encode(self, texts: list[str]) -> list[Condition]:
        """CLIP's sequence [L, D]."""
        sequence, _ = self.pipe.encode_prompt(texts, self.pipe.device, 1, False)
        return [{"sequence": row} for row in sequence]

    def blank(self) -> Condition:
        """A condition without content, of the length of a full prompt, for estimates."""
        config = self.denoiser.config
        return {"sequence": torch.zeros(self.pipe.tokenizer.model_max_length, config.cross_attention_dim)}

    def schedule(self, steps: int) -> Schedule:
        """The scheduler's own timesteps and noise levels, down to its final one."""
        scheduler = self.pipe.scheduler
        scheduler.set_timesteps(steps)
        bars = scheduler.alphas_cumprod.double()
        stride = scheduler.config.num_train_timesteps // steps
        final = scheduler.final_alpha_cumprod.double()
        times = scheduler.timesteps.cpu()
        last = int(times[-1]) - stride
        levels = torch.cat([bars[times], (bars[last] if last >= 0 else final)[None]])
        return Schedule(times.double(), (1 - levels).sqrt(), scheduler.config.prediction_type)

    def predict(self, latents: Tensor, time_B: Tensor, condition: Condition) -> Tensor:
        """ε or v, [B, channels, height, width]."""
        return self.denoiser(latents, time_B, encoder_hidden_states=condition["sequence"], return_dict=False)[
            0
        ]

    @torch.no_grad()
    def decode(self, latents: Tensor) -> np.ndarray:
        """uint8 images [B, height, width, 3]."""
        return backbone.decode(self.pipe.vae, latents)

    @torch.no_grad()
    def pipeline_images(self, texts: list[str], steps: int, noise: Tensor) -> np.ndarray:
        """What the pipeline itself draws from this noise: uint8 [B, height, width, 3]."""
        return backbone.draw(self, texts, steps, noise, guidance_scale=self.guidance)

    def save_lora(self, folder: Path) -> None:
        """Writes `pytorch_lora_weights.safetensors`."""
        backbone.save_lora(self.pipe, "unet", folder)
