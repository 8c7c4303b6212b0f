"""How far from the reference: exact for Gaussian transitions, estimated from samples for tokens."""

from collections.abc import Callable

import torch
from torch import Tensor


def none(prediction: Tensor, prediction_ref: Tensor, b: Tensor, s: Tensor) -> Tensor:
    """No divergence: zeros [N]."""
    return prediction.new_zeros(len(prediction))


def gaussian(prediction: Tensor, prediction_ref: Tensor, b: Tensor, s: Tensor) -> Tensor:
    """KL of two Gaussian transitions of equal variance: b²(v − v_ref)²/(2s²), mean over dimensions, [N].

    Flow-GRPO (2505.05470), eq. for the KL of the SDE step; exact, no estimator.

    Args:
        prediction: v under the current weights, [N, …].
        prediction_ref: v under the reference, [N, …].
        b: coefficient of v, [N].
        s: standard deviation, [N], above 0.
    """
    scale = (b / s).view(-1, *[1] * (prediction.ndim - 1))
    return (scale * (prediction - prediction_ref)).square().flatten(1).mean(1) / 2


def k1(log_prob: Tensor, log_prob_ref: Tensor) -> Tensor:
    """Unbiased, high variance: log π − log π_ref (Schulman, "Approximating KL divergence", 2020)."""
    return log_prob - log_prob_ref


def k2(log_prob: Tensor, log_prob_ref: Tensor) -> Tensor:
    """Biased, low variance: (log π − log π_ref)²/2."""
    return (log_prob - log_prob_ref).square() / 2


def k3(log_prob: Tensor, log_prob_ref: Tensor) -> Tensor:
    """Unbiased, positive: exp(−Δ) + Δ − 1 with Δ = log π − log π_ref."""
    delta = log_prob - log_prob_ref
    return torch.expm1(-delta) + delta


DIVERGENCES: dict[str, Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]] = {
    "none": none,
    "gaussian": gaussian,
}

ESTIMATORS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"k1": k1, "k2": k2, "k3": k3}
"""Estimates for tokens, from log π and log π_ref of the sampled ones."""
