"""Any prompt file with any rewards, as DrawBench (2205.11487) is reported: means of rewards not trained on.

A column `category` (DrawBench's own `Category`) groups the table too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from burnish.data.prompts import load_prompts
from burnish.evaluate.benchmarks.drawn.record import Drawn, Mark, Scorer, Verdict
from burnish.types import Prompt

DRAWBENCH = "Prompts"
"""The prompt column of DrawBench's own table."""


def prompts(path: Path) -> list[Prompt]:
    """The prompts of any file that burnish reads, DrawBench's own table included."""
    own = False
    if path.suffix.lower() in (".csv", ".tsv") and path.is_file():
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            own = DRAWBENCH in [cell.strip('" \n') for cell in file.readline().replace("\t", ",").split(",")]
    return load_prompts(str(path), DRAWBENCH if own else None)


def scorer(asked: Sequence[Prompt], /, reward: list[str]) -> Scorer:
    """Every reward of every picture; pictures of one prompt are a group.

    Args:
        asked: the prompts.
        reward: as a command line has them, `NAME` or `NAME,option=value,…`.

    Raises:
        RewardError: no such reward, or its options do not fit.
    """
    from burnish.rewards.reward import load_rewards

    rewards = load_rewards(reward)

    def score(images: Sequence[np.ndarray], prompts: Sequence[Prompt]) -> list[Verdict]:
        groups = [id(prompt) for prompt in prompts]
        by_name = rewards.score(np.stack(images), prompts, groups).by_name
        return [
            {"rewards": {name: _number(values[index]) for name, values in by_name.items()}}
            for index in range(len(images))
        ]

    return score


def _number(value: Any) -> float | None:
    return None if math.isnan(value) else float(value)


def marks(prompt: Prompt, verdicts: Sequence[Verdict]) -> Iterator[Mark]:
    """Every reward of every picture, and again by category."""
    category = prompt.columns.get("category") or prompt.columns.get("Category")
    for verdict in verdicts:
        for name, value in verdict["rewards"].items():
            yield Mark("reward", name, value)
    for verdict in verdicts if category else ():
        for name, value in verdict["rewards"].items():
            yield Mark(f"{name} in", str(category), value)


REWARDS = Drawn("rewards", "2205.11487", 1, prompts, scorer, marks)
