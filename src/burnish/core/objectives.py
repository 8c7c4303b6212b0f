"""How the ratio is trusted: the loss of each unit (to be minimised), and how losses are averaged.

Axes: B rollouts, U units. ρ = exp(log-ratio), A advantage.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def _per_unit(advantage: Tensor, log_ratio_BU: Tensor) -> Tensor:
    if log_ratio_BU.ndim != 2:
        raise ValueError(f"log-ratios must be [B, U]; got shape {tuple(log_ratio_BU.shape)}")
    return (advantage[:, None] if advantage.ndim == 1 else advantage).expand_as(log_ratio_BU)


def clip(log_ratio_BU: Tensor, advantage: Tensor, *, low: float, high: float | None = None) -> Tensor:
    """−min(ρA, clip(ρ, 1 − low, 1 + high)·A), [B, U] (PPO, Schulman et al., 1707.06347, eq. 7).

    Args:
        log_ratio_BU: [B, U].
        advantage: [B] or [B, U].
        low: lower clip range.
        high: upper clip range; None takes `low`.
    """
    advantage_BU = _per_unit(advantage, log_ratio_BU)
    ratio_BU = log_ratio_BU.exp()
    clipped_BU = ratio_BU.clamp(1 - low, 1 + (low if high is None else high))
    return -torch.minimum(ratio_BU * advantage_BU, clipped_BU * advantage_BU)


def clip_higher(log_ratio_BU: Tensor, advantage: Tensor, *, low: float, high: float | None) -> Tensor:
    """`clip` with a wider upper range (DAPO, Yu et al., 2503.14476, eq. 10).

    Raises:
        ValueError: no upper range, or one below the lower.
    """
    if high is None or high < low:
        raise ValueError(f"clip_higher needs high of at least low={low}; got {high}")
    return clip(log_ratio_BU, advantage, low=low, high=high)


OBJECTIVES: dict[str, Callable[..., Tensor]] = {"clip": clip, "clip_higher": clip_higher}


def clip_mask(log_ratio_BU: Tensor, advantage: Tensor, low: float, high: float | None = None) -> Tensor:
    """True where the clip cuts the gradient, bool [B, U]."""
    advantage_BU = _per_unit(advantage, log_ratio_BU)
    ratio_BU = log_ratio_BU.exp()
    above = (ratio_BU > 1 + (low if high is None else high)) & (advantage_BU > 0)
    return above | ((ratio_BU < 1 - low) & (advantage_BU < 0))


def reduce_mean(loss_BU: Tensor, mask_BU: Tensor, denominator: float | None = None) -> Tensor:
    """(1/B) Σ_i (1/U_i) Σ_u loss: mean over each rollout's units, then over rollouts; a scalar.

    Args:
        loss_BU: [B, U].
        mask_BU: True where a unit counts.
        denominator: rollouts to divide by; None counts those with a unit. Give the whole batch's number
            when a batch is cut into micro-batches, so that their losses add up.
    """
    counted_BU = torch.where(mask_BU, loss_BU, torch.zeros_like(loss_BU))
    units_B = mask_BU.sum(1)
    per_rollout_B = counted_BU.sum(1) / units_B.clamp(min=1)
    if denominator is None:
        return per_rollout_B.sum() / (units_B > 0).sum().clamp(min=1)
    return per_rollout_B.sum() / denominator
