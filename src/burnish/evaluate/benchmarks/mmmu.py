"""MMMU (2311.16502): college-level questions, 900 of `validation`, by discipline and subject.

Multiple choice and open questions are read by the original's rules. One thing differs: where the original
draws a random letter because it found none, the answer counts as wrong.
"""

from __future__ import annotations

import ast
import math
import re
from typing import Any

from burnish.errors import DataError
from burnish.evaluate.benchmarks import said
from burnish.evaluate.benchmarks.benchmark import Benchmark, Place, Row, Verdict
from burnish.types import Prompt

SUBJECTS = {
    "Art & Design": "Art Art_Theory Design Music",
    "Business": "Accounting Economics Finance Manage Marketing",
    "Science": "Biology Chemistry Geography Math Physics",
    "Health & Medicine": (
        "Basic_Medical_Science Clinical_Medicine Diagnostics_and_Laboratory_Medicine Pharmacy Public_Health"
    ),
    "Humanities & Social Science": "History Literature Psychology Sociology",
    "Tech & Engineering": (
        "Agriculture Architecture_and_Engineering Computer_Science Electronics Energy_and_Power Materials "
        "Mechanical_Engineering"
    ),
}
DISCIPLINE = {subject: name for name, subjects in SUBJECTS.items() for subject in subjects.split()}

ASK_LETTER = "Answer with the letter of the right option."
ASK_WORDS = "Answer with a single word, number or phrase."

_MARK = re.compile(r"<image (\d)>")
_TAILS = ("could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ")
_NUMBERS = (
    re.compile(r"-?\b\d{1,3}(?:,\d{3})+\b"),
    re.compile(r"-?\d+(?:\.\d+)?[eE][+-]?\d+"),
    re.compile(r"-?(?:\d+\.\d+|\.\d+|\d+\b)(?![eE][+-]?\d)(?![,\d])"),
)


def prompts(row: Row, at: Place) -> list[Prompt]:
    """Question, lettered options, and a picture wherever `<image 1>` stands."""
    options = literal(row["options"], at)
    lettered = [f"{chr(ord('A') + i)}. {option}" for i, option in enumerate(options)]
    closed = row["question_type"] == "multiple-choice"
    if closed and not options:
        raise DataError(f"{at.where} is a multiple-choice question without options")
    text = "\n".join([row["question"], *lettered, "", ASK_LETTER if closed else ASK_WORDS])
    shown = [f"image_{n}" for n in _MARK.findall(text)]
    if not shown:
        shown = [name for name in sorted(row) if re.fullmatch(r"image_\d", name) and row[name] is not None]
    missing = [name for name in shown if row.get(name) is None]
    if missing:
        raise DataError(f"{at.where} speaks of {missing[0]} but has no picture there")
    subject = str(row["id"]).partition("_")[2].rpartition("_")[0] or "-"
    right = at.right(row, "answer")
    if not closed and str(right).startswith("["):
        right = literal(right, at)
    return [
        at.prompt(
            _MARK.sub("<image>", text),
            [row[name] for name in shown],
            id=row["id"],
            answer=right,
            options=options,
            question_type=row["question_type"],
            discipline=DISCIPLINE.get(subject, "-"),
            subject=subject,
            topic_difficulty=row.get("topic_difficulty"),
        )
    ]


def literal(value: Any, at: Place) -> list[str]:
    """A list that the hub stores as Python text.

    Raises:
        DataError: it is none.
    """
    if isinstance(value, str):
        try:
            value = ast.literal_eval(value or "[]")
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            value = None
    if not isinstance(value, list | tuple):
        raise DataError(f"{at.where}: options or answer are not a list like \"['a', 'b']\"")
    return [str(member) for member in value]


def judge(text: str, prompt: Prompt) -> Verdict:
    """1 for the right letter, or for an open answer that holds the right one."""
    text, right = said.final(text), prompt.columns["answer"]
    if prompt.columns["question_type"] == "multiple-choice":
        letter = choice(text, prompt.columns["options"])
        return Verdict(letter, float(letter is not None and letter == right))
    found = opened(text)
    wanted = [
        form for answer in (right if isinstance(right, list) else [right]) for form in forms(str(answer))
    ]
    return Verdict(found or None, float(any(_holds(said_form, wanted) for said_form in found)))


def choice(text: str, options: list[str]) -> str | None:
    """The letter that stands last, in brackets if any does, else between spaces; else the last option.

    Words of options are looked for in texts of more than five words.
    """
    for sign in ",.!?;:'":
        text = text.strip(sign)
    plain = f" {text} "
    letters = [chr(ord("A") + i) for i in range(len(options))]
    ways = [[f"({letter})" for letter in letters], [f" {letter} " for letter in letters]]
    if len(plain.split()) > 5:
        ways.append([option.lower() for option in options])
    for way, looked in zip(ways, (plain, plain, plain.lower()), strict=False):
        ends = [
            (looked.rfind(form), letter) for form, letter in zip(way, letters, strict=True) if form in looked
        ]
        if ends:
            return max(ends, key=lambda end: end[0])[1]
    return None


def opened(text: str) -> list[str | float]:
    """The parts of an open answer that may be it: the shortest tail of each line after a word that announces
    one, and the numbers in these tails; the whole text if there is no such word."""
    lines = text.strip().strip(".").lower().split("\n")
    tails = []
    for number, line in enumerate(lines, 1):
        marks = (*_TAILS, "=") if number == len(lines) else _TAILS
        shortest = ""
        for tail in [line.rsplit(mark, 1)[1].strip() for mark in marks if mark in line]:
            shortest = tail if not shortest or len(tail) < len(shortest) else shortest
        if shortest and shortest not in set(":,.!?;'"):
            tails.append(shortest)
    tails = tails or ["\n".join(lines)]
    parts = tails + [n for tail in tails for form in _NUMBERS for n in form.findall(tail)]
    return list(dict.fromkeys(form for part in parts if part for form in forms(part)))


def forms(text: str) -> list[str | float]:
    """A number with two decimals; other text in lower case, a single letter only beside a space."""
    text = text.strip()
    try:
        value = float(text.replace(",", ""))
    except ValueError:
        value = math.nan
    if math.isfinite(value):
        return [round(value, 2)]
    text = text.lower()
    return [f" {text}", f"{text} "] if len(text) == 1 else [text]


def _holds(form: str | float, wanted: list[str | float]) -> bool:
    if isinstance(form, float):
        return form in wanted
    return any(isinstance(right, str) and right in form for right in wanted)


MMMU = Benchmark(
    "mmmu",
    "2311.16502",
    ("id", "question", "options", "answer", "question_type"),
    ("validation",),
    prompts,
    judge,
    ("discipline", "subject", "question_type", "topic_difficulty"),
)
