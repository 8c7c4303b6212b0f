"""Text in pictures: prompts with quoted text, the task and the measure of Flow-GRPO (2505.05470).

`exact`: what is read is the wanted text, but for case and white space. `closeness`: max(1 − edit distance /
length of the wanted text, 0), that paper's OCR accuracy (`rewards.ocr` says how it differs).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from burnish.data.prompts import load_prompts
from burnish.errors import DataError
from burnish.evaluate.benchmarks.drawn.record import Drawn, Mark, Scorer, Verdict
from burnish.rewards import ocr
from burnish.types import Prompt


def prompts(path: Path) -> list[Prompt]:
    """The prompts, each with text in double quotes or a column `text`.

    Raises:
        DataError: a prompt asks for no text.
    """
    found = load_prompts(str(path))
    for number, prompt in enumerate(found, 1):
        if not ocr.wanted(prompt):
            raise DataError(
                f"{path} prompt {number} asks for no text: put it in double quotes, or leave it out"
            )
    return found


def scorer(asked: Sequence[Prompt], /) -> Scorer:
    """Reads the pictures.

    Raises:
        RewardError: a package is missing.
    """
    read = ocr.reader()

    def score(images: Sequence[np.ndarray], prompts: Sequence[Prompt]) -> list[Verdict]:
        return [
            _verdict(read(image), ocr.wanted(prompt)) for image, prompt in zip(images, prompts, strict=True)
        ]

    return score


def _verdict(said: str, target: str) -> Verdict:
    return {
        "read": said,
        "wanted": target,
        "exact": ocr.plain(said) == target,
        "closeness": ocr.closeness(said, target),
    }


def marks(prompt: Prompt, verdicts: Sequence[Verdict]) -> Iterator[Mark]:
    """Both numbers of every picture."""
    for name in ("exact", "closeness"):
        for verdict in verdicts:
            yield Mark("text", name, float(verdict[name]))


OCR = Drawn("ocr", "2505.05470", 1, prompts, scorer, marks, order=("exact", "closeness"))
