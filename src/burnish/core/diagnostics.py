"""Numbers that say how an update is going; pure functions of log-ratios and rewards."""

import torch
from torch import Tensor

from burnish.core.groups import centred


def approximate_kl(log_ratio: Tensor) -> Tensor:
    """Estimate of KL(π_old ‖ π): mean of ρ − 1 − log ρ, ≥ 0; a scalar."""
    return (torch.expm1(log_ratio) - log_ratio).mean()


def effective_sample_size(log_ratio: Tensor) -> Tensor:
    """(Σρ)² / (n·Σρ²), in (0, 1]: the share of samples that the ratios leave effective."""
    log_ratio = log_ratio.flatten() - log_ratio.max()
    ratio = log_ratio.exp()
    return ratio.sum().square() / (len(ratio) * ratio.square().sum())


def ratio_drift(log_ratio: Tensor) -> Tensor:
    """Largest |ρ − 1|; a scalar."""
    return torch.expm1(log_ratio).abs().max()


def clip_fraction(clipped: Tensor) -> Tensor:
    """Share of units whose gradient the clip cuts (mask from `objectives.clip_mask`); a scalar."""
    return clipped.float().mean()


def dead_group_fraction(reward_B: Tensor, group_B: Tensor) -> Tensor:
    """Share of groups without signal: all rewards equal, missing, or alone; a scalar."""
    alive_B = centred(reward_B, group_B) != 0
    groups, index_B = torch.unique(group_B, return_inverse=True)
    alive_G = torch.zeros(len(groups), device=index_B.device).index_add_(0, index_B, alive_B.float())
    return (alive_G == 0).float().mean()
