"""Win rates in place of scores (Pref-GRPO, 2508.20751): what counts is whom an image beats in its group.

A win rate is bounded and does not magnify tiny differences of a scorer, which is what invites hacking.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from burnish.errors import RewardError
from burnish.rewards.kinds import groupwise, kind_of, win_rates
from burnish.types import Prompt


def win_rate(over: str, margin: float = 0.0, **options: Any) -> Callable[..., Any]:
    """The share of an image's comparisons within its group that it wins under another reward.

    A scorer scores each image once; the higher of two scores wins, and scores that differ by at most
    `margin` share the point. An image without a score is compared with none and has no win rate. A reward
    that compares images itself (`judge_pair`, your own `@pairwise`) is used as it is.

    Args:
        over: name of the reward underneath, as in a recipe.
        margin: difference of scores that still counts as a tie.
        options: options of the reward underneath.

    Returns:
        A groupwise reward in [0, 1], or the pairwise reward underneath.

    Raises:
        RewardError: the reward underneath cannot be loaded, or the margin is no number ≥ 0, or is given
            for a reward that has no scores.
    """
    from burnish.rewards.reward import apply, load_reward

    if isinstance(margin, bool) or not isinstance(margin, int | float) or not margin >= 0:
        raise RewardError(f"reward win_rate: margin must be a number from 0, not {margin!r}")
    inner = load_reward(over, options)
    if kind_of(inner) == "pair":
        if margin:
            raise RewardError(f"reward win_rate: {over} compares images itself; leave margin out")
        return inner

    @groupwise
    def rates(images: Sequence[np.ndarray], prompts: Sequence[Prompt]) -> list[float | None]:
        scores, _ = apply(inner, list(images), list(prompts), [list(range(len(images)))])
        return win_rates([_won(a, b, margin) for a, b in combinations(scores, 2)], len(images))

    rates.close = getattr(inner, "close", None)  # type: ignore[attr-defined]
    return rates


def _won(a: float, b: float, margin: float) -> float | None:
    """1, ½ or 0 for the first of two scores; None where one is missing."""
    if np.isnan(a) or np.isnan(b):
        return None
    return 0.5 if abs(a - b) <= margin else float(a > b)
