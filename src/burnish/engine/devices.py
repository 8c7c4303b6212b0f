"""Where a model runs."""

from __future__ import annotations

import os

import torch


def cards() -> list[str]:
    """The CUDA cards that this process may use, as CUDA_VISIBLE_DEVICES names them; empty: none."""
    chosen = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    count = torch.cuda.device_count()
    return (chosen or [str(number) for number in range(count)])[:count]


def find_device(name: str | torch.device) -> torch.device:
    """`auto` becomes the accelerator where there is one, else the CPU; other names are torch's.

    Raises:
        ValueError: the device is not on this machine; the message is the reason.
    """
    if name == "auto":
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    try:
        return torch.empty(1, device=name).device
    except (RuntimeError, AssertionError) as problem:
        raise ValueError(str(problem).splitlines()[0]) from None
