"""Stateless randomness: every draw is a function of its keys, so a resumed run draws the same numbers.

Noise is drawn on the CPU in float32 and then moved, so it is the same on every device.
"""

from __future__ import annotations

import hashlib
import random
from typing import Any

import numpy as np
import torch
from torch import Tensor

Key = int | str


def seed_of(*keys: Key) -> int:
    """A seed in [0, 2⁶³) from integers and strings; the same on every machine and in every process."""
    text = "\x1f".join(f"{type(key).__name__}:{key}" for key in keys)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(*keys: Key) -> torch.Generator:
    """A CPU generator seeded by its keys."""
    return torch.Generator().manual_seed(seed_of(*keys))


def noise(
    shape: tuple[int, ...] | torch.Size,
    *keys: Key,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Standard normal numbers of `shape`, a function of the keys alone."""
    return torch.randn(shape, generator=generator(*keys)).to(device, dtype)


def global_state() -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The states of the global generators (python, numpy, torch) as tensors and JSON."""
    version, words, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state()
    tensors = {"torch": torch.get_rng_state(), "numpy": torch.from_numpy(np.asarray(keys).astype(np.int64))}
    if torch.cuda.is_available():
        tensors |= {f"cuda{i}": state for i, state in enumerate(torch.cuda.get_rng_state_all())}
    rest = {
        "python": [version, list(words), gauss],
        "numpy": [name, int(position), int(has_gauss), float(cached)],
    }
    return tensors, rest


def restore(tensors: dict[str, Tensor], rest: dict[str, Any]) -> None:
    """The inverse of `global_state`."""
    version, words, gauss = rest["python"]
    random.setstate((version, tuple(words), gauss))
    name, position, has_gauss, cached = rest["numpy"]
    np.random.set_state((name, tensors["numpy"].numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(tensors["torch"])
    cuda = [tensors[f"cuda{i}"] for i in range(torch.cuda.device_count()) if f"cuda{i}" in tensors]
    if cuda:
        torch.cuda.set_rng_state_all(cuda)
