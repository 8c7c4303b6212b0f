"""Z-Image: conditioning by a Qwen3 on each prompt's own tokens, one stream for text and image."""

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


def beyond(prompted: Tensor, unprompted: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance as Z-Image counts it, 0 for none: p + scale·(p − u)."""
    return backbone.combine(prompted, unprompted, 1 + scale)


class ZImage:
    """A `ZImagePipeline` as a burnish backbone (protocol: `Backbone`)."""

    lora_targets = [  # noqa: RUF012
        "attention.to_q", "attention.to_k", "attention.to_v", "attention.to_out.0",
        "feed_forward.w1", "feed_forward.w2", "feed_forward.w3",
    ]  # fmt: skip
    unprompted = ""

    def __init__(self, pipe: Any, settings: Model):
        self.pipe = pipe
        self.denoiser = pipe.transformer
        self.guidance: float | None = 0.0 if settings.guidance_scale is None else settings.guidance_scale
        self.guide: Guide | None = beyond if self.guidance > 0 else None
        self.text_tokens = min(settings.max_text_tokens, 512)
        step = 2 * pipe.vae_scale_factor
        self.height, self.width = backbone.size_of(pipe, settings.height, settings.width, 1024, step)
        rows, columns = (value // pipe.vae_scale_factor for value in (self.height, self.width))
        self.latent_shape: tuple[int, ...] = (self.denoiser.in_channels, rows, columns)

    @torch.no_grad()
    def encode(self, texts: list[str]) -> list[Condition]:
        """Sequence [L, D] of each prompt's own length, and ones [L] that padding extends by zeros."""
        rows, _ = self.pipe.encode_prompt(
            list(texts), do_classifier_free_guidance=False, max_sequence_length=self.text_tokens
        )
        return [
            {"sequence": row, "mask": torch.ones(len(row), dtype=torch.bool, device=row.device)}
            for row in rows
        ]

    def blank(self) -> Condition:
        """A condition without content, of the length of a full prompt, for estimates."""
        config = self.denoiser.config
        return {
            "sequence": torch.zeros(min(128, self.text_tokens), config.cap_feat_dim),
            "mask": torch.ones(min(128, self.text_tokens), dtype=torch.bool, device="cpu"),
        }

    def schedule(self, steps: int) -> Schedule:
        """The pipeline's levels for this resolution."""
        return backbone.shifted(self.pipe.scheduler, steps, self.latent_shape[1] * self.latent_shape[2] // 4)

    def predict(self, latents: Tensor, time_B: Tensor, condition: Condition) -> Tensor:
        """Velocity [B, channels, height, width]; the network counts time from noise and returns x_0 − ε."""
        texts = [row[mask] for row, mask in zip(condition["sequence"], condition["mask"], strict=True)]
        frames = list(latents.to(self.denoiser.dtype).unsqueeze(2).unbind(0))
        predicted = self.denoiser(frames, 1 - time_B, texts, return_dict=False)[0]
        return -torch.stack(list(predicted)).squeeze(2)

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
