"""The software and hardware that a run used; no host name, user name or path, so it is safe to publish."""

import os
import platform
from importlib import metadata
from typing import Any

from burnish import __version__

PACKAGES = ("burnish", "torch", "diffusers", "transformers", "peft")


def environment() -> dict[str, Any]:
    """Python, platform, processors, versions of the packages that matter (null: missing) and the device."""
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "cpu_count": os.cpu_count(),
        "device": _device(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return __version__ if package == "burnish" else None  # burnish from a source folder


def _device() -> str:
    try:
        import torch
    except ImportError:
        return "cpu"
    if torch.cuda.is_available():
        count = torch.cuda.device_count()
        name = torch.cuda.get_device_name(0)
        return name if count == 1 else f"{count} × {name}"
    if torch.backends.mps.is_available():
        return "mps"
    return "cpu"
