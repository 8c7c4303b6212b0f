"""The log of the importance ratio π_new / π_old of one decision, and how far the policy drifted there."""

from collections.abc import Callable

import torch
from torch import Tensor

from burnish.core import matching
from burnish.core.divergences import gaussian


def gaussian_log_ratio(
    noise: Tensor, prediction_new: Tensor, prediction_old: Tensor, b: Tensor, s: Tensor
) -> Tensor:
    """Log-ratio of a Gaussian transition, directly from the change of the prediction.

    x' = a·x + b·v_old + s·ε was drawn. With d = b·(v_new − v_old)/s,
    log π_new(x') − log π_old(x') = ε·d − d²/2 in each latent dimension; the field's convention averages
    dimensions. No two large log-densities are subtracted, and equal predictions give exactly 0.

    Args:
        noise: ε, [N, …].
        prediction_new: v under the current weights, [N, …].
        prediction_old: v that was followed, [N, …].
        b: coefficient of v in the transition, [N].
        s: its standard deviation, [N], above 0.

    Returns:
        [N], mean over the latent dimensions.
    """
    if noise.shape != prediction_new.shape or noise.shape != prediction_old.shape:
        raise ValueError(
            f"noise {tuple(noise.shape)} and predictions {tuple(prediction_new.shape)}, "
            f"{tuple(prediction_old.shape)} must have one shape"
        )
    scale = (b / s).view(-1, *[1] * (noise.ndim - 1))
    d = scale * (prediction_new - prediction_old)
    return (noise * d - d.square() / 2).flatten(1).mean(1)


def log_ratio(log_prob_new_BT: Tensor, log_prob_old_BT: Tensor, *, limit: float = 20.0) -> Tensor:
    """log π_new − log π_old of tokens, [B, T], limited to ±limit so that its exponential stays finite."""
    if log_prob_new_BT.shape != log_prob_old_BT.shape:
        raise ValueError(
            f"log-probabilities must have one shape: {tuple(log_prob_new_BT.shape)} is not "
            f"{tuple(log_prob_old_BT.shape)}"
        )
    return torch.clamp(log_prob_new_BT - log_prob_old_BT, -limit, limit)


def exact(
    noise: Tensor, prediction_new: Tensor, prediction_old: Tensor, b: Tensor, s: Tensor
) -> tuple[Tensor, Tensor]:
    """`gaussian_log_ratio`, [N], and the exact divergence from the old policy, mean of d²/2, [N].

    The drift is a number to compare with a threshold; it carries no gradient.
    """
    with torch.no_grad():
        drift = gaussian(prediction_new, prediction_old, b, s)
    return gaussian_log_ratio(noise, prediction_new, prediction_old, b, s), drift


def guard(
    noise: Tensor, prediction_new: Tensor, prediction_old: Tensor, b: Tensor, s: Tensor
) -> tuple[Tensor, Tensor]:
    """s·(log ρ + mean of d²/2) = mean of ε·b·(v_new − v_old): no bias below 1, one scale for all steps.

    GRPO-Guard's RatioNorm (2510.22319): the mean of log ρ over ε, −d²/2, is taken off, and s takes the step's
    own noise out of the scale. Returns it and the drift of `exact`, [N] each.
    """
    with torch.no_grad():
        drift = gaussian(prediction_new, prediction_old, b, s)
    moved = b.view(-1, *[1] * (noise.ndim - 1)) * (prediction_new - prediction_old)
    return (noise * moved).flatten(1).mean(1), drift


RATIOS: dict[str, Callable[..., tuple[Tensor, Tensor]]] = {
    "exact": exact,
    "guard": guard,
    "matching": exact,
    "contrast": matching.contrast,
}
"""From (ε, v_new, v_old, b, s) to log-ratio and drift; the last two read noised copies (`core.matching`)."""


def total_variation(log_ratio_BT: Tensor, log_prob_old_BT: Tensor) -> Tensor:
    """|π_new − π_old| of the sampled token, [B, T], in [0, 1], without gradient.

    The total variation between "this token" and "any other", DPPO's drift for language (2602.04879).
    """
    return log_prob_old_BT.exp() * torch.expm1(log_ratio_BT.detach()).abs()
