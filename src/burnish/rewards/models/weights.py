"""Weights as the authors of reward models released them: read, checked, put into transformers' models."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from burnish.errors import RewardError


def read_weights(reward: str, path: str, source: str) -> dict[str, Tensor]:
    """Names and tensors of a `.safetensors` file, or of a `.pt` or `.pth` one; a `state_dict` is unpacked.

    Nothing in the file is run: torch reads tensors and plain containers only.

    Args:
        reward: name for complaints.
        path: the file.
        source: what to download where there is no such file.

    Raises:
        RewardError: the file is missing or cannot be read, or there is more or less in it than tensors.
    """
    file = Path(str(path)).expanduser()
    if not file.is_file():
        raise RewardError(f"reward {reward}: no file {path}; download {source} there")
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        held = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as problem:
        reason = " ".join(str(problem).split())[:200]
        raise RewardError(
            f"reward {reward}: {path} cannot be read as weights ({reason}); download {source} again"
        ) from problem
    held = held.get("state_dict", held) if isinstance(held, dict) else held
    if not isinstance(held, dict) or not held or not all(isinstance(v, Tensor) for v in held.values()):
        raise RewardError(f"reward {reward}: {path} holds no named weights; download {source} there")
    return held


def under(weights: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The weights whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def build(
    reward: str, kind: Any, config: Any, weights: dict[str, Tensor], path: str, source: str, **options: Any
) -> Any:
    """A model of transformers, in evaluation mode, holding exactly these weights.

    Args:
        reward: name for complaints.
        kind: the model's class.
        config: its configuration.
        weights: by the names of its parameters.
        path: file that they come from, for complaints.
        source: what to download where they do not fit.
        options: `dtype`, or arguments of the class.

    Raises:
        RewardError: a weight is missing, of another shape, or unknown to the model.
    """
    model, found = kind.from_pretrained(
        None,
        config=config,
        state_dict=weights,
        output_loading_info=True,
        ignore_mismatched_sizes=True,
        **options,
    )
    for what, key in (("lacks", "missing_keys"), ("has the unknown", "unexpected_keys")):
        check(reward, [f"{what} {name}" for name in sorted(found[key])], path, source)
    shapes = [
        f"has {name} of shape {list(there)}, not {list(wanted)}"
        for name, there, wanted in sorted(found["mismatched_keys"])
    ]
    check(reward, shapes, path, source)
    return model.eval().requires_grad_(False)


def linear_stack(
    reward: str, weights: dict[str, Tensor], width: int, path: str, source: str, relu: bool = False
) -> nn.Sequential:
    """The linear layers `N.weight` and `N.bias` in the order of N, float32, without dropout.

    Args:
        reward: name for complaints.
        weights: the layers; their sizes are taken from here.
        width: length of the vectors that they are given.
        path: file that they come from, for complaints.
        source: what to download where they do not fit.
        relu: whether a ReLU stands between two layers.

    Raises:
        RewardError: layers are missing, of sizes that do not fit together, or followed by something else.
    """
    numbers = sorted({int(found[1]) for name in weights if (found := re.match(r"(\d+)\.", name))})
    expected = {f"{number}.{part}" for number in numbers for part in ("weight", "bias")}
    check(reward, [f"lacks {name}" for name in sorted(expected - set(weights))], path, source)
    check(reward, [f"has the unknown {name}" for name in sorted(set(weights) - expected)], path, source)
    check(reward, [] if numbers else ["lacks a head"], path, source)
    layers: list[nn.Module] = []
    for number in numbers:
        weight, bias = weights[f"{number}.weight"], weights[f"{number}.bias"]
        fits = weight.ndim == 2 and weight.shape[1] == width and bias.shape == weight.shape[:1]
        wrong = f"has layer {number} of shape {list(weight.shape)}, which does not take {width} numbers"
        check(reward, [] if fits else [wrong], path, source)
        layer = nn.Linear(width, width := len(weight))
        layer.load_state_dict({"weight": weight, "bias": bias})
        layers += [nn.ReLU(), layer] if relu and layers else [layer]
    return nn.Sequential(*layers).eval().requires_grad_(False)


def check(reward: str, wrong: list[str], path: str, source: str) -> None:
    """Complains about the first of what is wrong with a file.

    Raises:
        RewardError: there is any.
    """
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise RewardError(f"reward {reward}: {path} {wrong[0]}{more}; download {source} there")
