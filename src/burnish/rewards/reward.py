"""Rewards by name, combined: weighted sums in which an unscorable image stays unscorable.

Names of axes: B images, H height, W width, C colour channels.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import math
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from numbers import Real
from typing import Any

import numpy as np

from burnish.errors import BurnishError, RewardError
from burnish.recipes.schema import Reward
from burnish.recipes.text import parse_yaml
from burnish.rewards import process
from burnish.rewards.callables import UserReward, describe
from burnish.rewards.kinds import kind_of, win_rates
from burnish.rewards.process import Malformed
from burnish.types import Completion, Prompt

BUILT_IN = {
    "scenes_strict": "burnish.rewards.scenes:strict",
    "scenes_graded": "burnish.rewards.scenes:graded",
    "scenes_preference": "burnish.rewards.scenes:preference",
    "clip_score": "burnish.rewards.models.contrastive:clip_score",
    "pickscore": "burnish.rewards.models.contrastive:pickscore",
    "hpsv2": "burnish.rewards.models.contrastive:hpsv2",
    "hpsv3": "burnish.rewards.models.hpsv3:hpsv3",
    "image_reward": "burnish.rewards.models.image_reward:image_reward",
    "aesthetic": "burnish.rewards.models.aesthetic:aesthetic",
    "ocr": "burnish.rewards.ocr:ocr",
    "geneval": "burnish.rewards.geneval:geneval",
    "judge": "burnish.rewards.judge:Judge",
    "judge_pair": "burnish.rewards.judge:PairJudge",
    "win_rate": "burnish.rewards.pairwise:win_rate",
    "think_answer": "burnish.rewards.text.form:think_answer",
    "exact": "burnish.rewards.text.match:exact",
    "choice": "burnish.rewards.text.match:choice",
    "numeric": "burnish.rewards.text.match:numeric",
    "count": "burnish.rewards.text.sets:count",
    "set_f1": "burnish.rewards.text.sets:set_f1",
    "math_verify": "burnish.rewards.text.math:math_verify",
    "box_iou": "burnish.rewards.text.boxes:box_iou",
    "point_in_box": "burnish.rewards.text.boxes:point_in_box",
    "box_map": "burnish.rewards.text.detections:box_map",
    "llm_judge": "burnish.rewards.text.judge:llm_judge",
    "overlong": "burnish.rewards.text.shaping:overlong",
    "repetition": "burnish.rewards.text.shaping:repetition",
    "scenes_reader": "burnish.rewards.scenes_reader:reader",
    "scenes_answer": "burnish.rewards.text.scenes:scenes_answer",
    "diversity": "burnish.rewards.diversity:diversity",
    "jpeg_compressibility": "burnish.rewards.jpeg:jpeg_compressibility",
    "jpeg_incompressibility": "burnish.rewards.jpeg:jpeg_incompressibility",
}
"""name -> module:maker; a maker takes the recipe's options and returns a function of images and prompts."""

Function = Callable[..., Any]


@dataclass(frozen=True)
class Scores:
    """What a batch earned. NaN: the image could not be scored, which is not the same as zero.

    Attributes:
        total_B: weighted sum of the rewards, the mean over the steps of those that score steps.
        by_name: each reward alone, [B].
        step_BS: weighted sum of the rewards that score steps, NaN beyond a completion's last; None: no such.
    """

    total_B: np.ndarray
    by_name: dict[str, np.ndarray]
    step_BS: np.ndarray | None = None

    @property
    def outcome_B(self) -> np.ndarray:
        """The part of `total_B` that belongs to the whole rollout."""
        return self.total_B if self.step_BS is None else self.total_B - process.mean(self.step_BS)

    @classmethod
    def join(cls, parts: Sequence[Scores]) -> Scores:
        """The scores of one batch that was scored in parts."""
        names = parts[0].by_name
        steps = [part.step_BS for part in parts if part.step_BS is not None]
        return cls(
            np.concatenate([part.total_B for part in parts]),
            {name: np.concatenate([part.by_name[name] for part in parts]) for name in names},
            process.padded(steps) if steps else None,
        )

    def chosen(self, which_B: np.ndarray) -> Scores:
        """The scores of these rollouts alone."""
        step_BS = None if self.step_BS is None else self.step_BS[which_B]
        return Scores(self.total_B[which_B], {name: v[which_B] for name, v in self.by_name.items()}, step_BS)

    def pooled(self, size: int) -> Scores:
        """The mean of each prompt, if the batch holds all prompts `size` times; NaN: nothing known."""
        if size == 1:
            return self
        by_name = {name: _pooled(values, size) for name, values in self.by_name.items()}
        return Scores(_pooled(self.total_B, size), by_name)


