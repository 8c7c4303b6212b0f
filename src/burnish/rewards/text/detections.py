"""Several labelled boxes against the right ones: average precision, without its blind spot.

Average precision alone does not mind wrong boxes that come after the right ones, so a model learns to list
boxes without end. Here the mean over labels includes labels that are not in the picture, and more boxes than
there are take the score down by the ratio.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from burnish.rewards.text.boxes import KEYS, Box, check_frames, iou, read_box, read_json, scaled
from burnish.rewards.text.match import Reward, check_number, judged, unreadable
from burnish.types import Prompt

THRESHOLDS = tuple(0.5 + 0.05 * step for step in range(10))
"""COCO's."""
LEAST = 0.01
"""Threshold: at 0 every box would be found."""
MOST = 1000
"""A longer list earns 0."""

Found = list[tuple[str, Box]]


def box_map(
    frame: str,
    truth_frame: str,
    threshold: float | None = None,
    where: str = "answer",
    column: str | None = None,
) -> Reward:
    """Mean average precision of a JSON list `[{"bbox_2d": [x1, y1, x2, y2], "label": "cat"}, …]`, in [0, 1].

    The order of the list is the order of confidence. Anything but such a list earns 0.

    Args:
        frame: of the model's boxes.
        truth_frame: of the right ones.
        threshold: IoU from which a box is found, from 0.01 to 1; None averages over 0.50, 0.55, … 0.95.
        where: `answer`, `boxed`, `last` or `whole`.
        column: of the right list, in the same form.
    """
    check_frames(frame, truth_frame)
    if threshold is not None:
        check_number("box_map", "threshold", threshold, LEAST, 1)
    thresholds = THRESHOLDS if threshold is None else (threshold,)

    def same(said: str, right: Any, prompt: Prompt) -> float:
        a, b = read_boxes(said), read_boxes(right)
        if b is None:
            raise unreadable(right, prompt, "a list of boxes with labels")
        if a is None:
            return 0.0
        a = [(label, scaled(box, frame, prompt)) for label, box in a]
        b = [(label, scaled(box, truth_frame, prompt)) for label, box in b]
        return mean_ap(a, b, thresholds)

    return judged(same, where, column)


def read_boxes(value: Any) -> Found | None:
    """Labels and boxes; None if any of them is not a box or there are too many."""
    value = read_json(value) if isinstance(value, str) else value
    if not isinstance(value, list | tuple) or len(value) > MOST:
        return None
    found: Found = []
    for each in value:
        if not isinstance(each, Mapping) or not any(key in each for key in KEYS):
            return None
        box = read_box(each)
        if box is None:
            return None
        found.append((" ".join(str(each.get("label", "")).lower().split()), box))
    return found


def mean_ap(said: Found, right: Found, thresholds: Sequence[float]) -> float:
    """Mean over thresholds and the labels of both lists, times right over said boxes (at most 1)."""
    if not said or not right:
        return float(not said and not right)
    labels = {label for label, _ in said} | {label for label, _ in right}
    total = 0.0
    for label in sorted(labels):
        wanted = [box for k, box in right if k == label]
        overlap_SR = [[iou(box, b) for b in wanted] for k, box in said if k == label]
        total += sum(average_precision(overlap_SR, len(wanted), each) for each in thresholds)
    return total / (len(labels) * len(thresholds)) * min(1.0, len(right) / len(said))


def average_precision(overlap_SR: Sequence[Sequence[float]], count: int, threshold: float) -> float:
    """Area under the interpolated curve of precision over recall; each right box is found once at most.

    Args:
        overlap_SR: IoU of each said box, the most confident first, with each right box.
        count: of right boxes.
        threshold: IoU from which a box is found.
    """
    free = list(range(count))
    precisions: list[float] = []
    for rank, row in enumerate(overlap_SR, 1):
        best = max(free, key=row.__getitem__, default=None)
        if best is not None and row[best] >= threshold:
            free.remove(best)
            precisions.append((len(precisions) + 1) / rank)
    envelope = list(accumulate(reversed(precisions), max))
    return sum(envelope) / count if count else 0.0
