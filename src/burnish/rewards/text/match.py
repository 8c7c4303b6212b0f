"""Answers that are right or wrong: the same words, the same letter, the same number."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from burnish.rewards.text.extract import answer_of, truth
from burnish.types import Completion, Prompt

Reward = Callable[[list[Completion], list[Prompt]], list[float | None]]


def judged(same: Callable[[str, Any, Prompt], float], where: str, column: str | None) -> Reward:
    """A reward that compares the answer of a completion with the right one; 0 where there is no answer."""

    def reward(completions: list[Completion], prompts: list[Prompt]) -> list[float | None]:
        found: list[float | None] = []
        for completion, prompt in zip(completions, prompts, strict=True):
            said, right = answer_of(completion.text, where), truth(prompt, column)
            found.append(0.0 if said is None else float(same(said, right, prompt)))
        return found

    return reward


def exact(where: str = "answer", column: str | None = None) -> Reward:
    """1 where the answer is the right one, whatever its case and spaces.

    Args:
        where: `answer`, `boxed` or `whole`.
        column: of the right answer; None looks for it.
    """
    return judged(lambda said, right, _: _plain(said) == _plain(str(right)), where, column)


def _plain(text: str) -> str:
    return " ".join(text.lower().split()).rstrip(".")


def choice(where: str = "answer", column: str | None = None) -> Reward:
    """1 where the letter of the right option is chosen: `B`, `(B)`, `B.` or `B) a ring`; two letters earn 0.

    The right answer is a letter, or the text of an option when the prompt has a column `options`.
    """

    def same(said: str, right: Any, prompt: Prompt) -> bool:
        options = [str(option) for option in prompt.columns.get("options") or []]
        return _letter(said, options) is not None and _letter(said, options) == _letter(str(right), options)

    return judged(same, where, column)


def _letter(text: str, options: list[str]) -> str | None:
    plain = [_plain(option) for option in options]
    if _plain(text) in plain:
        return chr(ord("A") + plain.index(_plain(text)))
    found = re.fullmatch(r"\(?([A-Za-z])\)?(?:[.:)]\s*(.*)|\s*)", text.strip(), re.DOTALL)
    if not found:
        return None
    letter, rest = found[1].upper(), (found[2] or "").strip()
    if not rest:
        return letter
    number = ord(letter) - ord("A")
    if plain:
        return letter if number < len(plain) and _plain(rest) == plain[number] else None
    return None if re.search(r"\b[A-H]\b", rest) else letter


def numeric(
    relative: float = 1e-4, absolute: float = 1e-8, where: str = "answer", column: str | None = None
) -> Reward:
    """1 where the answer is one number, within tolerance of the right one: `1,000`, `1/2`, `50%`, `-3e2`.

    Args:
        relative: tolerance as a share of the right number.
        absolute: tolerance in its unit.
        where: `answer`, `boxed` or `whole`.
        column: of the right answer; None looks for it.
    """

    def same(said: str, right: Any, _: Prompt) -> bool:
        a, b = number(said), number(str(right))
        return a is not None and b is not None and abs(a - b) <= max(absolute, relative * abs(b))

    return judged(same, where, column)


_NUMBER = re.compile(
    r"([+-]?)\$?(\d{1,3}(?:,\d{3})+|\d{1,30})?(\.\d{1,30})?(?:e([+-]?\d{1,3}))?(%?)", re.IGNORECASE
)


def number(text: str) -> float | None:
    """The number that is all of `text`; None for anything else, two numbers among it."""
    text = text.strip().rstrip(".")
    if text.count("/") == 1:
        top, bottom = (number(part) for part in text.split("/"))
        return None if top is None or not bottom else top / bottom
    found = _NUMBER.fullmatch(text)
    if not found or not (found[2] or found[3]):
        return None
    digits = (found[2] or "0").replace(",", "") + (found[3] or "")
    value = Fraction(digits) * (Fraction(10) ** int(found[4] or 0))
    value = value / 100 if found[5] else value
    try:
        return -float(value) if found[1] == "-" else float(value)
    except OverflowError:
        return None
