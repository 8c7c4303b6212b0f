"""The conditions of prompts: embedded once, remembered, kept on disk; and parts that wait on the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from burnish.policies.denoising.backbone import Backbone, Condition, collate
from burnish.policies.denoising.embeddings import EmbeddingCache

REMEMBERED = 2**30
"""Bytes of prompt embeddings kept on the device; the oldest go first."""


class Conditioned:
    """A policy that can tell its denoiser what to draw."""

    backbone: Backbone
    device: torch.device
    offload: bool
    cache: EmbeddingCache | None
    _embedded: dict[str, Condition]

    def condition(self, texts: list[str]) -> Condition:
        """Conditions of the prompts, one row each; a text is embedded once while its row is remembered.

        With classifier-free guidance every tensor has a twin, `unprompted_NAME`, of the empty prompt.
        """
        guided = self.backbone.guide is not None
        wanted = [*texts, self.backbone.unprompted] if guided else texts
        missing = [text for text in dict.fromkeys(wanted) if text not in self._embedded]
        if self.cache:
            for text in missing:
                if row := self.cache.get(text):
                    self._embedded[text] = {name: value.to(self.device) for name, value in row.items()}
            missing = [text for text in missing if text not in self._embedded]
        if missing:
            self._embed(missing)
        rows = collate([self._embedded[text] for text in wanted])
        size = sum(value.nbytes for value in self._embedded[texts[0]].values())
        while len(self._embedded) * size > REMEMBERED:
            del self._embedded[next(iter(self._embedded))]
        if not guided:
            return rows
        twins = {f"unprompted_{key}": value[-1:].expand_as(value[:-1]) for key, value in rows.items()}
        return {key: value[:-1] for key, value in rows.items()} | twins

    def _embed(self, texts: list[str]) -> None:
        with self._present("text_encoder"):
            for start in range(0, len(texts), 64):
                part = texts[start : start + 64]
                for text, row in zip(part, self.backbone.encode(part), strict=True):
                    self._embedded[text] = {key: value.clone() for key, value in row.items()}
                    if self.cache:
                        self.cache.put(text, self._embedded[text])

    @contextmanager
    def _present(self, prefix: str) -> Iterator[None]:
        """Inside, the pipeline's parts of this name are on the device; outside, if offloaded, on the CPU."""
        parts = self.backbone.pipe.components.items() if self.offload else ()
        modules = {name: part for name, part in parts if isinstance(part, nn.Module)}
        resident = self.backbone.denoiser
        mine = [part for name, part in modules.items() if name.startswith(prefix) and part is not resident]
        for part in mine:
            part.to(self.device)
        try:
            yield
        finally:
            for part in mine:
                part.to("cpu")
