"""Counts and sets."""

from __future__ import annotations

import re
from typing import Any

from burnish.rewards.text.match import Reward, judged, number
from burnish.types import Prompt


def count(where: str = "answer", column: str | None = None) -> Reward:
    """1 for the right whole number, less by its relative error, 0 from an error of half the number on."""

    def same(said: str, right: Any, _: Prompt) -> float:
        a, b = number(said), number(str(right))
        if a is None or b is None or a != int(a):
            return 0.0
        return max(0.0, 1 - 2 * abs(a - b) / max(1.0, abs(b)))

    return judged(same, where, column)


def set_f1(where: str = "answer", column: str | None = None) -> Reward:
    """F1 of the items of a list, separated by commas or lines; saying one twice does not help."""

    def same(said: str, right: Any, _: Prompt) -> float:
        a, b = (
            items(said),
            items(right) if isinstance(right, str) else {str(r).strip().lower() for r in right},
        )
        return 2 * len(a & b) / (len(a) + len(b)) if a and b else float(a == b)

    return judged(same, where, column)


def items(text: str) -> set[str]:
    """The items of a written list, in lower case."""
    parts = re.split(r"[,\n;]", text.strip().strip("[]{}()"))
    return {part.strip().strip("\"'").lower() for part in parts} - {""}
