"""What a completion says its answer is: reading that several benchmarks share.

A model that was trained to think writes tags or a box that no benchmark knows; `final` takes them off before
any benchmark's own rule.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from burnish.rewards.text import match

_TAGGED = re.compile(r"<answer>((?:(?!<answer>).)*?)</answer>", re.DOTALL)
_BOXED = re.compile(r"\\boxed\s*\{")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_ANNOUNCED = re.compile(
    r"\banswer\b[^.\n]{0,30}?(?:\b(?:is|are|would be|should be)\b|[:=])(?!\s+not\b)[\s:*]*(?=\S)",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])|\n")
_DIGITS = r"(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?"
_NUMBER = re.compile(rf"(?<![\w.])[-−]?{_DIGITS}(?:\s*/\s*{_DIGITS})?(?!\d|(?:st|nd|rd|th)\b)")
_BARE = " \t\n*$\"'`.,;:!"
_FRACTION = re.compile(r"\\[dt]?frac\s*\{([\d.,]+)\}\s*\{([\d.,]+)\}")
_WORDS = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
]  # fmt: skip
_WORD = re.compile(rf"\b(?:{'|'.join(sorted(_WORDS, key=len, reverse=True))}|none|no)\b", re.IGNORECASE)


def final(text: str) -> str:
    """The text after its thought: what the last answer tags or the last box hold, where there are any.

    A thought that was cut off leaves nothing.

    >>> final("<think>2 or 3?</think><answer>3</answer>"), final(r"so \\boxed{4}."), final("five")
    ('3', '4', 'five')
    """
    inside = marked(text)
    return spoken(text) if inside is None else inside


def marked(text: str) -> str | None:
    """As `final`, but only what stands in answer tags or a box."""
    rest = spoken(text)
    tagged = _TAGGED.findall(rest)
    inside = boxed(tagged[-1] if tagged else rest)
    found = inside if inside is not None else tagged[-1] if tagged else None
    return None if found is None else found.strip()


def spoken(text: str) -> str:
    """The text without its thought."""
    return text.rpartition("</think>")[2].partition("<think>")[0].strip()


def boxed(text: str) -> str | None:
    """What the last `\\boxed{…}` holds, with its inner braces; None without one."""
    starts = [found.end() for found in _BOXED.finditer(text)]
    depth = 1
    for brace in _BRACE.finditer(text, starts[-1]) if starts else ():
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth == 0:
            return text[starts[-1] : brace.start()]
    return None


def announced(text: str) -> str | None:
    """What follows the last `answer is` or `answer:`, to the end of the sentence; None without such words."""
    found = list(_ANNOUNCED.finditer(text))
    return (_SENTENCE.split(text[found[-1].end() :])[0].strip(_BARE) or None) if found else None


def conclusion(text: str) -> str | None:
    """The announced answer, else the last line; None for an empty text."""
    lines = text.strip().splitlines()
    return announced(text) or (lines[-1].strip(_BARE) or None if lines else None)


def number(text: str, words: bool = False) -> float | None:
    """The first number of the announced answer, else the last of the text; units and `%` are left off.

    Args:
        text: after `final`.
        words: `three` and `none` are numbers too, where no digits are.

    >>> number("of 12 trees, the answer is 1,000 cm, not 3"), number("the 3rd has -1/2")
    (1000.0, -0.5)
    """
    text = _FRACTION.sub(r"\1/\2", text)
    said = announced(text)
    for piece, place in ((said, 0), (text, -1)):
        found = [match.number(n.replace(" ", "")) for n in _NUMBER.findall(piece or "")]
        finite = [n for n in found if n is not None]
        if finite:
            return finite[place]
        spelled = _WORD.findall(piece or "") if words else []
        if spelled:
            word = spelled[place].lower()
            return float(_WORDS.index(word)) if word in _WORDS else 0.0
    return None


def letter(text: str, count: int) -> str | None:
    """The letter of the option that is chosen, of the first `count`; None where none stands out.

    The announced answer's, else the last that is marked as one: `(B)`, `B.`, `B)`, `B:`, `option B`, or a
    letter alone. Two letters announced together (`B or C`) are none.
    """
    high = chr(ord("A") + count - 1)
    upper, any_case = f"[A-{high}]", f"[A-{high}a-{high.lower()}]"
    article = rf"A(?!\s+[a-z])|[B-{high}]" if count > 1 else "A"
    said = announced(text) or ""
    chosen = re.match(
        rf"\W{{0,3}}(?:option |choice )?\W{{0,2}}(?:({article})\b|({any_case})(?:[).]|\Z))", said
    )
    if chosen:
        another = re.match(rf"\W*(?:and|or|[,/&])\W*{upper}\b", said[chosen.end() :])
        return None if another else str(chosen[1] or chosen[2]).upper()
    marks = re.findall(
        rf"\(({any_case})\)|\b({upper})[).:](?=\s|\*|\Z)|\b(?:[Oo]ption|[Cc]hoice) \(?({upper})\b", text
    )
    if marks:
        return "".join(marks[-1]).upper()
    alone = text.strip(_BARE + "()")
    return alone.upper() if re.fullmatch(any_case, alone) else None


def option(text: str, options: Sequence[str]) -> int | None:
    """The option whose words stand last in the text; of two that end together the longer one."""
    plain = text.lower()
    ends = []
    for index, words in enumerate(options):
        wanted = words.lower().strip()
        found = [m.end() for m in re.finditer(rf"(?<!\w){re.escape(wanted)}(?!\w)", plain)] if wanted else []
        if found:
            ends.append((found[-1], len(wanted), index))
    return max(ends)[2] if ends else None
