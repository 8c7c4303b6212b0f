"""WISE (2503.07265): does the picture show what it takes knowledge to read in the prompt? A judge rates.

Rows of the original's JSON files (`prompt_id`, `Prompt`, `Explanation`, `Category`, `Subcategory`), one
file or a folder of all three. WiScore = (0.7·consistency + 0.2·realism + 0.1·aesthetics) / 2, in [0, 1];
the overall score weighs the categories as the original does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from burnish.errors import DataError
from burnish.evaluate.benchmarks.drawn.judge import judge_of, verdicts_in
from burnish.evaluate.benchmarks.drawn.record import Drawn, Mark, Scorer, Verdict
from burnish.evaluate.benchmarks.files import rows
from burnish.types import Prompt

WEIGHTS = {"Culture": 0.4, "Time": 0.167, "Space": 0.133, "Biology": 0.1, "Physics": 0.1, "Chemistry": 0.1}
"""Of the categories in the overall score."""

LAST = {400: "Culture", 700: "", 800: "Biology", 900: "Physics", 1000: "Chemistry"}
"""The last `prompt_id` of each category; those of time and space are told apart by their subcategory."""

TIMES = ("longitudinal time", "horizontal time")

PARTS = {"consistency": 0.7, "realism": 0.2, "aesthetics": 0.1}

QUESTION = """An image was made for the prompt below, which names its subject indirectly; the explanation
says what has to be seen. Rate the image on three scales of 0, 1 and 2. Be strict: give 2 only where nothing
at all is wanting, and of two ratings that could both be meant the lower one.
Consistency: 2 if all of what the prompt asks for, understood as explained, is unmistakably there; 1 if a
part of it is missing or wrong; 0 if the main thing is.
Realism: 2 if it might be a photograph, with light, matter, bodies and space as in life; 1 if small things
betray it; 0 if it could not exist or looks plainly artificial.
Aesthetics: 2 for a picture of outstanding composition, colour and finish; 1 for a decent one; 0 for a poor
one.
Give exactly three lines and nothing else:
Consistency: N
Realism: N
Aesthetics: N

{prompt}"""


def prompts(path: Path) -> list[Prompt]:
    """The prompts, each with `id`, `category` and `explanation`.

    Raises:
        DataError: there is no such file, or a row has another form.
    """
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files or not all(file.is_file() for file in files):
        raise DataError(f"wise is read from a .json file or a folder of them; there is none at {path}")
    return [
        _prompt(row, f"{file} row {number}") for file in files for number, row in enumerate(rows(file), 1)
    ]


def _prompt(row: dict[str, object], where: str) -> Prompt:
    for name in ("prompt_id", "Prompt", "Explanation"):
        if not str(row.get(name) or "").strip():
            raise DataError(f"{where} has no {name}: rows of wise have prompt_id, Prompt and Explanation")
    columns = {"id": row["prompt_id"], "category": category(row, where), "explanation": row["Explanation"]}
    return Prompt(str(row["Prompt"]).strip(), columns)


def category(row: dict[str, object], where: str) -> str:
    """One of `WEIGHTS`, by the row's number and, among time and space, its subcategory.

    Raises:
        DataError: the number is none from 1 to 1000.
    """
    number = row["prompt_id"]
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= 1000:
        raise DataError(f"{where}: prompt_id is {number!r}, not a whole number from 1 to 1000")
    name = next(name for last, name in LAST.items() if number <= last)
    return name or ("Time" if str(row.get("Subcategory")).strip().lower() in TIMES else "Space")


def scorer(asked: Sequence[Prompt], /, judge: str, judge_model: str) -> Scorer:
    """Asks the judge for the three ratings of a picture.

    Args:
        asked: the prompts.
        judge: address of an OpenAI-compatible API.
        judge_model: name of the model there.

    Raises:
        RewardError: the judge does not answer.
    """
    ask = judge_of("wise", judge, judge_model, QUESTION)

    def score(images: Sequence[np.ndarray], prompts: Sequence[Prompt]) -> list[Verdict]:
        texts = [f"Prompt: {p.text}\nExplanation: {p.columns['explanation']}" for p in prompts]
        return [{**ratings(reply), "said": reply} for reply in ask(images, texts)]

    return score


def ratings(reply: str | None) -> dict[str, float | None]:
    """The three ratings and `wiscore`; None where the reply does not say.

    >>> ratings("Consistency: 2\\nRealism: 1\\nAesthetic Quality: 0")["wiscore"]
    0.8
    """
    said = verdicts_in(
        reply, r"(consistency|realism|aesthetic)(?:s| quality)?", r"([012])(?:\.0)?(?: */ *2)?"
    )
    found = {name: said.get(name.removesuffix("s")) for name in PARTS}
    values = {name: None if word is None else float(word) for name, word in found.items()}
    known = [PARTS[name] * value for name, value in values.items() if value is not None]
    return {**values, "wiscore": round(sum(known) / 2, 6) if len(known) == len(PARTS) else None}


def marks(prompt: Prompt, verdicts: Sequence[Verdict]) -> Iterator[Mark]:
    """WiScore by category, and the ratings over all."""
    for verdict in verdicts:
        yield Mark("category", prompt.columns["category"], verdict["wiscore"])
        for name in PARTS:
            yield Mark("rating, 0 to 2", name, verdict[name])


WISE = Drawn(
    "wise",
    "2503.07265",
    1,
    prompts,
    scorer,
    marks,
    lambda by, group: WEIGHTS[group] if by == "category" else 0.0,
    (*WEIGHTS, *PARTS),
)