class RewardSet:
    """Several rewards scored together; `total_B` is their weighted sum."""

    def __init__(self, rewards: Sequence[tuple[str, float, Function]]):
        self._rewards = list(rewards)

    @property
    def names(self) -> list[str]:
        """Names in the order of the recipe."""
        return [name for name, _, _ in self._rewards]

    @property
    def weights(self) -> dict[str, float]:
        """The rewards that count, by name."""
        return {name: weight for name, weight, _ in self._rewards if weight != 0}

    @property
    def needs_groups(self) -> list[str]:
        """Names of the rewards that look at more than one image of a prompt."""
        return [name for name, _, function in self._rewards if kind_of(function) != "point"]

    def check_groups(self, size: int, remedy: str) -> None:
        """Makes sure that there is something to compare for rewards that compare.

        Raises:
            RewardError: one of them would see `size` = 1 sample a prompt; ends with the remedy.
        """
        if size < 2 and self.needs_groups:
            raise RewardError(f"{self.needs_groups[0]} compares samples of one prompt: {remedy}")

    def joined(self, other: RewardSet) -> RewardSet:
        """These rewards and those of `other` that count and whose names are new; nothing is loaded twice."""
        more = [each for each in other._rewards if each[1] != 0 and each[0] not in self.names]
        return RewardSet([*self._rewards, *more])

    def score(
        self,
        outputs_B: np.ndarray | Sequence[Completion],
        prompts: Sequence[Prompt],
        group_B: Sequence[Hashable] | None = None,
    ) -> Scores:
        """Score uint8 images [B, H, W, 3] or B completions, one prompt each.

        A reward of weight 0 is reported in `by_name` only.

        Args:
            outputs_B: the images or completions.
            prompts: their prompts.
            group_B: which images belong together, for groupwise and pairwise rewards; None: each is alone,
                and a pairwise reward cannot score it.

        Raises:
            RewardError: a reward fails or returns anything but B numbers (or `None`).
        """
        if isinstance(outputs_B, np.ndarray) and (
            outputs_B.dtype != np.uint8 or outputs_B.ndim != 4 or outputs_B.shape[-1] != 3
        ):
            raise ValueError(f"images must be uint8 [B, H, W, 3], not {outputs_B.dtype} {outputs_B.shape}")
        if len(outputs_B) != len(prompts):
            raise ValueError(f"{len(outputs_B)} images but {len(prompts)} prompts")
        groups: dict[Hashable, list[int]] = {}
        for index, group in enumerate(range(len(prompts)) if group_B is None else group_B):
            groups.setdefault(group, []).append(index)
        total_B = np.zeros(len(prompts))
        by_name: dict[str, np.ndarray] = {}
        step_BS: np.ndarray | None = None
        for name, weight, function in self._rewards:
            try:
                values, steps = apply(function, [*outputs_B], list(prompts), list(groups.values()))
            except BurnishError:
                raise
            except Malformed as problem:
                raise RewardError(f"reward {name} {problem}") from None
            except Exception as error:
                raise RewardError(f"reward {name} raised {describe(error)}") from error
            by_name[name] = values
            if weight != 0:
                total_B += weight * values
                if steps is not None:
                    step_BS = weight * steps + (0.0 if step_BS is None else step_BS)
        return Scores(total_B, by_name, step_BS)

    def close(self) -> None:
        """Release whatever the rewards hold."""
        for _, _, function in self._rewards:
            close = getattr(function, "close", None)
            if callable(close):
                close()


def apply(
    function: Function, images: list[Any], prompts: list[Prompt], groups: list[list[int]]
) -> tuple[np.ndarray, np.ndarray | None]:
    """One reward's scores of all images, float64 [B], whatever it looks at; NaN where it cannot tell.

    And its scores of steps [B, S], if it scores those.

    Raises:
        Malformed: it returned anything but that many numbers (or `None`).
    """
    kind = kind_of(function)
    if kind == "point":
        found = function(images, prompts)
        steps = process.by_step(found, images) if isinstance(found, list | tuple) else None
        return (_numbers(found, len(images)), None) if steps is None else (process.mean(steps), steps)
    values_B = np.full(len(images), math.nan)
    if kind == "group":
        for group in groups:
            found = function([images[i] for i in group], [prompts[i] for i in group])
            values_B[group] = _numbers(found, len(group))
        return values_B, None
    pairs = [pair for group in groups for pair in combinations(group, 2)]
    if not pairs:
        return values_B, None
    result = function(
        [images[i] for i, _ in pairs], [images[j] for _, j in pairs], [prompts[i] for i, _ in pairs]
    )
    won = [None if math.isnan(value) else float(value) for value in _numbers(result, len(pairs))]
    for value in won:
        if value is not None and not 0 <= value <= 1:
            raise Malformed(f"returned {value} for a pair: return the probability that the first is better")
    for group in groups:
        count = len(group) * (len(group) - 1) // 2
        rates = win_rates(won[:count], len(group))
        values_B[group] = [math.nan if rate is None else rate for rate in rates]
        won = won[count:]
    return values_B, None


