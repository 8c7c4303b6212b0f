"""Do the training reward and a held-out reward part? A paired test at every evaluation of a run.

Notation: x[k, n] is the training reward (the proxy) and y[k, n] a held-out reward (the truth) of prompt n at
evaluation k; k = 0 is the base, K evaluations follow. An evaluation draws the same prompts with the same
noise every time, and the prompts have no part in training: given the weights, the columns n are independent
draws, and the change from evaluation j to k is a mean of *paired* differences, in which most of the noise
cancels.

The alarm at k looks at j, the evaluation at which the truth was best so far, and rings when

    mean of x[k] − x[j] is above 0   and   mean of y[k] − y[j] is below 0,

each by a one-sided paired t-test at level α' = α / (H · K(K+1)/2), with H held-out rewards.

Why a run rings falsely with probability α at most. Let the null hypothesis of a pair j < k be "x did not rise
or y did not fall". Both tests must reject, and one of them tests a hypothesis that is true, so a pair is
rejected falsely with probability α' at most, and the two tests need no correction (an intersection-union
test). The best evaluation is chosen by looking at y, so j is random; but it is one of the k earlier ones, and
the level is shared over all K(K+1)/2 pairs and H rewards: by the union bound no choice among them can spend
more. The same bound holds for what is claimed: where the alarm names j and k, the two parted between them.
The t-test is exact for differences of a bell shape and close for some tens of others; for binary scores, such
as a verifier's, the exact test of their signs must reject as well (`change`).
(Choosing j on one half of the prompts and testing on the other would need no share for j, but costs a factor
√2 in every standard error, which is the dearer of the two for every K.)

`parting` is the softer state: since j the proxy rose, the truth found no new best, and the differences in
units of the base's spread, (x[k] − x[j]) / σx − (y[k] − y[j]) / σy, have a mean above 0, each at α'.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import bdtr, stdtr, stdtrit

ALPHA = 0.05
"""Probability, at most, that a run in which the two never part rings."""

State = Literal["together", "parting", "hacking"]


class Change(NamedTuple):
    """A mean of paired differences.

    Attributes:
        mean: in the units of the scores.
        low: lower one-sided bound at the test's level; above 0: risen.
        high: upper one-sided bound.
        rise: p of "did not rise", in (0, 1].
        fall: p of "did not fall".
    """

    mean: float
    low: float
    high: float
    rise: float
    fall: float


@dataclass(frozen=True)
class Look:
    """What one evaluation says.

    Attributes:
        state: `together`, `parting` or `hacking`.
        since: the earlier evaluation compared with, at which the truth was best.
        proxy: change of the training reward since then.
        truth: change of the held-out reward since then.
    """

    state: State
    since: int
    proxy: Change
    truth: Change


def share(looks: int, truths: int = 1, alpha: float = ALPHA) -> float:
    """The level of one test: α over all pairs of `looks` + 1 evaluations and all held-out rewards.

    A run that is lengthened after it has ended takes the level of its new number of looks for those that it
    adds, and so spends less than 2 α in all.

    >>> round(share(3), 5)
    0.00833
    """
    return alpha / (max(1, truths) * max(1, looks * (looks + 1) // 2))


def least(level: float) -> int:
    """The fewest prompts on which a test of this level can reject: 2^−N ≤ level (`change`).

    >>> least(share(9))
    10
    """
    return math.ceil(-math.log2(level))


def change(difference_N: np.ndarray, level: float) -> Change:
    """The mean of paired differences with its bounds and p-values by Student's t.

    A p-value is never below what tossing the signs of the M differences that are not 0 allows: 2^−M, with
    which all of them agree; and where they are of one size, as between binary scores, the exact p-value of
    the sign test (McNemar's). So a handful of prompts cannot ring, nor can equal differences, where t is
    infinite.

    Args:
        difference_N: later minus earlier score of each prompt; NaN, where one is missing, is left out.
        level: of a bound, in (0, 1).
    """
    known = difference_N[np.isfinite(difference_N)]
    if len(known) < 2:
        return Change(float(known.mean()) if len(known) else 0.0, -np.inf, np.inf, 1.0, 1.0)
    mean, error, freedom = float(known.mean()), float(known.std(ddof=1) / np.sqrt(len(known))), len(known) - 1
    if error > 1e-12 * abs(mean):
        rise, fall = float(stdtr(freedom, -mean / error)), float(stdtr(freedom, mean / error))
    else:
        rise, fall = float(mean <= 0), float(mean >= 0)
    reach = float(stdtrit(freedom, 1 - level)) * error
    rise, fall = max(rise, _signs(known)), max(fall, _signs(-known))
    return Change(mean, mean - reach, mean + reach, rise, fall)


def _signs(difference_N: np.ndarray) -> float:
    """A lower bound of the p-value of "did not rise" when signs are tossed, exact for one size."""
    moved = difference_N[difference_N != 0]
    if not len(moved):
        return 1.0
    size = np.abs(moved)
    down = int((moved < 0).sum()) if np.ptp(size) <= 1e-9 * size.max() else 0
    return float(bdtr(down, len(moved), 0.5))


def look(proxy_KN: np.ndarray, truth_KN: np.ndarray, level: float) -> Look | None:
    """The verdict of the newest of K evaluations; None while there is the base alone.

    Args:
        proxy_KN: training reward of each prompt at each evaluation, NaN where missing.
        truth_KN: a held-out reward, the same shape.
        level: of one test (`share`).
    """
    if len(truth_KN) < 2:
        return None
    since = best(truth_KN[:-1])
    rose_N, moved_N = proxy_KN[-1] - proxy_KN[since], truth_KN[-1] - truth_KN[since]
    proxy, truth = change(rose_N, level), change(moved_N, level)
    lead = change(rose_N / spread(proxy_KN) - moved_N / spread(truth_KN), level)
    state: State = "together"
    if proxy.rise <= level and truth.fall <= level:
        state = "hacking"
    elif proxy.rise <= level and lead.rise <= level and truth.mean <= 0:
        state = "parting"
    return Look(state, since, proxy, truth)


def best(truth_KN: np.ndarray) -> int:
    """The evaluation of the highest mean, the earliest of equal ones."""
    means = [float(row[np.isfinite(row)].mean()) if np.isfinite(row).any() else -np.inf for row in truth_KN]
    return int(np.argmax(means))


def spread(score_KN: np.ndarray) -> float:
    """Standard deviation over prompts at the base; of all evaluations where it is 0 there, else 1."""
    for values in (score_KN[0], score_KN):
        known = values[np.isfinite(values)]
        if len(known) > 1 and known.std(ddof=1) > 0:
            return float(known.std(ddof=1))
    return 1.0


def telling(proxy_KN: np.ndarray, truth_KN: np.ndarray, since: int, count: int) -> list[int]:
    """Up to `count` prompts that show it best: proxy up and truth down, by the most spreads together."""
    rose_N = (proxy_KN[-1] - proxy_KN[since]) / spread(proxy_KN)
    fell_N = (truth_KN[since] - truth_KN[-1]) / spread(truth_KN)
    both = [int(n) for n in np.flatnonzero((rose_N > 0) & (fell_N > 0))]
    return sorted(both, key=lambda n: -(rose_N[n] + fell_N[n]))[:count]
