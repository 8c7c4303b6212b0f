"""The form of a completion: thought, then answer, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable

from burnish.types import Completion, Prompt

_FORM = re.compile(r"\s*<think>(?P<think>.*\S.*)</think>\s*<answer>(?P<answer>.*\S.*)</answer>\s*", re.DOTALL)
_TAGS = ("<think>", "</think>", "<answer>", "</answer>")


def think_answer() -> Callable[[list[Completion], list[Prompt]], list[float | None]]:
    """1 where a completion is exactly `<think>…</think><answer>…</answer>`, neither empty; else 0.

    A reward of form alone teaches form alone: weigh it below the answer's.
    """

    def reward(completions: list[Completion], prompts: list[Prompt]) -> list[float | None]:
        return [
            float(bool(_FORM.fullmatch(c.text)) and all(c.text.count(tag) == 1 for tag in _TAGS))
            for c in completions
        ]

    return reward
