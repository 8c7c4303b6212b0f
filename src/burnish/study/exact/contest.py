"""The regimes as a contest: every method in every regime, tested against a baseline over worlds.

Axes: S worlds, T updates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from burnish.core import advantages
from burnish.core.choice import Advantage, noise_variance
from burnish.engine.rng import generator
from burnish.study.analysis import Mean, holm, mean_of, paired
from burnish.study.exact.climb import GROUP, Setting, alignment, batch, climb, draw, groups, tune
from burnish.study.exact.regimes import PROMPTS, Regime
from burnish.study.exact.rule import choose
from burnish.study.exact.shaping import METHODS, PARTS, POWERS, shrunk

SHORT = 0.25
"""Step length of the short budget: the same for all, a path on which direction is everything."""
BATCHES = 8
"""Batches, each scored twice, from which the rule chooses."""
MEASURES = ("cosine", "short", "tuned")
RULES: dict[str, dict[str, Advantage]] = {
    "rule over γ": POWERS,
    "rule over γ, grpo": {**POWERS, "grpo": advantages.grpo},
}


@dataclass(frozen=True)
class Contest:
    """One regime.

    Attributes:
        regime: which.
        noise: variance of one scoring, as two scorings show it.
        values: measure -> method -> one number a world: cosine of one update, or true progress at the end.
        lengths: the tuned step length of each method.
        picks: rule -> method -> how many worlds it chose it for.
    """

    regime: Regime
    noise: float
    values: dict[str, dict[str, list[float]]]
    lengths: dict[str, float]
    picks: dict[str, dict[str, int]]


@dataclass(frozen=True)
class Verdict:
    """A method against the baseline in one regime: mean difference, and p after Holm over the whole table."""

    mean: Mean
    difference: Mean
    p: float | None

    @property
    def sign(self) -> int:
        """1 better, −1 worse, 0 undecided at p < 0.05."""
        if self.p is None or self.difference.mean is None or self.p >= 0.05:
            return 0
        return 1 if self.difference.mean > 0 else -1


def contest(regime: Regime, worlds: int, tuning: int) -> Contest:
    """Every method in one regime: tuned on other worlds than it is tested on."""
    trial, test = draw(regime, tuning, "tune"), draw(regime, worlds, "test")
    first, second = scored_twice(trial)
    noise = float(noise_variance(first.flatten(), second.flatten()))
    entrants: dict[str, Advantage] = {**METHODS, "shrunk": partial(shrunk, noise=noise)}
    values: dict[str, dict[str, list[float]]] = {measure: {} for measure in MEASURES}
    for name, advantage in {**entrants, **PARTS}.items():
        values["cosine"][name] = alignment(test, advantage, "test").tolist()
    lengths = {}
    for name, advantage in entrants.items():
        lengths[name] = tune(trial, advantage, "tune")
        for measure, length in (("short", SHORT), ("tuned", lengths[name])):
            steps = torch.full((worlds,), length, dtype=torch.float64)
            values[measure][name] = climb(test, advantage, steps, "test")[:, -1].tolist()
    picks = {}
    for rule, candidates in RULES.items():
        chosen = choose(candidates, *scored_twice(test), groups(PROMPTS * BATCHES, GROUP))
        picks[rule] = {name: chosen.count(name) for name in candidates}
        for measure in MEASURES:
            values[measure][rule] = [values[measure][name][world] for world, name in enumerate(chosen)]
    return Contest(regime, noise, values, lengths, picks)


def scored_twice(setting: Setting) -> tuple[Tensor, Tensor]:
    """Several batches at θ = 0 side by side, and two scorings of them, [S, BATCHES · P · G] each."""
    random = generator("scored twice")
    firsts, seconds = [], []
    for _ in range(BATCHES):
        outcome, first = batch(setting, GROUP, random)
        firsts.append(first.flatten(1))
        seconds.append(setting.scorer.score(outcome, random).flatten(1))
    return torch.cat(firsts, 1), torch.cat(seconds, 1)


def verdicts(contests: Sequence[Contest], measure: str, baseline: str) -> Mapping[tuple[str, str], Verdict]:
    """(regime, method) -> verdict, corrected by Holm over all regimes and methods of this table."""
    cells = [
        (each.regime.name, method, each.values[measure])
        for each in contests
        for method in each.values[measure]
        if method != baseline
    ]
    tests = [paired(values[method], values[baseline]) for _, method, values in cells]
    corrected = holm([test.p for test in tests])
    return {
        (regime, method): Verdict(mean_of(values[method]), test.difference, p)
        for (regime, method, values), test, p in zip(cells, tests, corrected, strict=True)
    }
