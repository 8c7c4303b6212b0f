"""RefCOCO, RefCOCO+, RefCOCOg (1608.00272) in the rows of `lmms-lab/RefCOCO`: find what is named.

A box is right if its IoU with the labelled one is at least 0.5. Every expression of a row is asked by itself.
The first box of the answer counts, in the frame that the model speaks (`rewards.text.boxes`).
"""

from __future__ import annotations

import re

from burnish.errors import DataError
from burnish.evaluate.benchmarks import said
from burnish.evaluate.benchmarks.benchmark import Benchmark, Place, Row, Verdict
from burnish.rewards.text.boxes import iou, read_box, scaled
from burnish.types import Prompt

RIGHT = 0.5
"""Least IoU of a right box."""

ASK = {
    "pixels": "in pixels",
    "resized": "in pixels",
    "thousand": "in thousandths of the picture's width and height",
    "unit": "as shares of the picture's width and height, from 0 to 1",
}

_N = r"\s*(-?\d{1,7}(?:\.\d{1,9})?)\s*"
_BOX = re.compile(rf"[\[(]{_N},{_N}(?:,|\),\s*\(){_N},{_N}[\])]")


def prompts(row: Row, at: Place) -> list[Prompt]:
    """One question for each expression of the row."""
    expressions = [row["answer"]] if isinstance(row["answer"], str) else list(row["answer"] or [])
    try:
        x, y, width, height = (float(value) for value in row["bbox"])
    except (TypeError, ValueError):
        width = height = 0.0
    if not (expressions and width > 0 and height > 0):
        raise DataError(f"{at.where} needs expressions in answer and a box [x, y, width, height] in bbox")
    name = row.get("question_id", at.number)
    found = []
    for number, expression in enumerate(expressions):
        text = f"Where is: {expression.strip()}?\nGive its bounding box as [x1, y1, x2, y2] {ASK[at.frame]}."
        found.append(
            at.prompt(
                text,
                [row["image"]],
                id=f"{name}/{number}",
                answer=[x, y, x + width, y + height],
                frame=at.frame,
                split=at.split,
            )
        )
    size = dict(zip(("width", "height"), found[0].images[0].open().size, strict=True))
    return [Prompt(each.text, {**each.columns, **size}, each.images) for each in found]


def judge(text: str, prompt: Prompt) -> Verdict:
    """1 for an IoU of at least 0.5; `iou` is averaged too, 0 where there is no box."""
    found = _BOX.search(said.final(text))
    box = read_box([float(n) for n in found.groups()]) if found else None
    if found is None or box is None:
        return Verdict(found and found[0], 0.0, {"iou": 0.0})
    right = read_box(prompt.columns["answer"])
    assert right is not None
    overlap = iou(scaled(box, prompt.columns["frame"], prompt), scaled(right, "pixels", prompt))
    return Verdict(list(box), float(overlap > RIGHT - 1e-9), {"iou": overlap})


REFCOCO = Benchmark(
    "refcoco",
    "1608.00272",
    ("image", "answer", "bbox"),
    ("val", "test"),
    prompts,
    judge,
    ("split",),
    framed=True,
)
