"""Behaviour-policy correction: weights for tokens that another engine sampled than the one that trains.

w = π_train(old weights) / π_rollout of each token, given as logs; weights are constants of the loss.

Axes: B rollouts, T tokens.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def truncate(log_weight_BT: Tensor, mask_BT: Tensor, cap: float) -> Tensor:
    """min(w, cap) of each token: truncated importance sampling (Yao et al., 2025)."""
    return log_weight_BT.detach().exp().clamp(max=cap) * mask_BT


def mask(log_weight_BT: Tensor, mask_BT: Tensor, cap: float) -> Tensor:
    """w where 1/cap ≤ w ≤ cap, else 0: masked importance sampling of tokens (IcePop)."""
    weight_BT = log_weight_BT.detach().exp()
    return weight_BT * ((weight_BT <= cap) & (weight_BT >= 1 / cap) & mask_BT)


def sequence_truncate(log_weight_BT: Tensor, mask_BT: Tensor, cap: float) -> Tensor:
    """min(Π w, cap) of the rollout, on each of its tokens."""
    return _whole(log_weight_BT, mask_BT).clamp(max=cap) * mask_BT


def sequence_mask(log_weight_BT: Tensor, mask_BT: Tensor, cap: float) -> Tensor:
    """Π w of the rollout on each of its tokens, 0 where it is above cap."""
    whole_B1 = _whole(log_weight_BT, mask_BT)
    return whole_B1 * (whole_B1 <= cap) * mask_BT


def _whole(log_weight_BT: Tensor, mask_BT: Tensor) -> Tensor:
    return log_weight_BT.detach().masked_fill(~mask_BT, 0.0).sum(1, keepdim=True).clamp(max=50.0).exp()


CORRECTIONS: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    "truncate": truncate,
    "mask": mask,
    "sequence_truncate": sequence_truncate,
    "sequence_mask": sequence_mask,
}


def mismatch(log_weight_BT: Tensor, mask_BT: Tensor) -> dict[str, float]:
    """How far two engines are apart: `kl` (k3 estimate), `chi2`, `ess` (0 to 1), `largest` |log w|."""
    log_weight = log_weight_BT[mask_BT].double()
    weight = log_weight.exp()
    return {
        "kl": float((torch.expm1(log_weight) - log_weight).mean()),
        "chi2": float((weight.square() - 1).mean()),
        "ess": float(weight.sum().square() / (len(weight) * weight.square().sum())),
        "largest": float(log_weight.abs().max()),
    }
