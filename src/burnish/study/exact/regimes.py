"""Regimes of reward: what outcomes are truly worth, and what a scorer says of them.

Axes: S worlds, P prompts, K outcomes, G rollouts of a group.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

PROMPTS, OUTCOMES = 16, 16


@dataclass(frozen=True)
class Scorer:
    """What is observed of a rollout: table[outcome] + noise_P · normal, and now and then an outlier.

    Attributes:
        table_SPK: what the scorer says of an outcome on average; it may be biased.
        noise_P: standard deviation of its noise for each prompt.
        coin: the table holds chances, and 0 or 1 is observed.
        outliers: share of scorings to which ±`outlier` is added.
        outlier: size of these.
    """

    table_SPK: Tensor
    noise_P: Tensor
    coin: bool = False
    outliers: float = 0.0
    outlier: float = 0.0

    def score(self, outcome_SPG: Tensor, generator: torch.Generator) -> Tensor:
        """One scoring of each rollout, [S, P, G]; another call is another scoring of the same ones."""
        value = self.table_SPK.gather(-1, outcome_SPG)
        shape, dtype = value.shape, value.dtype
        if self.coin:
            value = (torch.rand(shape, generator=generator, dtype=dtype) < value).to(dtype)
        value = value + self.noise_P[:, None] * torch.randn(shape, generator=generator, dtype=dtype)
        hit = torch.rand(shape, generator=generator, dtype=dtype)
        sign = (hit < self.outliers / 2).to(dtype) - ((hit >= self.outliers / 2) & (hit < self.outliers)).to(
            dtype
        )
        return value + self.outlier * sign


Made = tuple[Tensor, Tensor, Scorer]
"""Base logits [S, P, K], true rewards [S, P, K], scorer."""


@dataclass(frozen=True)
class Regime:
    """A name, what it stands for, and how S worlds of it are drawn."""

    name: str
    means: str
    make: Callable[[int, torch.Generator], Made]


def _normal(worlds: int, generator: torch.Generator) -> Tensor:
    return torch.randn(worlds, PROMPTS, OUTCOMES, generator=generator, dtype=torch.float64)


def _steps(low: float, high: float) -> Tensor:
    """Evenly spaced in the logarithm over prompts, [P]."""
    return torch.logspace(0, 1, PROMPTS, base=high / low, dtype=torch.float64) * low


def _graded(
    signal_P: Tensor, noise_P: Tensor, *, outliers: float = 0.0, outlier: float = 0.0
) -> Callable[[int, torch.Generator], Made]:
    """Rewards of standard deviation signal_P among outcomes, seen through noise of noise_P."""

    def make(worlds: int, generator: torch.Generator) -> Made:
        base, truth = _normal(worlds, generator), _normal(worlds, generator) * signal_P[:, None]
        return base, truth, Scorer(truth, noise_P, outliers=outliers, outlier=outlier)

    return make


def _rescaled(worlds: int, generator: torch.Generator) -> Made:
    base, truth = _normal(worlds, generator), _normal(worlds, generator)
    return base, truth, Scorer(truth * _steps(0.1, 3.0)[:, None], torch.zeros(PROMPTS, dtype=torch.float64))


def _rare(noise: float) -> Callable[[int, torch.Generator], Made]:
    """One outcome in eight is worth N(0, 3²), the others nothing."""

    def make(worlds: int, generator: torch.Generator) -> Made:
        base, size = _normal(worlds, generator), 3 * _normal(worlds, generator)
        special = torch.rand(size.shape, generator=generator, dtype=size.dtype).argsort(-1) < OUTCOMES // 8
        truth = size * special
        return base, truth, Scorer(truth, torch.full((PROMPTS,), noise, dtype=torch.float64))

    return make


def _binary(low: float, high: float, flips: float) -> Callable[[int, torch.Generator], Made]:
    """Three outcomes of a prompt succeed, with a chance of `low` to `high` over prompts; labels may flip."""

    def make(worlds: int, generator: torch.Generator) -> Made:
        base = _normal(worlds, generator)
        truth = torch.zeros_like(base)
        truth[..., :3] = 1.0
        chance = _steps(low, high)[:, None]
        good, bad = base[..., :3].log_softmax(-1), base[..., 3:].log_softmax(-1)
        base = torch.cat([good + chance.log(), bad + torch.log1p(-chance)], -1)
        table = truth * (1 - flips) + (1 - truth) * flips
        return base, truth, Scorer(table, torch.zeros(PROMPTS, dtype=torch.float64), coin=flips > 0)

    return make


def _biased(share: float, size: float) -> Callable[[int, torch.Generator], Made]:
    """The scorer adds a fixed taste: normal of `size`, on that share of outcomes (positive if below 1)."""

    def make(worlds: int, generator: torch.Generator) -> Made:
        base, truth, taste = (_normal(worlds, generator) for _ in range(3))
        chosen = torch.rand(truth.shape, generator=generator, dtype=truth.dtype) < share
        taste = (taste if share == 1 else torch.ones_like(taste)) * size * chosen
        return base, truth, Scorer(truth + taste, torch.zeros(PROMPTS, dtype=torch.float64))

    return make


_ONE = torch.ones(PROMPTS, dtype=torch.float64)


def _alive(prompts: int) -> Tensor:
    """1 for the last so many prompts, 0 for the others, [P]."""
    return (torch.arange(PROMPTS) >= PROMPTS - prompts).double()


def half_dead(noise: float) -> Regime:
    """The first half of the prompts has no signal; all have the same noise."""
    means = f"half of the prompts have no signal; noise {noise:g}"
    return Regime("half dead", means, _graded(_alive(PROMPTS // 2), noise * _ONE))


REGIMES = (
    Regime("clean", "graded reward, no noise", _graded(_ONE, 0 * _ONE)),
    Regime("noise ½", "Gaussian noise, half the signal's std", _graded(_ONE, 0.5 * _ONE)),
    Regime("noise 1", "as much noise as signal", _graded(_ONE, _ONE)),
    Regime("noise 2", "twice as much noise as signal", _graded(_ONE, 2 * _ONE)),
    half_dead(0.5),
    Regime("few alive", "2 of 16 prompts have a signal; noise ½", _graded(_alive(2), 0.5 * _ONE)),
    Regime(
        "mixed signal", "signal from 0.05 to 2 by prompt; noise ½", _graded(_steps(0.05, 2.0), 0.5 * _ONE)
    ),
    Regime("mixed noise", "noise from 0.05 to 4 by prompt; signal 1", _graded(_ONE, _steps(0.05, 4.0))),
    Regime("mixed units", "the scorer's scale runs from 0.1 to 3 by prompt; no noise", _rescaled),
    Regime("rare, clean", "one outcome in eight has a value, N(0, 3²)", _rare(0.0)),
    Regime("rare, noise 1", "the same, through noise of 1", _rare(1.0)),
    Regime("outliers", "3% of scorings off by ±10", _graded(_ONE, 0 * _ONE, outliers=0.03, outlier=10.0)),
    Regime("sparse", "0 or 1, success 1 to 50% by prompt", _binary(0.01, 0.5, 0.0)),
    Regime("sparse, flips", "the same, 5% of verdicts wrong", _binary(0.01, 0.5, 0.05)),
    Regime("easy to hard", "0 or 1, success 10 to 95% by prompt", _binary(0.1, 0.95, 0.0)),
    Regime("taste", "a fixed bias, as large as the signal", _biased(1.0, 1.0)),
    Regime("exploit", "5% of outcomes are overrated by 4", _biased(0.05, 4.0)),
)
