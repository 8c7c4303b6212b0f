"""Where something is: boxes and points, each in a coordinate frame that is declared.

Frames: `pixels` of the original picture, `resized` (pixels after the processor's resize; columns
`resized_width` and `resized_height`), `thousand` (0 to 1000 of each side), `unit` (0 to 1). Qwen2.5-VL says
`resized`, Qwen2-VL and Qwen3-VL `thousand`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from burnish.errors import RewardError
from burnish.rewards.text.match import Reward, judged
from burnish.types import Prompt

_NUMBER = r"-?\d{1,7}(?:\.\d{1,9})?"
_BOX = re.compile(rf"[\[(]?\s*({_NUMBER})\s*,\s*({_NUMBER})\s*,\s*({_NUMBER})\s*,\s*({_NUMBER})\s*[\])]?")
_POINT = re.compile(rf"[\[(]?\s*({_NUMBER})\s*,\s*({_NUMBER})\s*[\])]?")
FRAMES = ("pixels", "resized", "thousand", "unit")
Box = tuple[float, float, float, float]


def box_iou(
    frame: str,
    truth_frame: str = "pixels",
    threshold: float = 0.0,
    where: str = "answer",
    column: str | None = None,
) -> Reward:
    """Intersection over union of the one box that is the answer and the right box, in [0, 1].

    Anything but exactly one box with x1 < x2 and y1 < y2 earns 0.

    Args:
        frame: of the model's boxes.
        truth_frame: of the right ones.
        threshold: IoU below it earns 0.
        where: `answer`, `boxed` or `whole`.
        column: of the right box, a list of four numbers or its text.
    """
    _known(frame, truth_frame)

    def same(said: str, right: Any, prompt: Prompt) -> float:
        a, b = read_box(said), read_box(right)
        if b is None:
            raise RewardError(f"the right box {right!r} of {prompt.text[:40]!r} is not [x1, y1, x2, y2]")
        if a is None:
            return 0.0
        overlap = iou(_scaled(a, frame, prompt), _scaled(b, truth_frame, prompt))
        return overlap if overlap >= threshold else 0.0

    return judged(same, where, column)


def point_in_box(
    frame: str, truth_frame: str = "pixels", where: str = "answer", column: str | None = None
) -> Reward:
    """1 where the one point that is the answer lies in the right box; a box counts by its centre."""
    _known(frame, truth_frame)

    def same(said: str, right: Any, prompt: Prompt) -> bool:
        box, b = read_box(said), read_box(right)
        if b is None:
            raise RewardError(f"the right box {right!r} of {prompt.text[:40]!r} is not [x1, y1, x2, y2]")
        found = _POINT.fullmatch(said.strip())
        if box is not None:
            x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        elif found:
            x, y = float(found[1]), float(found[2])
        else:
            return False
        x, y, _, _ = _scaled((x, y, x, y), frame, prompt)
        x1, y1, x2, y2 = _scaled(b, truth_frame, prompt)
        return x1 <= x <= x2 and y1 <= y <= y2

    return judged(same, where, column)


def read_box(value: str | Sequence[float]) -> Box | None:
    """Four numbers with x1 < x2 and y1 < y2, from text or a list; None for anything else."""
    if isinstance(value, str):
        found = _BOX.fullmatch(value.strip())
        numbers = [float(n) for n in found.groups()] if found else []
    else:
        numbers = [float(n) for n in value]
    if len(numbers) != 4 or not all(math.isfinite(n) for n in numbers):
        return None
    x1, y1, x2, y2 = numbers
    return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None


def iou(a: Box, b: Box) -> float:
    """Intersection over union, in [0, 1].

    >>> iou((0, 0, 2, 2), (1, 0, 3, 2))
    0.3333333333333333
    """
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return shared / (sum(areas) - shared)


def _known(*frames: str) -> None:
    for frame in frames:
        if frame not in FRAMES:
            raise RewardError(f"the frame {frame!r} of a box is unknown: choose {', '.join(FRAMES)}")


def _scaled(box: Box, frame: str, prompt: Prompt) -> Box:
    """The box in shares of the picture's sides."""
    if frame == "unit":
        return box
    if frame == "thousand":
        width = height = 1000.0
    else:
        prefix = "resized_" if frame == "resized" else ""
        try:
            width, height = (float(prompt.columns[f"{prefix}{side}"]) for side in ("width", "height"))
        except (KeyError, TypeError, ValueError):
            raise RewardError(
                f"boxes in the frame {frame} need the columns {prefix}width and {prefix}height of the prompt"
            ) from None
    return box[0] / width, box[1] / height, box[2] / width, box[3] / height
