"""The trained parameters of a denoiser, and predictions with others in their place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from burnish.policies.denoising.backbone import Backbone


class Referenced:
    """A policy that can predict with reference or averaged weights."""

    backbone: Backbone
    _reference: Any = None

    @property
    def parameters(self) -> dict[str, torch.nn.Parameter]:
        """The trained parameters by name."""
        named = self.backbone.denoiser.named_parameters()
        return {name: value for name, value in named if value.requires_grad}

    def remember_reference(self) -> None:
        """Keeps today's weights as the reference of the divergence (LoRA needs no copy)."""
        if not getattr(self.backbone.denoiser, "peft_config", None):
            self._reference = {name: value.detach().clone() for name, value in self.parameters.items()}

    @contextmanager
    def reference(self) -> Iterator[None]:
        """Inside, the policy predicts with the reference weights."""
        denoiser: Any = self.backbone.denoiser
        if self._reference is None:
            denoiser.disable_adapters()
            try:
                yield
            finally:
                denoiser.enable_adapters()
            return
        with self.weights(self._reference):
            yield

    @contextmanager
    def weights(self, values: dict[str, Tensor]) -> Iterator[None]:
        """Inside, the trained parameters hold `values` (a reference, an average)."""
        parameters = self.parameters
        kept = {name: parameter.data for name, parameter in parameters.items()}
        for name, parameter in parameters.items():
            parameter.data = values[name].to(parameter.device)
        try:
            yield
        finally:
            for name, parameter in parameters.items():
                parameter.data = kept[name]
