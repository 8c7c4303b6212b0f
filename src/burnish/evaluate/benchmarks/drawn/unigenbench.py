"""UniGenBench++ (2510.18701): a judge is asked every test point of a prompt, yes or no.

Rows of `test_prompts_en.csv` and `test_prompts_en_long.csv`. As published, a dimension's score is the share
of its test points that are met over all pictures, and the overall score is the mean of the primary
dimensions: the original's code stops before it, but that mean gives the leaderboard's numbers (FLUX.1-dev's
ten dimensions give its 60.97). The share of all test points stands beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from burnish.data.prompts import load_prompts
from burnish.errors import DataError
from burnish.evaluate.benchmarks.drawn.judge import judge_of, verdicts_in
from burnish.evaluate.benchmarks.drawn.record import Drawn, Mark, Scorer, Verdict
from burnish.types import Prompt

DIMENSIONS = (
    "Style", "World Knowledge", "Attribute", "Action", "Relationship", "Logical Reasoning", "Grammar",
    "Compound", "Entity Layout", "Text Generation",
)  # fmt: skip

COLUMN = "sub_dims_en"

QUESTION = """An image was made for the prompt below. Check it against each of the numbered points.
A point names what is tested and, after it, the part of the prompt that is meant. It is met only if it can
plainly be seen in the image; what is hidden, half right or open to doubt is not met. For an action of the
hands look at the fingers too, for a quantity count, for a text read every letter.
First say of each point in a few words what you see.
Then end with exactly one line for each point, of this form:
Point N: yes
or
Point N: no

{prompt}"""


def prompts(path: Path) -> list[Prompt]:
    """The prompts, each with its `points`: dimension and what is meant.

    Raises:
        DataError: a row has another form.
    """
    found = load_prompts(str(path))
    return [
        replace(
            prompt,
            columns={"id": prompt.columns.get("index", number), "points": _points(prompt, path, number)},
        )
        for number, prompt in enumerate(found)
    ]


def _points(prompt: Prompt, path: Path, number: int) -> list[tuple[str, str]]:
    where = f"{path} prompt {number + 1}"
    if COLUMN not in prompt.columns:
        raise DataError(
            f"{where} has no column {COLUMN}: rows of unigenbench have index, prompt_en and {COLUMN}"
        )
    try:
        cell = _parsed(str(prompt.columns[COLUMN]))
        names, meant = cell["Testpoints"], cell["Testpoint Description"]
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        raise DataError(
            f"{where}: {COLUMN} does not hold Testpoints and their Description ({problem})"
        ) from None
    texts = isinstance(names, list) and isinstance(meant, list) and len(names) == len(meant) > 0
    if not texts or not all(isinstance(text, str) for text in [*names, *meant]) or "" in names:
        raise DataError(
            f"{where}: Testpoints and Testpoint Description must be two equally long lists of texts"
        )
    return list(zip(names, meant, strict=True))


def _parsed(text: str) -> Any:
    """JSON; one comma missing between entries is put in, as a row of the published long file needs."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as problem:
        if problem.msg != "Expecting ',' delimiter":
            raise
        return json.loads(f"{text[: problem.pos]},{text[problem.pos :]}")


def scorer(asked: Sequence[Prompt], /, judge: str, judge_model: str) -> Scorer:
    """Asks the judge about every test point of a picture in one question.

    Args:
        asked: the prompts.
        judge: address of an OpenAI-compatible API.
        judge_model: name of the model there.

    Raises:
        RewardError: the judge does not answer.
    """
    ask = judge_of("unigenbench", judge, judge_model, QUESTION)

    def score(images: Sequence[np.ndarray], prompts: Sequence[Prompt]) -> list[Verdict]:
        replies = ask(images, [question(prompt) for prompt in prompts])
        return [
            {"met": answers(reply, len(prompt.columns["points"])), "said": reply}
            for reply, prompt in zip(replies, prompts, strict=True)
        ]

    return score


def question(prompt: Prompt) -> str:
    """The prompt and its numbered test points."""
    points = [
        f"{n}. {name}: {meant or '(see the prompt)'}"
        for n, (name, meant) in enumerate(prompt.columns["points"], 1)
    ]
    return "\n".join([f"Prompt: {prompt.text}", "", "Points:", *points])


def answers(reply: str | None, count: int) -> list[bool | None]:
    """Whether each point is met; None where the reply does not say.

    >>> answers("Three pandas stand there.\\nPoint 1: yes\\nPoint 2: perhaps\\nPoint 3: no", 3)
    [True, None, False]
    """
    found = verdicts_in(reply, r"point +0*(\d+)", "(yes|no)")
    said = [found.get(str(number)) for number in range(1, count + 1)]
    return [None if word is None else word == "yes" for word in said]


def marks(prompt: Prompt, verdicts: Sequence[Verdict]) -> Iterator[Mark]:
    """Every answer counts in its dimension, in its sub-dimension, and among all."""
    for verdict in verdicts:
        for (name, _), met in zip(prompt.columns["points"], verdict["met"], strict=True):
            value = None if met is None else float(met)
            yield Mark("dimension", name.split(" - ")[0].strip(), value)
            yield Mark("sub-dimension", name, value)
            yield Mark("points", "all", value)


UNIGENBENCH = Drawn(
    "unigenbench",
    "2510.18701",
    4,
    prompts,
    scorer,
    marks,
    lambda by, group: float(by == "dimension"),
    DIMENSIONS,
)
