"""What a reward looks at: single images, all images of a prompt, or two of them.

A plain function is pointwise: `f(images, prompts) -> list`. Two marks change that:

    @groupwise
    def rank(images, prompts): ...            # once a prompt, with all of its images; one number each

    @pairwise
    def better(first, second, prompts): ...   # the probability, 0 to 1, that the first image is better

`None` anywhere means: cannot be scored. A pairwise reward becomes each image's win rate in its group.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any, TypeVar

import numpy as np

Function = TypeVar("Function", bound=Callable[..., Any])


def groupwise(function: Function) -> Function:
    """Marks a reward that needs all images of a prompt at once."""
    function.kind = "group"  # type: ignore[attr-defined]
    return function


def pairwise(function: Function) -> Function:
    """Marks a reward that compares two images of a prompt."""
    function.kind = "pair"  # type: ignore[attr-defined]
    return function


def kind_of(function: Callable[..., Any]) -> str:
    """`point`, `group` or `pair`."""
    return getattr(function, "kind", "point")


def win_rates(won: Sequence[float | None], count: int) -> list[float | None]:
    """Win rate of each of `count` images from the comparisons of all pairs (Pref-GRPO, 2508.20751).

    Args:
        won: for the pairs (0, 1), (0, 2), … (count−2, count−1) the probability that the first wins; None
            where it could not be told, and such a pair is left out.
        count: images in the group.

    Returns:
        Mean probability of winning against the others, or None for an image with no comparison.
    """
    wins, games = np.zeros(count), np.zeros(count)
    for (i, j), probability in zip(combinations(range(count), 2), won, strict=True):
        if probability is None:
            continue
        wins[[i, j]] += probability, 1 - probability
        games[[i, j]] += 1
    return [float(w / g) if g else None for w, g in zip(wins, games, strict=True)]
