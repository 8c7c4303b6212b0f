"""Counting: CountBenchQA (2302.12066, questions of 2407.07726), and SuperCLEVR (2212.00259) in R1-V's form.

CountBench's captions name the number, so they are not shown. Of CountBenchQA the number may stand anywhere
in the answer, in digits or as a word; of SuperCLEVR, as R1-V counts, only in `<answer>` tags and in digits.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from burnish.errors import DataError
from burnish.evaluate.benchmarks import said
from burnish.evaluate.benchmarks.benchmark import Benchmark, Place, Row, Verdict
from burnish.types import Prompt

ASK_TAGS = "\nThink inside <think> </think>, then give the number inside <answer> </answer>."

_TAGGED = re.compile(r"<answer>\s*(\d{1,9})\s*</answer>")


def prompts(row: Row, at: Place) -> list[Prompt]:
    """CountBenchQA's question, with its picture."""
    if row["image"] is None:
        raise DataError(f"{at.where} has no picture: leave out the rows whose pictures are gone")
    return [_prompt(f"{row['question']}\nAnswer with a number.", [row["image"]], row, "number", at)]


def tagged_prompts(row: Row, at: Place) -> list[Prompt]:
    """The question of `image_path`, `question`, `ground_truth`, or of `image`, `problem`, `solution`."""
    for names in (("image_path", "question", "ground_truth"), ("image", "problem", "solution")):
        image, question, right = names
        if all(row.get(name) is not None for name in names):
            return [_prompt(f"{row[question]}{ASK_TAGS}", [row[image]], row, right, at)]
    raise DataError(
        f"{at.where} needs the columns image_path, question and ground_truth, or image, problem and solution"
    )


def _prompt(text: str, images: list[object], row: Row, column: str, at: Place) -> Prompt:
    right = said.number(said.final(str(at.right(row, column))))
    if right is None:
        raise DataError(f"{at.where}: {column} is {str(row[column])[:40]!r}, not a number")
    return at.prompt(text, images, id=row.get("id", at.number), answer=right, number=f"{right:g}")


def _judged(read: Callable[[str], float | None]) -> Callable[[str, Prompt], Verdict]:
    """1 for the right number; `error` is the distance to it, where a number was said."""

    def judge(text: str, prompt: Prompt) -> Verdict:
        found, right = read(text), prompt.columns["answer"]
        if found is None:
            return Verdict(None, 0.0)
        return Verdict(found, float(found == right), {"error": abs(found - right)})

    return judge


def _in_tags(text: str) -> float | None:
    found = _TAGGED.search(text)
    return float(found[1]) if found else None


COUNTBENCH = Benchmark(
    "countbench",
    "2302.12066",
    ("image", "question", "number"),
    ("",),
    prompts,
    _judged(lambda text: said.number(said.final(text), words=True)),
    ("number",),
)

SUPERCLEVR = Benchmark("superclevr", "2212.00259", (), ("",), tagged_prompts, _judged(_in_tags), ("number",))
