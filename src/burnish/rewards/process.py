"""Process rewards: one number for each step of a completion's reasoning.

A reward of completions may return, in the place of a number, a list with one number for each of
`completion.steps`. Such a reward counts for each step when advantages are made; in tables and curves it is
the mean over the steps.

Axes: B completions, S steps of the longest one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from burnish.types import Completion


class Malformed(ValueError):
    """What a reward returned is of no use; the message goes on from the reward's name."""


def by_step(values: Sequence[Any], outputs: Sequence[Any]) -> np.ndarray | None:
    """The numbers of each step, float64 [B, S], NaN where a completion has no such step.

    None if the values are not of steps.
    A completion that could not be scored (`None`) is NaN throughout.

    Raises:
        Malformed: some completions got steps and others a number, or not one number for each step.
    """
    lists = [isinstance(value, list | tuple | np.ndarray) and np.ndim(value) == 1 for value in values]
    if not any(lists) or len(values) != len(outputs) or not isinstance(outputs[0], Completion):
        return None
    counts = [len(output.steps) for output in outputs]
    step_BS = np.full((len(outputs), max(counts)), np.nan)
    for index, (value, count) in enumerate(zip(values, counts, strict=True)):
        if value is None:
            continue
        if not lists[index]:
            raise Malformed(
                f"returned a number for completion {index} but steps for others: return steps for all"
            )
        if len(value) != count:
            raise Malformed(f"returned {len(value)} numbers for the {count} steps of completion {index}")
        try:
            step_BS[index, :count] = [float(number) for number in value]
        except (TypeError, ValueError):
            raise Malformed(f"returned {str(value)[:60]!r} for completion {index}: return numbers") from None
        if not np.isfinite(step_BS[index, :count]).all():
            raise Malformed(
                f"returned {str(value)[:60]!r} for completion {index}: steps must be finite numbers"
            )
    return step_BS


def mean(step_BS: np.ndarray) -> np.ndarray:
    """Mean over each completion's steps, [B]; NaN where it has none."""
    present_BS = np.isfinite(step_BS)
    total_B, count_B = np.where(present_BS, step_BS, 0.0).sum(1), present_BS.sum(1)
    return np.where(count_B > 0, total_B / np.maximum(count_B, 1), np.nan)


def padded(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Parts of a batch as a whole, as wide as the widest."""
    width = max(part.shape[1] for part in parts)
    return np.concatenate(
        [np.pad(p, ((0, 0), (0, width - p.shape[1])), constant_values=np.nan) for p in parts]
    )
