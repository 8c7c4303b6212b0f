"""Outliers and the clamp: advantages limited to ±5, and the orders of SLAS, which only a clamp tells apart.

Without a clamp the orders differ by one factor a batch, which a step of given length does not see.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch

from burnish.core import advantages
from burnish.core.choice import Advantage
from burnish.study.analysis import Mean, mean_of
from burnish.study.exact.climb import alignment, climb, draw
from burnish.study.exact.contest import SHORT
from burnish.study.exact.regimes import Regime

LARGEST = 5.0
METHODS: dict[str, Advantage] = {
    "grpo": advantages.grpo,
    "linear": advantages.batch_std,
    **{
        f"slas {gamma:g}, {order.replace('_', ' ')}": partial(advantages.slas, gamma=gamma, order=order)
        for gamma in (0.5, 1.0, 2.0)
        for order in ("scale_first", "power_first")
    },
}


@dataclass(frozen=True)
class Clamped:
    """One method in one regime, free and clamped: cosine of one update, true progress of the short budget."""

    regime: str
    method: str
    cosine: tuple[Mean, Mean]
    short: tuple[Mean, Mean]


def clamped(advantage: Advantage) -> Advantage:
    """The same advantage, limited to ±5."""
    return lambda reward_B, group_B: advantages.clamp(advantage(reward_B, group_B), LARGEST)


def clampings(regimes: tuple[Regime, ...], worlds: int) -> list[Clamped]:
    """Every method in the given regimes."""
    found = []
    steps = torch.full((worlds,), SHORT, dtype=torch.float64)
    for regime in regimes:
        setting = draw(regime, worlds, "clamp")
        for name, advantage in METHODS.items():
            both = (advantage, clamped(advantage))
            cosines = [mean_of(alignment(setting, each, "clamp").tolist()) for each in both]
            ends = [mean_of(climb(setting, each, steps, "clamp")[:, -1].tolist()) for each in both]
            found.append(Clamped(regime.name, name, (cosines[0], cosines[1]), (ends[0], ends[1])))
    return found


def bound(size: int) -> float:
    """The largest |Δ|/std that a group of `size` can hold, (G − 1)/√G: one rollout off, all others equal."""
    return (size - 1) / size**0.5
