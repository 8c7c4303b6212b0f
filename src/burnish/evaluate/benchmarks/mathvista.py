"""MathVista (2310.02255): 1,000 questions of `testmini`, by task and skill.

The original asks a language model to extract the answer. Here its quick rules are used (an answer that is
nothing but the answer, and `The answer is "…".`), and then the rules of `said.py` where the original would
ask the model: numbers are those of long answers as a program reads them.
What follows is the original's: an extraction that is no letter becomes the option with the smallest edit
distance, an integer is cut, a float is rounded to the row's precision, and text is compared.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from burnish.errors import DataError
from burnish.evaluate.benchmarks import said
from burnish.evaluate.benchmarks.benchmark import Benchmark, Place, Row, Verdict
from burnish.types import Prompt

SHORT = 6
"""Words of a completion that is taken as its own answer to a multiple-choice question."""

_QUOTED = re.compile(r'The answer is "(.*)"\.')
_LIST = re.compile(r"\[[^\[\]]*\]")

TABLE = ("task", "skills", "question_type", "answer_type", "category", "context", "grade", "language")


def prompts(row: Row, at: Place) -> list[Prompt]:
    """The row's own query, with its picture."""
    if row["question_type"] == "multi_choice" and not row["choices"]:
        raise DataError(f"{at.where} is a multi_choice question without choices")
    image = row.get("decoded_image") or row["image"]
    facts = row["metadata"] or {}
    return [
        at.prompt(
            row["query"],
            [image],
            **{name: row.get(name, facts.get(name)) for name in TABLE},
            id=row["pid"],
            answer=at.right(row, "answer"),
            choices=list(row["choices"] or []),
            precision=row["precision"],
        )
    ]


def judge(text: str, prompt: Prompt) -> Verdict:
    """1 where the normalised extraction is the right answer."""
    columns = prompt.columns
    found = extract(said.final(text), columns)
    value = None if found is None else normalise(found, columns)
    right = normalise(str(columns["answer"]), columns)
    return Verdict(value, float(value is not None and value == right))


def extract(text: str, columns: Row) -> str | None:
    """The answer in a completion, as it is written there; None where there is none."""
    if columns["question_type"] == "multi_choice":
        return _choice(text, columns["choices"])
    if columns["answer_type"] == "list":
        found = _LIST.findall(said.announced(text) or "") or _LIST.findall(text)
        return found[-1] if found else None
    quoted = _QUOTED.search(text)
    value = said.number(quoted[1] if quoted else text)
    return None if value is None else repr(value)


def _choice(text: str, choices: Sequence[str]) -> str | None:
    if text in choices:
        return text
    quoted = _QUOTED.search(text)
    if quoted:
        return quoted[1]
    letter = said.letter(text, len(choices))
    if letter:
        return letter
    index = said.option(said.announced(text) or text, choices)
    if index is not None:
        return choices[index]
    return text.strip() if text.strip() and len(text.split()) <= SHORT else None


def normalise(extraction: str, columns: Row) -> str | None:
    """The extraction in the form of the right answers; None where it has not that form."""
    choices = columns["choices"]
    if columns["question_type"] == "multi_choice":
        if extraction in choices:
            return extraction
        bracketed = re.search(r"\(([a-zA-Z])\)", extraction)
        letter = bracketed[1].upper() if bracketed else extraction
        place = ord(letter) - ord("A") if len(letter) == 1 else -1
        if 0 <= place < len(choices):
            return choices[place]
        return min(choices, key=lambda choice: distance(letter, choice))
    if columns["answer_type"] == "list":
        return _listed(extraction)
    try:
        value = float(extraction)
        whole = columns["answer_type"] == "integer"
        return str(int(value) if whole else round(value, int(columns.get("precision") or 0)))
    except (ValueError, OverflowError):
        return None


def _listed(text: str) -> str:
    """A list of numbers however it is spaced; other text as it is."""
    try:
        members: Any = json.loads(text)
        return str([float(member) for member in members])
    except (ValueError, TypeError, RecursionError):
        return text


def distance(a: str, b: str) -> int:
    """Edits (insert, delete, replace) that make one text of the other.

    >>> distance("kitten", "sitting")
    3
    """
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        above, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (x != y))
    return row[-1]


MATHVISTA = Benchmark(
    "mathvista",
    "2310.02255",
    ("pid", "image", "choices", "precision", "answer", "question_type", "answer_type", "metadata", "query"),
    ("testmini",),
    prompts,
    judge,
    TABLE,
)
