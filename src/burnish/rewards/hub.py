"""Models of rewards from local folders in the hub's format; nothing is ever downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from burnish.engine.devices import find_device
from burnish.engine.quiet import quiet
from burnish.errors import RewardError


def load(reward: str, kind: Any, path: str, source: str, **options: Any) -> Any:
    """`kind.from_pretrained(path)`, from this machine only.

    Args:
        reward: name for complaints.
        kind: a class of transformers.
        path: folder in the hub's format.
        source: what to download where there is no such folder.
        options: passed on.

    Raises:
        RewardError: no such folder, or it holds something else.
    """
    folder = Path(str(path)).expanduser()
    if not folder.is_dir():
        raise RewardError(f"reward {reward}: no folder {path}; download {source} there")
    quiet("transformers")
    try:
        return kind.from_pretrained(folder, local_files_only=True, **options)
    except (OSError, ValueError, KeyError, TypeError, ImportError, RuntimeError, SafetensorError) as problem:
        reason = " ".join(str(problem).split())[:200]
        raise RewardError(
            f"reward {reward}: {path} cannot be loaded as {kind.__name__} ({reason}); download {source} there"
        ) from None


def pick_device(name: str, reward: str) -> torch.device:
    """A device by name; `auto` is the accelerator where there is one.

    Raises:
        RewardError: the device is not on this machine.
    """
    try:
        return find_device(name)
    except ValueError as reason:
        raise RewardError(f"reward {reward}: device {name!r} cannot be used here ({reason})") from None
