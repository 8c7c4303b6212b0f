"""The embedded questions: right or wrong by the layout that drew the scene."""

from __future__ import annotations

from typing import Any

from burnish.rewards.text.boxes import iou, read_box
from burnish.rewards.text.match import Reward, judged
from burnish.types import Prompt

ENOUGH = 0.5
"""IoU from which a box is right."""


def scenes_answer(graded: bool = False) -> Reward:
    """1 where the answer to a question of the embedded world is right; a box, where its IoU is at least 0.5.

    Args:
        graded: boxes earn their IoU instead.
    """

    def same(said: str, right: Any, prompt: Prompt) -> float:
        if prompt.columns.get("task") != "ground":
            return float(said.strip().lower() == str(right))
        a, b = read_box(said), read_box(str(right))
        overlap = iou(a, b) if a and b else 0.0
        return overlap if graded else float(overlap >= ENOUGH)

    return judged(same, "answer", None)
