"""The trained parameters of a network, and predictions with others in their place."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor


class Referenced(ABC):
    """A policy that can predict with reference or averaged weights."""

    _reference: dict[str, Tensor] | None = None

    @property
    @abstractmethod
    def network(self) -> Any:
        """What is trained, and carries the adapters if there are any."""

    @property
    def parameters(self) -> dict[str, torch.nn.Parameter]:
        """The trained parameters by name."""
        named = self.network.named_parameters()
        return {name: value for name, value in named if value.requires_grad}

    def remember_reference(self) -> None:
        """Keeps today's weights as the reference of the divergence (LoRA needs no copy)."""
        if not getattr(self.network, "peft_config", None):
            self._reference = {name: value.detach().clone() for name, value in self.parameters.items()}

    @contextmanager
    def reference(self) -> Iterator[None]:
        """Inside, the policy predicts with the reference weights."""
        if self._reference is None:
            self.network.disable_adapters()
            try:
                yield
            finally:
                self.network.enable_adapters()
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
