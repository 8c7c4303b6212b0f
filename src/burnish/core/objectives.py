"""How the ratio is trusted: the loss of each unit (to be minimised), and how losses are averaged.

Axes: B rollouts, U units. ρ = exp(log-ratio), A advantage.
"""

from collections.abc import Callable
from math import log

import torch
from torch import Tensor


def _per_unit(advantage: Tensor, log_ratio_BU: Tensor) -> Tensor:
    if log_ratio_BU.ndim != 2:
        raise ValueError(f"log-ratios must be [B, U]; got shape {tuple(log_ratio_BU.shape)}")
    return (advantage[:, None] if advantage.ndim == 1 else advantage).expand_as(log_ratio_BU)


def _above(low: float, high: float | None) -> float:
    """The upper bound of the ratio."""
    return 1 + (low if high is None else high)


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
    clipped_BU = ratio_BU.clamp(1 - low, _above(low, high))
    return -torch.minimum(ratio_BU * advantage_BU, clipped_BU * advantage_BU)


def clip_higher(log_ratio_BU: Tensor, advantage: Tensor, *, low: float, high: float | None) -> Tensor:
    """`clip` with a wider upper range (DAPO, Yu et al., 2503.14476, eq. 10).

    Raises:
        ValueError: no upper range, or one below the lower.
    """
    if high is None or high < low:
        raise ValueError(f"clip_higher needs high of at least low={low}; got {high}")
    return clip(log_ratio_BU, advantage, low=low, high=high)


def dual_clip(
    log_ratio_BU: Tensor, advantage: Tensor, *, low: float, high: float | None = None, bound: float = 3.0
) -> Tensor:
    """`clip`, and for A < 0 at most −bound·A: a bad unit that became likely pulls no harder (1912.09729)."""
    advantage_BU = _per_unit(advantage, log_ratio_BU)
    loss_BU = clip(log_ratio_BU, advantage, low=low, high=high)
    return torch.where(advantage_BU < 0, torch.minimum(loss_BU, -bound * advantage_BU), loss_BU)


def cispo(log_ratio_BU: Tensor, advantage: Tensor, *, low: float, high: float | None = None) -> Tensor:
    """−sg[clip(ρ, 1 − low, 1 + high)]·A·log ρ: every unit keeps a gradient, of bounded weight.

    CISPO (MiniMax-M1, 2506.13585, eq. 4), where log π stands in place of log ρ; the two differ by a constant.
    """
    advantage_BU = _per_unit(advantage, log_ratio_BU)
    weight_BU = log_ratio_BU.detach().exp().clamp(1 - low, _above(low, high))
    return -weight_BU * advantage_BU * log_ratio_BU


def sapo(
    log_ratio_BU: Tensor,
    advantage: Tensor,
    *,
    low: float = 0.0,
    high: float | None = None,
    positive: float = 1.0,
    negative: float = 1.05,
) -> Tensor:
    """−(4/τ)·σ(τ(ρ − 1))·A, a smooth gate in place of a clip (SAPO, 2511.20347).

    Args:
        log_ratio_BU: [B, U].
        advantage: [B] or [B, U].
        low: not used; the gate has no range.
        high: not used.
        positive: τ where A > 0.
        negative: τ elsewhere; larger, so that the gate closes sooner.
    """
    advantage_BU = _per_unit(advantage, log_ratio_BU)
    tau_BU = torch.where(advantage_BU > 0, positive, negative).to(log_ratio_BU)
    return -4 / tau_BU * torch.sigmoid(tau_BU * torch.expm1(log_ratio_BU)) * advantage_BU


def sign_aware_clip(
    log_ratio_BT: Tensor, advantage: Tensor, *, low: float, high: float | None = None
) -> Tensor:
    """The log-ratio of each decision, clipped on the side where PPO clips: above for A ≥ 0, below for A < 0.

    GMPO (2507.20673, eq. 4) clips every token so before it takes the geometric mean.

    Args:
        log_ratio_BT: [B, T].
        advantage: [B] or [B, T].
        low: lower clip range; the bound is log(1 − low).
        high: upper clip range; None takes `low`.
    """
    advantage_BT = _per_unit(advantage, log_ratio_BT)
    above_BT = log_ratio_BT.clamp(max=log(_above(low, high)))
    below_BT = log_ratio_BT.clamp(min=log(1 - low))
    return torch.where(advantage_BT >= 0, above_BT, below_BT)


def gmpo(log_ratio_BU: Tensor, advantage: Tensor, *, low: float, high: float | None = None) -> Tensor:
    """−ρA with ρ the geometric mean of ratios that `sign_aware_clip` has clipped (GMPO, 2507.20673).

    `low` and `high` are not used here: the clip came before.
    """
    return -log_ratio_BU.exp() * _per_unit(advantage, log_ratio_BU)


