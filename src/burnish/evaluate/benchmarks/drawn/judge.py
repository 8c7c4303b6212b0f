"""Questions about pictures to a judge, one question each, with a text of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from burnish.evaluate.benchmarks.said import spoken
from burnish.rewards.chat import Chat

TIMEOUT, RETRIES, WORKERS = 120.0, 2, 16
"""Seconds of a request, further tries of a failed one, requests at a time."""

Ask = Callable[[Sequence[np.ndarray], Sequence[str]], list[str | None]]

_FRAME = "[\\s*_#>-]*"


def judge_of(benchmark: str, url: str, model: str, question: str) -> Ask:
    """Asks `question` about each picture, with a text of its own in the place of `{prompt}`.

    Raises:
        RewardError: the package `openai` is missing, or the judge does not answer a trial question.
    """
    chat = Chat(url, model, question, TIMEOUT, RETRIES, WORKERS, shown=1, name=benchmark)
    return lambda images, texts: chat.ask([[image] for image in images], texts)


def verdicts_in(reply: str | None, names: str, values: str) -> dict[str, str]:
    """Lines `NAME: VALUE` of a reply, lower-cased; the last of a name counts.

    A line has to hold nothing else, so that words before the verdict are not taken for it; bold, bullets
    and a full stop are let through, a thought is cut off.

    Args:
        reply: the judge's words; None, where there are none, holds no line.
        names: pattern of the names, with one group.
        values: pattern of the values, with one group.

    >>> verdicts_in("Two cats, no dog.\\n**Point 1: yes**\\n- point 2: No.", r"point +(\\d+)", "(yes|no)")
    {'1': 'yes', '2': 'no'}
    """
    line = re.compile(rf"^{_FRAME}{names}[\s*_]*[:=][\s*_]*{values}[\s*_.]*$", re.IGNORECASE | re.MULTILINE)
    return {name.lower(): value.lower() for name, value in line.findall(spoken(reply or ""))}
