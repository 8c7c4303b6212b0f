"""Which part of a completion is its answer, and which column of a prompt is the right one."""

from __future__ import annotations

import re
from typing import Any

from burnish.errors import RewardError
from burnish.types import Prompt

ANSWERS = ("answer", "solution", "ground_truth", "label")
"""Where the right answer is looked for, in this order."""

_TAG = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)


def truth(prompt: Prompt, column: str | None = None) -> Any:
    """The right answer of a prompt; tags and a box around it are taken off.

    Raises:
        RewardError: the column is missing.
    """
    names = ANSWERS if column is None else (column,)
    for name in names:
        if prompt.columns.get(name) is not None:
            value = prompt.columns[name]
            return (tagged(value) or boxed(value) or value).strip() if isinstance(value, str) else value
    raise RewardError(
        f"the prompt {prompt.text[:40]!r} has no column {' or '.join(names)}: name the right answer's column "
        "in the reward's option column"
    )


def answer_of(text: str, where: str = "answer") -> str | None:
    """The answer in a completion; None where there is none, or more than one to choose from.

    Args:
        text: the completion.
        where: `answer` (one `<answer>…</answer>`), `boxed` (one `\\boxed{…}`), or `whole`.

    Raises:
        RewardError: another `where`.
    """
    if where == "whole":
        return text.strip()
    if where not in ("answer", "boxed"):
        raise RewardError(f"where={where!r} is not answer, boxed or whole")
    return tagged(text) if where == "answer" else boxed(text)


def tagged(text: str) -> str | None:
    """The content of the only pair of answer tags."""
    found = _TAG.findall(text)
    if len(found) != 1 or text.count("<answer>") != 1 or text.count("</answer>") != 1:
        return None
    return found[0].strip()


def boxed(text: str) -> str | None:
    """The content of the only `\\boxed{…}`, with its inner braces."""
    if text.count(r"\boxed{") != 1:
        return None
    start = text.index(r"\boxed{") + len(r"\boxed{")
    depth = 1
    for end in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        if depth == 0:
            return text[start:end].strip()
    return None
