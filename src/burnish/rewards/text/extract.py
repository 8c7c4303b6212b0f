"""Which part of a completion is its answer, and which column of a prompt is the right one."""

from __future__ import annotations

import re
from typing import Any

from burnish.errors import RewardError
from burnish.types import Prompt

ANSWERS = ("answer", "solution", "ground_truth", "label")
"""Where the right answer is looked for, in this order."""

PLACES = ("answer", "boxed", "last", "whole")

_OPEN, _CLOSE = "<answer>", "</answer>"
_BOXED = re.compile(r"\\boxed\s*\{")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_LEAD = re.compile(
    r"(?:(?:so|thus|therefore),? )?(?:the )?(?:final |correct )?answer(?: is)?(?:\s*:\**|\s)\s*|####\s*",
    re.IGNORECASE,
)


def truth(prompt: Prompt, column: str | None = None) -> Any:
    """The right answer of a prompt; tags and a box around it are taken off.

    Raises:
        RewardError: the column is missing.
    """
    value = raw_truth(prompt, column)
    return (tagged(value) or boxed(value) or value).strip() if isinstance(value, str) else value


def raw_truth(prompt: Prompt, column: str | None = None) -> Any:
    """The right answer as it stands in the prompt's row.

    Raises:
        RewardError: the column is missing.
    """
    names = ANSWERS if column is None else (column,)
    for name in names:
        if prompt.columns.get(name) is not None:
            return prompt.columns[name]
    raise RewardError(
        f"the prompt {prompt.text[:40]!r} has no column {' or '.join(names)}: name the right answer's column "
        "in the reward's option column"
    )


def answer_of(text: str, where: str = "answer") -> str | None:
    """The answer in a completion; None where there is none, or more than one to choose from.

    Args:
        text: the completion.
        where: `answer` (the one `<answer>…</answer>`, with nothing after it), `boxed` (the one `\\boxed{…}`
            after the thought), `last` (the last line, without a leading `Answer:` or `####`) or `whole`.

    Raises:
        RewardError: another `where`.
    """
    check_place(where)
    if where == "answer":
        return tagged(text)
    if where == "boxed":
        return boxed(text.split("</think>")[1] if text.count("</think>") == 1 else text)
    return last(text) if where == "last" else text.strip()


def check_place(where: str) -> None:
    """Raises `RewardError` if there is no such place."""
    if where not in PLACES:
        raise RewardError(f"where={where!r} is not {', '.join(PLACES[:-1])} or {PLACES[-1]}")


def tagged(text: str) -> str | None:
    """The content of the only pair of answer tags, which must end the text."""
    if text.count(_OPEN) != 1 or text.count(_CLOSE) != 1 or not text.rstrip().endswith(_CLOSE):
        return None
    _, _, rest = text.partition(_OPEN)
    content, closed, _ = rest.partition(_CLOSE)
    return content.strip() if closed else None


def boxed(text: str) -> str | None:
    """The content of the only `\\boxed{…}`, with its inner braces.

    >>> boxed(r"so \\boxed{\\frac{1}{2}}.")
    '\\\\frac{1}{2}'
    """
    found = list(_BOXED.finditer(text))
    if len(found) != 1:
        return None
    start, depth = found[0].end(), 1
    for brace in _BRACE.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth == 0:
            return text[start : brace.start()].strip()
    return None


def last(text: str) -> str | None:
    """The last line that is not empty, without what announces an answer."""
    lines = text.strip().splitlines()
    if not lines:
        return None
    line = lines[-1].strip().strip("*")
    lead = _LEAD.match(line)
    return line[lead.end() if lead else 0 :].strip().strip("*").strip() or None
