"""Heads of reward models: a stack of layers under the names `PREFIX.N.weight` and `PREFIX.N.bias`."""

from __future__ import annotations

from torch import Tensor, nn

from burnish.errors import RewardError


def read_head(
    weights: dict[str, Tensor],
    width: int,
    path: str,
    reward: str,
    prefix: str = "layers",
    *,
    relu: bool = False,
) -> nn.Sequential:
    """Linear layers in the order of their numbers, float32, without dropout.

    Args:
        weights: by name; others are ignored.
        width: features that go in.
        path: where the weights come from, for complaints.
        reward: name of the reward, for complaints.
        prefix: of the names.
        relu: whether a ReLU stands between the layers.

    Raises:
        RewardError: no layers, or layers that do not fit `width` or each other.
    """
    start = f"{prefix}."
    numbers = sorted(
        {int(name.removeprefix(start).split(".")[0]) for name in weights if name.startswith(start)}
    )
    layers: list[nn.Module] = []
    for number in numbers:
        weight, bias = (weights.get(f"{start}{number}.{part}") for part in ("weight", "bias"))
        if weight is None or bias is None or weight.ndim != 2 or weight.shape[1] != width:
            raise RewardError(
                f"reward {reward}: layer {start}{number} in {path} does not take {width} features: "
                "it belongs to another model"
            )
        layer = nn.Linear(width, width := len(weight))
        layer.weight.data, layer.bias.data = weight.float(), bias.float()
        layers += [nn.ReLU(), layer] if relu and layers else [layer]
    if not layers:
        raise RewardError(f"reward {reward}: {path} has no layers named {prefix}.0.weight, …")
    return nn.Sequential(*layers).eval().requires_grad_(False)
