"""Answers that are right or wrong: the same words, the same letter, the same number."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from burnish.errors import RewardError
from burnish.rewards.text.extract import answer_of, check_place, truth
from burnish.types import Completion, Prompt

Reward = Callable[[list[Completion], list[Prompt]], list[float | None]]


def judged(same: Callable[[str, Any, Prompt], float], where: str, column: str | None) -> Reward:
    """A reward that compares the answer of a completion with the right one; 0 where there is no answer.

    Raises:
        RewardError: an unknown `where`; while scoring, a prompt without the column.
    """
    check_place(where)

    def reward(completions: list[Completion], prompts: list[Prompt]) -> list[float | None]:
        found: list[float | None] = []
        for completion, prompt in zip(completions, prompts, strict=True):
            said, right = answer_of(completion.text, where), truth(prompt, column)
            found.append(0.0 if said is None else float(same(said, right, prompt)))
        return found

    return reward


def unreadable(right: Any, prompt: Prompt, expected: str) -> RewardError:
    """The complaint about a right answer of another kind than the reward compares."""
    return RewardError(f"the right answer {str(right)[:60]!r} of {prompt.text[:40]!r} is not {expected}")


def check_number(
    reward: str, option: str, value: Any, low: float, high: float = math.inf, whole: bool = False
) -> None:
    """Raises `RewardError` if an option is not a finite number from `low` to `high`."""
    fits = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if not fits or not low <= value <= high or value == math.inf:
        named = f"a {'whole ' if whole else ''}number from {low:g}"
        up_to = f" to {high:g}" if high < math.inf else ""
        raise RewardError(f"reward {reward}: {option} must be {named}{up_to}, not {value!r}")


def exact(where: str = "answer", column: str | None = None) -> Reward:
    """1 where the answer is the right one, whatever its case and spaces.

    Args:
        where: `answer`, `boxed`, `last` or `whole`.
        column: of the right answer; None looks for it.
    """
    return judged(lambda said, right, _: _plain(said) == _plain(str(right)), where, column)


def _plain(text: str) -> str:
    return " ".join(text.lower().split()).rstrip(".")


def choice(where: str = "answer", column: str | None = None) -> Reward:
    """1 where the right option is chosen: `B`, `(B)`, `B.`, `B) a ring` or its text; two letters earn 0.

    The right answer is a letter, or the text of an option when the prompt has a column `options` (a list of
    texts, or texts by letter).

    Args:
        where: `answer`, `boxed`, `last` or `whole`.
        column: of the right answer; None looks for it.
    """

    def same(said: str, right: Any, prompt: Prompt) -> bool:
        options = _options(prompt.columns.get("options") or [])
        letter = _letter(str(right), options)
        if letter is None:
            raise unreadable(right, prompt, "a letter or one of the column options")
        return _letter(said, options) == letter

    return judged(same, where, column)


def _options(column: Mapping[str, Any] | Sequence[Any]) -> list[str]:
    """The texts of the options in the order of their letters, each without its own letter."""
    if isinstance(column, str):
        return []
    texts = [column[key] for key in sorted(column)] if isinstance(column, Mapping) else column
    letters = [chr(ord("A") + i) for i in range(len(texts))]
    return [
        _plain(re.sub(rf"^\s*\(?{re.escape(letter)}[.:)]\s+", "", str(text)))
        for letter, text in zip(letters, texts, strict=True)
    ]


def _letter(text: str, options: list[str]) -> str | None:
    found = re.fullmatch(r"\(?([A-Za-z])(?:\)?[.:]?|[.:)]+\s+(.*))", text.strip(), re.DOTALL)
    if not found or (options and ord(found[1].upper()) - ord("A") >= len(options)):
        return chr(ord("A") + options.index(_plain(text))) if _plain(text) in options else None
    letter, rest = found[1].upper(), (found[2] or "").strip()
    if rest and options:
        return letter if _plain(rest) == options[ord(letter) - ord("A")] else None
    return None if re.search(r"\b[A-Z]\b|\([a-z]\)|\b[b-z][.:)]", rest) else letter


def numeric(
    relative: float = 1e-4,
    absolute: float = 1e-8,
    units: Sequence[str] = (),
    where: str = "answer",
    column: str | None = None,
) -> Reward:
    """1 where the answer is one number, within tolerance of the right one: `1,000`, `1/2`, `50%`, `-3e2`.

    Args:
        relative: tolerance as a share of the right number, from 0 to 1.
        absolute: tolerance in its unit, from 0.
        units: what may stand before or after the number, like `[cm, $]`; any other unit earns 0.
        where: `answer`, `boxed`, `last` or `whole`.
        column: of the right answer; None looks for it.
    """
    check_number("numeric", "relative", relative, 0, 1)
    check_number("numeric", "absolute", absolute, 0)
    units = [units] if isinstance(units, str) else [str(unit) for unit in units]

    def same(said: str, right: Any, prompt: Prompt) -> bool:
        a, b = number(_bare(said, units)), number(_bare(str(right), units))
        if b is None:
            raise unreadable(right, prompt, "a number")
        return a is not None and abs(a - b) <= max(absolute, relative * abs(b))

    return judged(same, where, column)


def _bare(text: str, units: Sequence[str]) -> str:
    """The text without one declared unit."""
    text = text.strip().rstrip(".")
    for unit in sorted(units, key=len, reverse=True):
        if unit and text.endswith(unit):
            return text.removesuffix(unit).strip()
        if unit and text.startswith(unit):
            return text.removeprefix(unit).strip()
    return text


_NUMBER = re.compile(
    r"([+-]?)(\d{1,3}(?:,\d{3})+|\d{1,30})?(\.\d{1,30})?(?:e([+-]?\d{1,3}))?(%?)", re.IGNORECASE
)


def number(text: str) -> float | None:
    """The number that is all of `text`; None for anything else, two numbers among it."""
    text = text.strip().rstrip(".").replace("−", "-")
    if text.count("/") == 1:
        top, bottom = (number(part) for part in text.split("/"))
        share = math.inf if top is None or not bottom else top / bottom
        return share if math.isfinite(share) else None
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
