"""Behaviour-policy correction: weights for tokens that another engine sampled than the one that trains.

w = π_train(old weights) / π_rollout of each token, given as logs; weights are constants of the loss. Every
function takes `log_weight_BT` (float [B, T], whatever where masked), `mask_BT` and a cap C of at least 1, and
returns weights float32 [B, T], 0 where masked.

Axes: B rollouts, T tokens.
"""

from collections.abc import Callable
from math import nan

import torch
from torch import Tensor


def none(log_weight_BT: Tensor, mask_BT: Tensor, cap: float) -> Tensor:
    """1 for each token: no correction."""
    return mask_BT.float()


def truncate(log_weight_BT: Tensor, mask_BT: Tensor, cap: float) -> Tensor:
    """min(w, cap) of each token: truncated importance sampling (Yao et al., 2025)."""
    return _each(log_weight_BT, mask_BT).clamp(max=cap) * mask_BT


def mask(log_weight_BT: Tensor, mask_BT: Tensor, cap: float) -> Tensor:
    """w where 1/cap ≤ w ≤ cap, else 0: masked importance sampling of tokens (IcePop)."""
    weight_BT = _each(log_weight_BT, mask_BT)
    return weight_BT * ((weight_BT <= cap) & (weight_BT >= 1 / cap) & mask_BT)


def sequence_truncate(log_weight_BT: Tensor, mask_BT: Tensor, cap: float) -> Tensor:
    """min(Π w, cap) of the rollout, on each of its tokens."""
    return _whole(log_weight_BT, mask_BT).clamp(max=cap) * mask_BT


def sequence_mask(log_weight_BT: Tensor, mask_BT: Tensor, cap: float) -> Tensor:
    """Π w of the rollout on each of its tokens, 0 where it is above cap."""
    whole_B1 = _whole(log_weight_BT, mask_BT)
    return whole_B1 * (whole_B1 <= cap) * mask_BT


def _each(log_weight_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """w of each token, 1 where masked; at most e^50, so that 0 times it is 0."""
    return log_weight_BT.detach().float().masked_fill(~mask_BT, 0.0).clamp(max=50.0).exp()


def _whole(log_weight_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """Π w of each rollout, [B, 1], at most e^50."""
    total_B1 = log_weight_BT.detach().float().masked_fill(~mask_BT, 0.0).sum(1, keepdim=True)
    return total_B1.clamp(max=50.0).exp()


CORRECTIONS: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    "none": none,
    "truncate": truncate,
    "mask": mask,
    "sequence_truncate": sequence_truncate,
    "sequence_mask": sequence_mask,
}


def mismatch(log_weight_BT: Tensor, mask_BT: Tensor) -> dict[str, float]:
    """How far two engines are apart, over all unmasked tokens; NaN without any.

    Returns:
        `kl`: k3 estimate of KL(π_rollout ‖ π_train); `perplexity_ratio`: that of the sampled tokens under
        training over that under the rollout; `chi2`: mean of w² − 1; `ess`: effective share of the tokens,
        0 to 1; `largest`: |log w|.
    """
    log_weight = log_weight_BT.detach()[mask_BT].double()
    if not len(log_weight):
        return dict.fromkeys(("kl", "perplexity_ratio", "chi2", "ess", "largest"), nan)
    weight = log_weight.exp()
    return {
        "kl": float((torch.expm1(log_weight) - log_weight).mean()),
        "perplexity_ratio": float((-log_weight.mean()).exp()),
        "chi2": float((weight.square() - 1).mean()),
        "ess": float(weight.sum().square() / (len(weight) * weight.square().sum())),
        "largest": float(log_weight.abs().max()),
    }
