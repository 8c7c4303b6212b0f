"""What a finished run left in its log, as a study reads it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from burnish.report.events import read_events
from burnish.report.story import number
from burnish.study.schema import Measure


@dataclass(frozen=True)
class Curve:
    """One measure through one run, at its S evaluations that have a number.

    Attributes:
        steps: training steps [S], rising.
        rollouts: drawn up to each [S].
        values: the score [S].
        std: standard deviation over prompts at the first evaluation; 0 where it is not known.
    """

    steps: list[int]
    rollouts: list[int]
    values: list[float]
    std: float

    @property
    def gain(self) -> float:
        """Last minus first: over the run's own base."""
        return self.values[-1] - self.values[0]


def read_curve(folder: Path, measure: Measure) -> Curve | None:
    """The curve of a run; None if it was never evaluated before training or never after."""
    drawn, points = {0: 0}, {}
    std = 0.0
    for event in read_events(folder / "metrics.jsonl"):
        step = event["step"]
        if event["kind"] == "train":
            drawn[step] = int(event.get("issued") or 0)
        elif event["kind"] == "evaluate" and event.get("set") == measure.set:
            value = number(event.get(measure.metric))
            if value is not None:
                points[step] = value
            if step == 0:
                error, count = number(event.get(f"{measure.metric}/se")), event.get("count") or 0
                std = (error or 0.0) * math.sqrt(count - (event.get(f"{measure.metric}/unscored") or 0))
    steps = sorted(points)
    if not steps or steps[0] != 0 or steps[-1] == 0:
        return None
    return Curve(steps, [drawn.get(step, 0) for step in steps], [points[step] for step in steps], std)
