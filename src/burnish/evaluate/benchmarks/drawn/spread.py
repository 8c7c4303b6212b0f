"""Means of marks with intervals that know that pictures of one prompt are not independent.

Axes: P prompts, L rows of the table, R resamples.

A row's mean is Σ of its marks / their number, over all pictures. Its interval is the percentile bootstrap
over *prompts* (Efron 1979; a prompt is drawn with all its pictures), or Wilson's where every prompt has one
mark of 0 or 1. Where all marks are 0, or all 1, no resample differs and the bootstrap would claim
certainty: then it is Wilson's too, with each prompt counted once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from burnish.evaluate.benchmarks.drawn.record import Mark
from burnish.evaluate.benchmarks.table import wilson

RESAMPLES = 2000

METHOD = (
    f"95 %: bootstrap over prompts ({RESAMPLES} resamples, percentiles); Wilson's where every prompt has one "
    "mark of 0 or 1, and, each prompt counted once, where all marks are 0 or all are 1"
)


def table(
    marks_P: Sequence[Sequence[Mark]],
    weight: Callable[[str, str], float],
    order: Sequence[str] = (),
    seed: int = 0,
) -> list[dict[str, Any]]:
    """The rows of the table, the overall score first if any row has a weight.

    Args:
        marks_P: the marks of each prompt.
        weight: of a row in the overall score, which is the weighted mean of rows.
        order: of groups; others follow by name.
        seed: of the resamples.

    Returns:
        `by`, `group`, `mean` with `low` and `high`, `n` marks, `prompts`, and `unscored` marks.
    """
    keys = _ordered(marks_P, order)
    at = {key: index for index, key in enumerate(keys)}
    sum_PL, count_PL, missing_PL = (np.zeros((len(marks_P), len(keys))) for _ in range(3))
    binary_L = np.ones(len(keys), bool)
    for prompt, marks in enumerate(marks_P):
        for mark in marks:
            line = at[mark.by, mark.group]
            if mark.value is None:
                missing_PL[prompt, line] += 1
                continue
            sum_PL[prompt, line] += mark.value
            count_PL[prompt, line] += 1
            binary_L[line] &= mark.value in (0, 1)
    mean_RL = _resampled(sum_PL, count_PL, seed)
    rows = []
    for line, (by, group) in enumerate(keys):
        count_P = count_PL[:, line]
        mean = _mean(sum_PL[:, line], count_P)
        prompts = int(np.count_nonzero(count_P))
        single = bool(binary_L[line] and (count_P <= 1).all())
        low, high = _interval(mean, mean_RL[:, line], prompts, bool(binary_L[line]), single)
        rows.append(
            {
                "by": by,
                "group": group,
                "mean": mean,
                "low": low,
                "high": high,
                "n": int(count_P.sum()),
                "prompts": prompts,
                "unscored": int(missing_PL[:, line].sum()),
            }
        )
    weight_L = np.array([weight(*key) for key in keys])
    return [*_overall(rows, weight_L, mean_RL, binary_L, count_PL), *rows]


def _overall(
    rows: list[dict[str, Any]],
    weight_L: np.ndarray,
    mean_RL: np.ndarray,
    binary_L: np.ndarray,
    count_PL: np.ndarray,
) -> list[dict[str, Any]]:
    """The weighted mean of the rows that have marks, as a row; none without weights or marks."""
    counted_L = (weight_L > 0) & (count_PL.sum(0) > 0)
    if not counted_L.any():
        return []
    weights = weight_L[counted_L]
    means = np.array([row["mean"] for row in rows], float)[counted_L]
    mean = float((weights * means).sum() / weights.sum())
    known_RL = np.isfinite(mean_RL[:, counted_L])
    total_R = np.where(known_RL, mean_RL[:, counted_L], 0.0) @ weights
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_R = total_R / (known_RL @ weights)
    prompts = int(np.count_nonzero(count_PL[:, counted_L].sum(1)))
    low, high = _interval(mean, mean_R, prompts, bool(binary_L[counted_L].all()), False)
    count = sum(row["n"] for row, used in zip(rows, counted_L, strict=True) if used)
    missing = sum(row["unscored"] for row, used in zip(rows, counted_L, strict=True) if used)
    first = {"by": "overall", "group": "", "mean": mean, "low": low, "high": high}
    return [{**first, "n": count, "prompts": prompts, "unscored": missing}]


def _ordered(marks_P: Sequence[Sequence[Mark]], order: Sequence[str]) -> list[tuple[str, str]]:
    """The rows' keys: `by` as they first appear, groups as ordered."""
    seen = dict.fromkeys((mark.by, mark.group) for marks in marks_P for mark in marks)
    places = {by: place for place, by in enumerate(dict.fromkeys(by for by, _ in seen))}
    rank = {group: place for place, group in enumerate(order)}
    return sorted(seen, key=lambda key: (places[key[0]], rank.get(key[1], len(rank)), key[1]))


def _resampled(sum_PL: np.ndarray, count_PL: np.ndarray, seed: int) -> np.ndarray:
    """The rows' means [R, L] in resamples of the prompts; NaN where none of a row's prompts was drawn."""
    prompts = len(sum_PL)
    drawn_RP = np.random.default_rng(seed).multinomial(prompts, [1 / prompts] * prompts, size=RESAMPLES)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (drawn_RP @ sum_PL) / (drawn_RP @ count_PL)


def _interval(
    mean: float | None, mean_R: np.ndarray, prompts: int, binary: bool, single: bool
) -> tuple[float | None, float | None]:
    """Of a mean; None for fewer than two prompts, where nothing is known of the spread."""
    if mean is None:
        return None, None
    if binary and (single or mean in (0.0, 1.0)):
        return wilson(mean, prompts)
    known = mean_R[np.isfinite(mean_R)]
    if prompts < 2 or not len(known):
        return None, None
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)


def _mean(sum_P: np.ndarray, count_P: np.ndarray) -> float | None:
    return math.fsum(sum_P) / int(count_P.sum()) if count_P.any() else None
