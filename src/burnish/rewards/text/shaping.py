"""Length and repetition: small penalties beside the reward that matters."""

from __future__ import annotations

import re

from burnish.rewards.text.match import Reward, check_number
from burnish.types import Completion, Prompt

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|\w{1,16}|[^\w\s]{1,16}")
"""A word, a character of a script without spaces, or signs; long runs of either fall into pieces."""


def overlong(limit: int, buffer: int) -> Reward:
    """DAPO's soft punishment of length (2503.14476, eq. 13): 0 to limit − buffer, then down to −1 at limit.

    Args:
        limit: tokens at which the punishment is full.
        buffer: tokens over which it grows, from 1 to limit.
    """
    check_number("overlong", "limit", limit, 1, whole=True)
    check_number("overlong", "buffer", buffer, 1, limit, whole=True)

    def reward(completions: list[Completion], prompts: list[Prompt]) -> list[float | None]:
        return [max(-1.0, min(0.0, (limit - buffer - c.length) / buffer)) for c in completions]

    return reward


def repetition(n: int = 3, most: float = 1.0) -> Reward:
    """Minus the share of runs of `n` words that came before, from −most to 0.

    Args:
        n: words of a run, at least 1.
        most: penalty of a completion that only repeats itself, at least 0.
    """
    check_number("repetition", "n", n, 1, whole=True)
    check_number("repetition", "most", most, 0)

    def reward(completions: list[Completion], prompts: list[Prompt]) -> list[float | None]:
        return [-most * repeated(c.text, n) for c in completions]

    return reward


def repeated(text: str, n: int) -> float:
    """Share of the runs of `n` words that came before, in [0, 1].

    >>> repeated("a b a b", 2)
    0.33333333333333337
    """
    said = _WORD.findall(text.lower())
    runs = [tuple(said[i : i + n]) for i in range(len(said) - n + 1)]
    return 1 - len(set(runs)) / len(runs) if runs else 0.0
