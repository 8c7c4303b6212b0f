"""Counts and sets."""

from __future__ import annotations

import json
import re
from typing import Any

from burnish.rewards.text.match import Reward, judged, number, unreadable
from burnish.types import Prompt


def count(graded: bool = True, where: str = "answer", column: str | None = None) -> Reward:
    """1 for the right whole number, less by its relative error, 0 from an error of half the number on.

    Args:
        graded: False gives 0 for every wrong number.
        where: `answer`, `boxed`, `last` or `whole`.
        column: of the right number; None looks for it.
    """

    def same(said: str, right: Any, prompt: Prompt) -> float:
        a, b = number(said), number(str(right))
        if b is None:
            raise unreadable(right, prompt, "a number")
        if a is None or a != int(a):
            return 0.0
        return max(0.0, 1 - 2 * abs(a - b) / max(1.0, abs(b))) if graded else float(a == b)

    return judged(same, where, column)


def set_f1(where: str = "answer", column: str | None = None) -> Reward:
    """F1 of the items of a list, in [0, 1]: a JSON list, or items separated by commas or lines.

    Saying an item twice does not help, and every wrong one costs.

    Args:
        where: `answer`, `boxed`, `last` or `whole`.
        column: of the right list; None looks for it.
    """

    def same(said: str, right: Any, _: Prompt) -> float:
        a, b = items(said), items(right)
        return 2 * len(a & b) / (len(a) + len(b)) if a and b else float(a == b)

    return judged(same, where, column)


def items(value: Any) -> set[str]:
    """The items of a list or of its text, in lower case.

    >>> sorted(items('["Cat, black", "dog", "Dog"]'))
    ['cat, black', 'dog']
    """
    if isinstance(value, str):
        value = _listed(value.strip())
    members = value if isinstance(value, list | tuple | set | frozenset) else [value]
    return {" ".join(str(member).lower().split()) for member in members} - {""}


def _listed(text: str) -> list[Any]:
    if text.startswith("["):
        try:
            return list(json.loads(text))
        except (ValueError, RecursionError):
            pass
    if text[:1] + text[-1:] in ("[]", "{}", "()"):
        text = text[1:-1]
    return [part.strip().strip("\"'") for part in re.split(r"[,\n;]", text)]
