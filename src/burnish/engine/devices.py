"""Where a model runs."""

from __future__ import annotations

import torch


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
