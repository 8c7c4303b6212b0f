"""Whether two answers are the same: as words, as numbers with or without a unit, as expressions."""

from __future__ import annotations

import re
from functools import cache

from burnish.rewards.text.match import number
from burnish.rewards.text.math import LONGEST, MathVerify

_UNIT = re.compile(
    r"\s*(?:\\(?:text|mathrm)\s*\{\s*[a-zA-Z.\s]*\}|\^\s*\{?\\circ\}?|°|\\degree|degrees?|%|\\%|"
    r"(?:(?<![a-z])(?:mm|cm|km|ft|yd|inches|feet|met(?:er|re)s|miles|units?|square|sq)|\b(?:m|in))\b)"
    r"(?:\s*\^?\{?[23²³]\}?)?\.?\Z",
    re.IGNORECASE,
)


@cache
def comparer() -> MathVerify:
    """The comparison of expressions, in its own process.

    Raises:
        RewardError: math-verify is not installed.
    """
    return MathVerify("whole", None, 5.0)


def same(said: str, right: str) -> float | None:
    """1 for equal answers, else 0; None if the right one cannot be read.

    A number agrees if it rounds to the right one's decimals; a unit that only one of them has is left off.

    >>> same("3.1416", "3.14"), same("14.2", "14"), same("50 cm", "50"), same("50 cm", "50 m")
    (1.0, 0.0, 1.0, 0.0)
    """
    a, b = plain(said), plain(right)
    if a == b:
        return 1.0
    x, y = number(bare(a)), number(bare(b))
    if x is not None and y is not None:
        units = {a.removeprefix(bare(a)).strip(), b.removeprefix(bare(b)).strip()} - {""}
        decimals = len(bare(b).partition(".")[2])
        apart = 0.5 * 10.0**-decimals if decimals else 1e-9 * max(1.0, abs(y))
        return float(abs(x - y) <= apart and len(units) < 2)
    if not a or len(a) > LONGEST:
        return 0.0
    return comparer().compare(f"${bare(said.strip().strip('$'))}$", f"${bare(right.strip().strip('$'))}$")


def plain(text: str) -> str:
    """Lower case, without spaces at the ends, dollars and a full stop."""
    return " ".join(text.lower().replace("$", " ").split()).rstrip(".").strip()


def bare(text: str) -> str:
    """The text without units at its end.

    >>> bare("50 cm^2"), bare("60°")
    ('50', '60')
    """
    while (shorter := _UNIT.sub("", text).strip()) != text and shorter:
        text = shorter
    return text
