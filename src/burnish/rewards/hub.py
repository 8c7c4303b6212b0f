"""Models of rewards from local folders in the hub's format; nothing is ever downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from burnish.engine.devices import find_device
from burnish.errors import RewardError


def load(kind: Any, path: str, reward: str, **options: Any) -> Any:
    """`kind.from_pretrained(path)`, from this machine only.

    Raises:
        RewardError: no such folder, or it holds something else.
    """
    folder = existing(path, reward, folder=True)
    try:
        return kind.from_pretrained(folder, local_files_only=True, **options)
    except (OSError, ValueError, KeyError, TypeError, ImportError, RuntimeError, SafetensorError) as problem:
        raise RewardError(
            f"reward {reward}: {path} cannot be loaded as {kind.__name__}: {_short(problem)}"
        ) from None


def existing(path: str, reward: str, *, folder: bool = False) -> Path:
    """The path, made sure to be there.

    Raises:
        RewardError: it is not.
    """
    found = Path(str(path)).expanduser()
    if not (found.is_dir() if folder else found.is_file()):
        what = "folder" if folder else "file"
        raise RewardError(f"reward {reward}: no {what} {path}: download the model, then give its {what}")
    return found


def read_weights(path: str, reward: str) -> dict[str, Tensor]:
    """Tensors by name from `.safetensors`, or from a `.pt` or `.pth` file by torch's restricted reader.

    A wrapper `state_dict` or `model` around the tensors is taken off.

    Raises:
        RewardError: no such file, or it holds anything but tensors.
    """
    file = existing(path, reward)
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as problem:  # noqa: BLE001 (the restricted reader raises what it pleases)
        raise RewardError(f"reward {reward}: {path} cannot be read as weights: {_short(problem)}") from None
    for wrapper in ("state_dict", "model"):
        if isinstance(content, dict) and wrapper in content:
            content = content[wrapper]
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise RewardError(f"reward {reward}: {path} holds no weights: give a file of tensors by name")
    return content


def fill(module: nn.Module, weights: dict[str, Tensor], path: str, reward: str) -> None:
    """Puts the weights into the module; every one of its parameters must be there.

    Raises:
        RewardError: a parameter is missing or of another shape.
    """
    wanted = module.state_dict()
    for name, value in wanted.items():
        if name not in weights:
            raise RewardError(f"reward {reward}: {path} lacks {name}: it is not a checkpoint of this model")
        if weights[name].shape != value.shape:
            shapes = f"{tuple(weights[name].shape)}, not {tuple(value.shape)}"
            raise RewardError(
                f"reward {reward}: {name} in {path} is {shapes}: it is of another size of model"
            )
    module.load_state_dict({name: weights[name] for name in wanted})


def pick_device(name: str, reward: str) -> torch.device:
    """A device by name; `auto` is the accelerator where there is one.

    Raises:
        RewardError: the device is not on this machine.
    """
    try:
        return find_device(name)
    except ValueError as reason:
        raise RewardError(f"reward {reward}: device {name!r} cannot be used here ({reason})") from None


def _short(problem: Exception) -> str:
    return " ".join(str(problem).split())[:200]
