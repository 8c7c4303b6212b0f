"""Where something is: boxes and points, each in a coordinate frame that is declared.

Frames: `pixels` of the original picture, `resized` (pixels after the processor's resize; columns
`resized_width` and `resized_height`), `thousand` (0 to 1000 of each side), `unit` (0 to 1). Qwen2.5-VL says
`resized`, Qwen2-VL and Qwen3-VL `thousand`. The size of the original picture is in the columns `width` and
`height`, else that of the prompt's first picture.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from burnish.errors import RewardError
from burnish.rewards.text.match import Reward, check_number, judged, unreadable
from burnish.types import Prompt

_NUMBER = r"\s*(-?\d{1,7}(?:\.\d{1,9})?)\s*"
_BOX = re.compile(rf"[\[(]?{_NUMBER},{_NUMBER}(?:,|\),\s*\(){_NUMBER},{_NUMBER}[\])]?")
_POINT = re.compile(rf"[\[(]?{_NUMBER},{_NUMBER}[\])]?")
FRAMES = ("pixels", "resized", "thousand", "unit")
KEYS = ("bbox_2d", "bbox", "box", "point_2d", "point")
"""Where a written object has its box or point."""
Box = tuple[float, float, float, float]


def box_iou(
    frame: str,
    truth_frame: str,
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
        where: `answer`, `boxed`, `last` or `whole`.
        column: of the right box, a list of four numbers or its text.
    """
    check_frames(frame, truth_frame)
    check_number("box_iou", "threshold", threshold, 0, 1)

    def same(said: str, right: Any, prompt: Prompt) -> float:
        a, b = read_box(said), read_box(right)
        if b is None:
            raise unreadable(right, prompt, "a box [x1, y1, x2, y2]")
        if a is None:
            return 0.0
        overlap = iou(scaled(a, frame, prompt), scaled(b, truth_frame, prompt))
        return overlap if overlap >= threshold else 0.0

    return judged(same, where, column)


def point_in_box(frame: str, truth_frame: str, where: str = "answer", column: str | None = None) -> Reward:
    """1 where the one point that is the answer lies in the right box; a box as answer counts by its centre.

    Args are those of `box_iou`.
    """
    check_frames(frame, truth_frame)

    def same(said: str, right: Any, prompt: Prompt) -> bool:
        point, b = read_point(said), read_box(right)
        if b is None:
            raise unreadable(right, prompt, "a box [x1, y1, x2, y2]")
        if point is None:
            return False
        x, y, _, _ = scaled(point * 2, frame, prompt)
        x1, y1, x2, y2 = scaled(b, truth_frame, prompt)
        return x1 <= x <= x2 and y1 <= y <= y2

    return judged(same, where, column)


def read_box(value: Any) -> Box | None:
    """Four numbers with x1 < x2 and y1 < y2, from text, a list or `{"bbox_2d": […]}`; None for all else."""
    numbers = _numbers(value, _BOX)
    if len(numbers) != 4:
        return None
    x1, y1, x2, y2 = numbers
    return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None


def read_point(value: Any) -> tuple[float, float] | None:
    """Two numbers, or the centre of a box."""
    numbers = _numbers(value, _POINT)
    if len(numbers) == 2:
        return numbers[0], numbers[1]
    box = read_box(value)
    return ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2) if box else None


def _numbers(value: Any, form: re.Pattern[str]) -> list[float]:
    """The finite numbers that `value` is made of; none if it is anything else."""
    if isinstance(value, str):
        found = form.fullmatch(value.strip())
        return [float(n) for n in found.groups()] if found else _numbers(read_json(value), form)
    if isinstance(value, list | tuple) and len(value) == 1 and isinstance(value[0], list | tuple | Mapping):
        value = value[0]
    if isinstance(value, Mapping):
        value = next((value[key] for key in KEYS if key in value), None)
    if isinstance(value, str | bytes | Mapping):
        return []
    try:
        numbers = [float(n) for n in value]
    except (TypeError, ValueError, OverflowError):
        return []
    return numbers if all(math.isfinite(n) for n in numbers) else []


def read_json(text: str) -> Any:
    """The JSON that is all of the text, in a code fence or not; None if it is none."""
    text = text.strip()
    if len(text) >= 6 and text.startswith("```") and text.endswith("```"):
        text = text[3:-3].removeprefix("json")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


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
    union = sum(areas) - shared
    return min(1.0, shared / union) if union > 0 else 0.0


def check_frames(*frames: str) -> None:
    """Raises `RewardError` if a frame is unknown."""
    for frame in frames:
        if frame not in FRAMES:
            raise RewardError(f"the frame {frame!r} of a box is unknown: choose {', '.join(FRAMES)}")


def scaled(box: Box, frame: str, prompt: Prompt) -> Box:
    """The box in shares of the picture's sides."""
    if frame == "unit":
        return box
    width, height = (1000.0, 1000.0) if frame == "thousand" else _size(frame, prompt)
    return box[0] / width, box[1] / height, box[2] / width, box[3] / height


def _size(frame: str, prompt: Prompt) -> tuple[float, float]:
    """Width and height of the prompt's picture, in pixels."""
    prefix = "resized_" if frame == "resized" else ""
    given: Any = [prompt.columns.get(f"{prefix}{side}") for side in ("width", "height")]
    if None in given and frame == "pixels" and prompt.images:
        given = getattr(prompt.images[0], "size", given)
    try:
        width, height = map(float, given)
    except (TypeError, ValueError):
        width = height = 0.0
    if not (0 < width < math.inf and 0 < height < math.inf):
        raise RewardError(
            f"boxes in the frame {frame} need the columns {prefix}width and {prefix}height of the prompt"
        )
    return width, height