def dppo(log_ratio_BU: Tensor, advantage: Tensor, *, drift_BU: Tensor, threshold: float) -> Tensor:
    """−ρA without a clip, and −A without gradient where `dppo_mask` says so (Flow-DPPO, 2606.11025, eq. 18).

    Args:
        log_ratio_BU: [B, U].
        advantage: [B] or [B, U].
        drift_BU: divergence of the new from the old policy at each unit, [B, U].
        threshold: largest divergence from which a unit may still move on, above 0.
    """
    held_BU = dppo_mask(log_ratio_BU, advantage, drift_BU, threshold)
    ratio_BU = log_ratio_BU.masked_fill(held_BU, 0.0).exp()
    return -ratio_BU * _per_unit(advantage, log_ratio_BU)


def dppo_mask(log_ratio_BU: Tensor, advantage: Tensor, drift_BU: Tensor, threshold: float) -> Tensor:
    """True where the policy is beyond the threshold and moved to where A pushes, bool [B, U].

    That is ρ > 1 with A > 0, or ρ < 1 with A < 0; the way back stays open.
    """
    along_BU = log_ratio_BU.detach() * _per_unit(advantage, log_ratio_BU) > 0
    return along_BU & (drift_BU.detach() > threshold)


def nft(log_ratio_BU: Tensor, advantage: Tensor, *, drift_BU: Tensor, largest: float) -> Tensor:
    """A_max·(r·L⁺ + (1 − r)·L⁻) with r = ½ + ½·clip(A/A_max, −1, 1), [B, U] (DiffusionNFT, 2509.16117).

    In terms of `matching.contrast`: −clip(A, ±A_max)·gain + A_max·drift. There is no ratio in it.

    Args:
        log_ratio_BU: the gain, (L⁻ − L⁺)/2, [B, U].
        advantage: [B] or [B, U].
        drift_BU: (L⁺ + L⁻)/2, [B, U], with gradient.
        largest: A_max, above 0.
    """
    advantage_BU = _per_unit(advantage, log_ratio_BU).clamp(-largest, largest)
    return largest * drift_BU - advantage_BU * log_ratio_BU


BEFORE_POOLING: dict[str, Callable[..., Tensor]] = {"gmpo": sign_aware_clip}
"""What an objective does to the log-ratios of single decisions before they are pooled into units."""

OBJECTIVES: dict[str, Callable[..., Tensor]] = {
    "clip": clip,
    "clip_higher": clip_higher,
    "dual_clip": dual_clip,
    "cispo": cispo,
    "sapo": sapo,
    "gmpo": gmpo,
}

PROXIMAL: dict[str, Callable[..., Tensor]] = {"dppo": dppo, "nft": nft}
"""Objectives that read the drift of each unit in place of a range of the ratio."""


def clip_mask(log_ratio_BU: Tensor, advantage: Tensor, low: float, high: float | None = None) -> Tensor:
    """True where the clip cuts the gradient, bool [B, U]."""
    advantage_BU = _per_unit(advantage, log_ratio_BU)
    ratio_BU = log_ratio_BU.exp()
    above = (ratio_BU > _above(low, high)) & (advantage_BU > 0)
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


def reduce_tokens(loss_BU: Tensor, mask_BU: Tensor, denominator: float | None = None) -> Tensor:
    """Σ_i Σ_u loss / Σ_i U_i: every unit of the batch alike (DAPO, 2503.14476, eq. 12); a scalar.

    Args:
        loss_BU: [B, U].
        mask_BU: True where a unit counts.
        denominator: units to divide by; None counts them. Give the whole batch's number to micro-batches.
    """
    total = torch.where(mask_BU, loss_BU, torch.zeros_like(loss_BU)).sum()
    return total / (mask_BU.sum().clamp(min=1) if denominator is None else denominator)


def reduce_constant(
    loss_BU: Tensor, mask_BU: Tensor, denominator: float | None = None, *, length: int
) -> Tensor:
    """(1/B) Σ_i (1/length) Σ_u loss: long rollouts weigh more, as Dr.GRPO has it (2503.20783); a scalar.

    Args:
        loss_BU: [B, U].
        mask_BU: True where a unit counts.
        denominator: rollouts to divide by; None counts those with a unit.
        length: the largest number of units that a rollout can have.
    """
    total = torch.where(mask_BU, loss_BU, torch.zeros_like(loss_BU)).sum() / length
    return total / (mask_BU.any(1).sum().clamp(min=1) if denominator is None else denominator)


REDUCTIONS: dict[str, Callable[..., Tensor]] = {
    "rollouts": reduce_mean,
    "decisions": reduce_tokens,
    "constant": reduce_constant,
}
"""How losses are averaged: f(loss_BU, mask_BU, denominator); `constant` needs `length` too."""
