"""Statistics within a group of rollouts of one prompt.

Axes: B rollouts. `group_B` holds any integer group ids. A value that is not finite is missing: it is never
counted.
"""

import torch
from torch import Tensor


def _sums(value_B: Tensor, group_B: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Sum and count of the finite members of each group, and the dense group index [B]."""
    if value_B.ndim != 1 or value_B.shape != group_B.shape:
        raise ValueError(
            f"values {tuple(value_B.shape)} and groups {tuple(group_B.shape)} must be vectors of one length"
        )
    _, index_B = torch.unique(group_B, return_inverse=True)
    size = int(index_B.max()) + 1 if len(index_B) else 0
    present = value_B.isfinite()
    total_G = value_B.new_zeros(size).index_add_(0, index_B, torch.where(present, value_B, 0.0))
    count_G = value_B.new_zeros(size).index_add_(0, index_B, present.to(value_B))
    return total_G, count_G, index_B


def group_count(value_B: Tensor, group_B: Tensor) -> Tensor:
    """Members with a value in each rollout's group, [B]."""
    _, count_G, index_B = _sums(value_B, group_B)
    return count_G[index_B]


def group_mean(value_B: Tensor, group_B: Tensor) -> Tensor:
    """Mean over the members of each rollout's group that have a value, [B]; 0 for a group without any."""
    total_G, count_G, index_B = _sums(value_B, group_B)
    return (total_G / count_G.clamp(min=1))[index_B]


def group_std(value_B: Tensor, group_B: Tensor) -> Tensor:
    """Sample standard deviation (n − 1) within each rollout's group, [B]; 0 for groups below two values."""
    deviation_B = (value_B - group_mean(value_B, group_B)).square()
    total_G, count_G, index_B = _sums(deviation_B, group_B)
    return (total_G / (count_G - 1).clamp(min=1)).sqrt()[index_B]


def centred(value_B: Tensor, group_B: Tensor) -> Tensor:
    """Value minus its group's mean, [B]; exactly 0 where missing, alone, or equal to all of its group."""
    mean_B = group_mean(value_B, group_B)
    index_B = torch.unique(group_B, return_inverse=True)[1]
    size = int(index_B.max()) + 1 if len(index_B) else 0
    present = value_B.isfinite()
    low_G = value_B.new_full((size,), torch.inf).scatter_reduce_(
        0, index_B, torch.where(present, value_B, torch.inf), "amin"
    )
    high_G = value_B.new_full((size,), -torch.inf).scatter_reduce_(
        0, index_B, torch.where(present, value_B, -torch.inf), "amax"
    )
    dead_B = ~present | (low_G == high_G)[index_B]
    return torch.where(dead_B, torch.zeros_like(value_B), value_B - mean_B)