def load_rewards(rewards: Sequence[Reward | str]) -> RewardSet:
    """Rewards of a recipe section, or as a command line has them (`read_reward`), ready to score."""
    read = [read_reward(reward) if isinstance(reward, str) else reward for reward in rewards]
    return RewardSet([(each.label, each.weight, load_reward(each.name, each.options)) for each in read])


def load_reward(name: str, options: Mapping[str, Any] | None = None) -> Function:
    """One reward by name, with its options.

    Raises:
        RewardError: no such reward, or options that it does not take.
    """
    options = dict(options or {})
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        maker = getattr(importlib.import_module(module), attribute)
        return maker(**fitting(maker, options, name))
    if name.startswith(("http://", "https://")):
        from burnish.rewards.remote.client import RemoteReward

        return RemoteReward(name, **fitting(RemoteReward, options, name, given=1))
    if ":" in name:
        return UserReward(name, options)
    close = difflib.get_close_matches(name, BUILT_IN, n=1)
    hint = f"did you mean {close[0]}?" if close else f"built in are {', '.join(BUILT_IN)}."
    raise RewardError(f"no reward named {name!r}: {hint} Your own function is written FILE.py:NAME")


def fitting(maker: Function, options: dict[str, Any], name: str, given: int = 0) -> dict[str, Any]:
    """The options, made sure to be those that `maker` takes beyond its first `given` parameters.

    Raises:
        RewardError: an unknown option, or one that is missing.
    """
    parameters = list(inspect.signature(maker).parameters.values())[given:]
    known = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]
    for key in options if len(known) == len(parameters) else ():
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            takes = ", ".join(known) or "none"
            hint = f"did you mean {close[0]}?" if close else f"it takes {takes}"
            raise RewardError(f"reward {name} has no option {key!r}: {hint}")
    for p in parameters:
        if p.name in known and p.default is p.empty and p.name not in options:
            raise RewardError(f"reward {name} needs the option {p.name}: write options: {{{p.name}: …}}")
    return options


def read_reward(text: str) -> Reward:
    """A reward as a command line has it: `NAME` or `NAME,key=value,…`.

    >>> read_reward("pickscore,path=models/PickScore_v1").options
    {'path': 'models/PickScore_v1'}
    """
    name, *pairs = re.split(r",(?=\w+=)", text)
    options = dict(pair.split("=", 1) for pair in pairs)
    return Reward(
        name=name, options={key: parse_yaml(value, f"option {key}") for key, value in options.items()}
    )


def _pooled(score_B: np.ndarray, size: int) -> np.ndarray:
    known_GN = np.isfinite(score_B).reshape(size, -1)
    total_N = np.where(known_GN, score_B.reshape(size, -1), 0.0).sum(0)
    return np.where(known_GN.any(0), total_N / np.maximum(known_GN.sum(0), 1), math.nan)


def _numbers(result: Any, count: int) -> np.ndarray:
    """`result` as float64 [B]; None becomes NaN."""
    try:
        values = list(result)
    except TypeError:
        raise Malformed(f"returned {type(result).__name__}, not a list of {count} numbers") from None
    if len(values) != count:
        raise Malformed(f"returned {len(values)} scores for {count} images: return one an image")
    scores_B = np.empty(count)
    for index, value in enumerate(values):
        if hasattr(value, "item") and not isinstance(value, Real):
            try:
                value = value.item()  # a tensor or array that holds one number
            except (RuntimeError, ValueError):
                value = list(value)
        if value is not None and not isinstance(value, Real | np.bool_):
            raise Malformed(
                f"returned {str(value)[:60]!r} for image {index}: return a number, or None "
                "where an image cannot be scored"
            )
        scores_B[index] = math.nan if value is None else float(value)
        if math.isinf(scores_B[index]):
            raise Malformed(f"returned {value} for image {index}: scores must be finite")
    return scores_B
