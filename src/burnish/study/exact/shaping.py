"""The advantages that are compared, over many batches at once.

All come from `burnish.core.advantages`. Under a step of given length only the direction counts, and then
`dr_grpo`, `batch_std`, `rloo` and `slas` at γ = 0 are one method (groups of one size): `linear` stands for
them.

Axes: S worlds, B rollouts of one batch.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from burnish.core import advantages
from burnish.core.choice import Advantage
from burnish.core.groups import centred, group_std

GAMMAS = {"slas ¼": 0.25, "slas ½": 0.5, "slas 1": 1.0, "slas 2": 2.0}
POWERS: dict[str, Advantage] = {
    "linear": advantages.batch_std,
    **{name: partial(advantages.slas, gamma=gamma) for name, gamma in GAMMAS.items()},
}
"""The family over γ; `linear` is γ = 0."""


def between(reward_B: Tensor, group_B: Tensor, *, gamma: float) -> Tensor:
    """Half of SLAS: Δ·s^γ with s the group's std. Groups are weighed against each other, shapes are kept."""
    return centred(reward_B, group_B) * group_std(reward_B, group_B) ** gamma


def within(reward_B: Tensor, group_B: Tensor, *, gamma: float) -> Tensor:
    """The other half: sign(Δ)·|Δ|^(1+γ)/s^γ. Shapes within a group change, its weight hardly."""
    std_B = group_std(reward_B, group_B)
    shaped_B = advantages.slas(reward_B, group_B, gamma=gamma, order="power_first")
    return torch.where(std_B > 0, shaped_B / std_B.clamp(min=1e-12) ** gamma, 0.0)


def recentred(reward_B: Tensor, group_B: Tensor, *, gamma: float) -> Tensor:
    """SLAS with the group's mean of the shaped values taken off again: a baseline of its own."""
    return centred(advantages.slas(reward_B, group_B, gamma=gamma), group_B)


def shrunk(reward_B: Tensor, group_B: Tensor, *, noise: float) -> Tensor:
    """Δ·max(0, 1 − σ²/s²): each group shrunk by the share of its variance that noise explains.

    The posterior mean of Gaussian signal of unknown size under Gaussian noise (James and Stein, 1961, in the
    empirical-Bayes form of Efron and Morris, 1973).

    Args:
        reward_B: [B].
        group_B: group of each rollout.
        noise: σ², the variance of one scoring.
    """
    spread_B = group_std(reward_B, group_B).square()
    return centred(reward_B, group_B) * (1 - noise / spread_B.clamp(min=1e-12)).clamp(min=0)


METHODS: dict[str, Advantage] = {"grpo": advantages.grpo, **POWERS}
"""What is trained with in the regimes, besides `shrunk`, which needs to know the noise."""

PARTS: dict[str, Advantage] = {
    "slas 1, between": partial(between, gamma=1.0),
    "slas 1, within": partial(within, gamma=1.0),
    "slas 1, recentred": partial(recentred, gamma=1.0),
    "reinforce_pp": advantages.reinforce_pp,
}
"""Of which single updates are looked at."""


def over_batches(advantage: Advantage, reward_SB: Tensor, group_B: Tensor) -> Tensor:
    """The advantage of S separate batches, [S, B]; no batch sees another's scale."""
    return torch.func.vmap(lambda reward_B: advantage(reward_B, group_B))(reward_SB)
