"""Rewards by name, combined: weighted sums in which an unscorable image stays unscorable.

Names of axes: B images, H height, W width, C colour channels.
"""

from __future__ import annotations

import difflib
import importlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from burnish.errors import BurnishError, RewardError
from burnish.recipes.schema import Reward
from burnish.rewards.callables import UserReward, describe
from burnish.types import Prompt

BUILT_IN = {
    "scenes_strict": "burnish.rewards.scenes:strict",
    "scenes_graded": "burnish.rewards.scenes:graded",
    "scenes_preference": "burnish.rewards.scenes:preference",
}
"""name -> module:maker; a maker returns a function of images and prompts."""


@dataclass(frozen=True)
class Scores:
    """What a batch earned. NaN: the image could not be scored, which is not the same as zero."""

    total_B: np.ndarray
    by_name: dict[str, np.ndarray]


class RewardSet:
    """Several rewards scored together; `total_B` is their weighted sum."""

    def __init__(self, rewards: Sequence[tuple[str, float, Callable[..., Any]]]):
        self._rewards = list(rewards)

    @property
    def names(self) -> list[str]:
        """Names in the order of the recipe."""
        return [name for name, _, _ in self._rewards]

    def score(self, images_BHWC: np.ndarray, prompts: Sequence[Prompt]) -> Scores:
        """Score uint8 images [B, H, W, 3], one prompt each.

        A reward of weight 0 is reported in `by_name` only. Raises `RewardError` when a reward fails or
        returns anything but B numbers (or `None`).
        """
        if images_BHWC.dtype != np.uint8 or images_BHWC.ndim != 4 or images_BHWC.shape[-1] != 3:
            raise ValueError(
                f"images must be uint8 [B, H, W, 3], not {images_BHWC.dtype} {images_BHWC.shape}"
            )
        if len(images_BHWC) != len(prompts):
            raise ValueError(f"{len(images_BHWC)} images but {len(prompts)} prompts")
        total_B = np.zeros(len(prompts))
        by_name: dict[str, np.ndarray] = {}
        for name, weight, function in self._rewards:
            try:
                result = function(list(images_BHWC), list(prompts))
            except BurnishError:
                raise
            except Exception as error:
                raise RewardError(f"reward {name} raised {describe(error)}") from error
            by_name[name] = _numbers(result, len(prompts), name)
            if weight != 0:
                total_B += weight * by_name[name]
        return Scores(total_B, by_name)

    def close(self) -> None:
        """Release whatever the rewards hold."""
        for _, _, function in self._rewards:
            close = getattr(function, "close", None)
            if callable(close):
                close()


def load_rewards(rewards: Sequence[Reward]) -> RewardSet:
    """The rewards of a recipe section, loaded and ready to score."""
    return RewardSet([(reward.label, reward.weight, _load(reward.name)) for reward in rewards])


def _load(name: str) -> Callable[..., Any]:
    if name in BUILT_IN:
        module, _, maker = BUILT_IN[name].partition(":")
        return getattr(importlib.import_module(module), maker)()
    if name.startswith(("http://", "https://")):
        from burnish.rewards.remote.client import RemoteReward

        return RemoteReward(name)
    if ":" in name:
        return UserReward(name)
    close = difflib.get_close_matches(name, BUILT_IN, n=1)
    hint = f"did you mean {close[0]}?" if close else f"built in are {', '.join(BUILT_IN)}."
    raise RewardError(f"no reward named {name!r}: {hint} Your own function is written FILE.py:NAME")


def _numbers(result: Any, count: int, name: str) -> np.ndarray:
    """`result` as float64 [B]; None becomes NaN."""
    try:
        values = list(result)
    except TypeError:
        raise RewardError(
            f"reward {name} returned {type(result).__name__}, not a list of {count} numbers"
        ) from None
    if len(values) != count:
        raise RewardError(
            f"reward {name} returned {len(values)} scores for {count} images: return one an image"
        )
    scores_B = np.empty(count)
    for index, value in enumerate(values):
        if hasattr(value, "item") and not isinstance(value, Real):
            try:
                value = value.item()  # a tensor or array that holds one number
            except (RuntimeError, ValueError):
                value = list(value)
        if value is not None and not isinstance(value, Real | np.bool_):
            raise RewardError(
                f"reward {name} returned {str(value)[:60]!r} for image {index}: return a number, or None "
                "where an image cannot be scored"
            )
        scores_B[index] = math.nan if value is None else float(value)
        if math.isinf(scores_B[index]):
            raise RewardError(f"reward {name} returned {value} for image {index}: scores must be finite")
    return scores_B
