"""MathVerse (2403.14624): problems in up to six versions that move the content from text to picture.

The original asks one language model to extract the answer and another to judge it. Here both are rules: the
chosen letter, or the announced answer compared as number or expression (`equal.py`). As in the original the
overall accuracy leaves out the version `Text Only`, which has no picture.
"""

from __future__ import annotations

import re

from burnish.evaluate.benchmarks import equal, said
from burnish.evaluate.benchmarks.benchmark import Benchmark, Place, Row, Verdict
from burnish.rewards.text.match import number
from burnish.types import Prompt

OPTIONS = 6
"""Letters from A that an answer may have."""

_OPTION = re.compile(r"^\s*\(?([A-F])[):.]\s*(.+)$", re.MULTILINE)


def prompts(row: Row, at: Place) -> list[Prompt]:
    """The row's query that asks to reason first, with its picture if the version has one."""
    equal.comparer()
    facts, image = row["metadata"] or {}, row.get("image")
    return [
        at.prompt(
            row["query_cot"],
            [] if image in (None, "") else [image],
            id=row["sample_index"],
            problem=row.get("problem_index"),
            answer=str(at.right(row, "answer")),
            question_type=row["question_type"],
            problem_version=str(row["problem_version"]).replace("_", " "),
            subject=facts.get("subject"),
            subfield=facts.get("subfield"),
        )
    ]


def judge(text: str, prompt: Prompt) -> Verdict:
    """1 for the right letter, number or expression."""
    text, right = said.final(text), prompt.columns["answer"].strip()
    if prompt.columns["question_type"] == "multi-choice":
        letter = said.letter(text, OPTIONS) or _restated(text, prompt.text)
        return Verdict(letter, float(letter is not None and letter == right.strip("().: ").upper()))
    found = said.conclusion(text)
    if number(equal.bare(equal.plain(right))) is not None and number(equal.bare(found or "")) is None:
        value = said.number(text)
        found = None if value is None else f"{value:.10g}"
    return Verdict(found, equal.same(found, right) if found else 0.0)


def _restated(text: str, question: str) -> str | None:
    """The letter of the option, as the question lists them, whose words the answer has."""
    options = _OPTION.findall(question)
    index = said.option(said.announced(text) or text, [words for _, words in options])
    return None if index is None else options[index][0]


MATHVERSE = Benchmark(
    "mathverse",
    "2403.14624",
    ("sample_index", "problem_version", "answer", "question_type", "metadata", "query_cot"),
    ("testmini",),
    prompts,
    judge,
    ("problem_version", "subject", "subfield", "question_type"),
    counted=lambda prompt: prompt.columns["problem_version"].lower() != "text only",
)
