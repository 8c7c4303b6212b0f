"""GenEval (2310.11513): are the objects there, in number, colour and place?

Rows of `evaluation_metadata.jsonl`. The rules are `rewards.geneval_rules`, the eyes `rewards.geneval`. As
in the original's summary, a task's score is the share of its pictures that are right and the overall score
is the mean of the tasks; beside it stand the share of all pictures and the share of prompts with a right
picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from burnish.data.prompts import load_prompts
from burnish.errors import DataError
from burnish.evaluate.benchmarks.drawn.record import Drawn, Mark, Scorer, Verdict
from burnish.rewards import geneval_rules as rules
from burnish.types import Prompt

TASKS = ("single_object", "two_object", "counting", "colors", "position", "color_attr")


def prompts(path: Path) -> list[Prompt]:
    """The prompts, each with `tag` and `include`.

    Raises:
        DataError: a row has another form.
    """
    found = load_prompts(str(path))
    for number, prompt in enumerate(found, 1):
        missing = [name for name in ("tag", "include") if not prompt.columns.get(name)]
        if missing:
            raise DataError(
                f"{path} prompt {number} has no {missing[0]}: rows of geneval have tag, include and prompt"
            )
    return found


def scorer(
    asked: Sequence[Prompt], /, detector: str, clip: str | None = None, device: str = "auto"
) -> Scorer:
    """Finds what a prompt asks for.

    Args:
        asked: all prompts, checked before anything is drawn.
        detector: folder of a detector trained on COCO, or of an OWL-ViT.
        clip: folder of a CLIP model, for the prompts with colours.
        device: where both run.

    Raises:
        RewardError: a folder holds something else, or a prompt asks what they cannot see.
    """
    from burnish.rewards.geneval import Eye

    eye = Eye(detector, clip, device=device)
    for prompt in asked:
        eye.wishes(prompt)

    def score(images: Sequence[np.ndarray], prompts: Sequence[Prompt]) -> list[Verdict]:
        return [_verdict(seen) for seen in eye(images, prompts)]

    return score


def _verdict(seen: Any) -> Verdict:
    """`correct`, the `complaints`, and the boxes of what was `seen`: certainty, left, top, right, bottom."""
    wrong = rules.complaints(seen.objects, seen.include, seen.exclude, seen.colours_of)
    boxes = {
        name: [[round(float(number), 3) for number in (item.score, *item.box)] for item in found]
        for name, found in seen.objects.items()
    }
    return {"correct": not wrong, "complaints": wrong, "seen": boxes}


def marks(prompt: Prompt, verdicts: Sequence[Verdict]) -> Iterator[Mark]:
    """Every picture counts in its task; a prompt counts once among the prompts, right if any picture is."""
    right = [float(verdict["correct"]) for verdict in verdicts]
    for value in right:
        yield Mark("task", prompt.columns["tag"], value)
    for value in right:
        yield Mark("images", "correct", value)
    yield Mark("prompts", f"any of {len(right)} correct", max(right))


GENEVAL = Drawn(
    "geneval", "2310.11513", 4, prompts, scorer, marks, lambda by, group: float(by == "task"), TASKS
)
