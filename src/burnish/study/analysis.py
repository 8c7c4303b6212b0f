"""The statistics of a study: pure functions of curves and of one number a seed.

A curve is two arrays of equal length S: steps (rising) and held-out values at them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

EXACT = 12
"""Up to so many seeds, every flip of signs is counted."""
DRAWS = 20_000
WINDOW = 3
"""Evaluations in the running mean of `reach`."""


@dataclass(frozen=True)
class Mean:
    """Mean over n seeds and its standard error; None for one seed, and both None for none."""

    n: int
    mean: float | None
    se: float | None


@dataclass(frozen=True)
class Paired:
    """A method against the baseline, seed by seed.

    Attributes:
        n: seeds that both have.
        difference: mean of method − baseline, and its standard error.
        t: two-sided p-value of the paired t-test; None below two seeds or without any spread.
        flip: two-sided p-value of the sign-flip test, in (0, 1]; None without a seed.
    """

    n: int
    difference: Mean
    t: float | None
    flip: float | None

    @property
    def p(self) -> float | None:
        """The p-value that decides, before correction: t, or flip where t is None."""
        return self.flip if self.t is None else self.t


def mean_of(values: Sequence[float]) -> Mean:
    """Mean and standard error (standard deviation with n − 1, over √n)."""
    n = len(values)
    if n == 0:
        return Mean(0, None, None)
    se = float(np.std(values, ddof=1) / np.sqrt(n)) if n > 1 else None
    return Mean(n, float(np.mean(values)), se)


def area(steps: Sequence[float], values: Sequence[float]) -> float:
    """Area under a curve over its span: the mean height on the way, by trapezia; a lone value is its own."""
    x, y = np.asarray(steps, float), np.asarray(values, float)
    if len(x) < 2:
        return float(y[0])
    return float(np.sum((y[1:] + y[:-1]) / 2 * np.diff(x)) / (x[-1] - x[0]))


def reach(
    cost: Sequence[float], values: Sequence[float], target: float, window: int = WINDOW
) -> float | None:
    """The first cost at which the mean of the last `window` values is at least `target`; None: never.

    `cost` [S] is what was spent up to each value.
    """
    for i in range(len(values)):
        if recent(values[: i + 1], window) >= target:
            return float(cost[i])
    return None


def recent(values: Sequence[float], window: int = WINDOW) -> float:
    """The mean of the last `window` values, or of all if they are fewer."""
    return float(np.mean(values[-window:]))


def median_reach(costs: Sequence[float | None]) -> float | None:
    """Median over seeds, where never (None) is later than anything."""
    ordered = sorted(np.inf if cost is None else cost for cost in costs)
    if not ordered:
        return None
    middle = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
    return float(middle) if np.isfinite(middle) else None


def sign_flip(differences: Sequence[float], seed: int = 0) -> float | None:
    """Two-sided p-value: how often |mean| is as large when each difference's sign is a coin's.

    Exact for at most 12 differences (no smaller than 2/2ⁿ), else from 20,000 draws and the observed one.
    """
    d = np.asarray(differences, float)
    n = len(d)
    if n == 0:
        return None
    if n <= EXACT:
        signs = np.array(list(itertools.product((1.0, -1.0), repeat=n)))
    else:
        drawn = np.random.default_rng(seed).choice((1.0, -1.0), size=(DRAWS, n))
        signs = np.concatenate([np.ones((1, n)), drawn])
    sums, observed = np.abs(signs @ d), abs(d.sum())
    return float(np.mean(sums >= observed - 1e-9 * max(np.abs(d).sum(), 1e-300)))


def paired(method: Sequence[float], baseline: Sequence[float]) -> Paired:
    """Tests of one number a seed, in the order of the seeds [n] each."""
    d = np.asarray(method, float) - np.asarray(baseline, float)
    spread = len(d) > 1 and np.std(d) > 1e-9 * max(float(np.abs(d).max()), 1e-300)
    t = float(stats.ttest_1samp(d, 0.0).pvalue) if spread else None
    return Paired(len(d), mean_of(d.tolist()), t, sign_flip(d.tolist()))


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """Holm's correction: adjusted p-values in the given order; None stays None and is not counted."""
    known = sorted((p, i) for i, p in enumerate(ps) if p is not None)
    adjusted: list[float | None] = [None] * len(ps)
    running = 0.0
    for rank, (p, i) in enumerate(known):
        running = max(running, min(1.0, (len(known) - rank) * p))
        adjusted[i] = running
    return adjusted


def crossing(proxy: Sequence[float], truth: Sequence[float], level: float) -> float | None:
    """The truth where the proxy first comes to `level`, on straight lines between evaluations; None: never.

    >>> crossing([0.0, 1.0, 3.0], [0.0, -1.0, -5.0], 2.0)
    -3.0
    """
    if proxy and proxy[0] >= level:
        return truth[0]
    for (x, y), (next_x, next_y) in itertools.pairwise(zip(proxy, truth, strict=True)):
        if next_x >= level:
            return y + (next_y - y) * (level - x) / (next_x - x)
    return None
