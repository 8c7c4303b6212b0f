"""The log of the importance ratio π_new / π_old of one decision."""

import torch
from torch import Tensor


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
