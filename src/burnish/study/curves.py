"""What a finished run left in its log, as a study reads it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from burnish.report.events import read_events
from burnish.report.story import number
from burnish.study.alarms import Watched
from burnish.study.plan import Job
from burnish.study.schema import Measure


@dataclass(frozen=True)
class Curve:
    """One measure through one run, at its S evaluations that have a number.

    Attributes:
        steps: training steps [S], rising.
        spent: of the study's budget, up to each [S].
        values: the score [S].
        std: standard deviation over prompts at the first evaluation; 0 where it is not known.
    """

    steps: list[int]
    spent: list[float]
    values: list[float]
    std: float

    def at(self, numbers: list[float]) -> dict[int, float]:
        """One of its lists by step."""
        return dict(zip(self.steps, numbers, strict=True))

    @property
    def gain(self) -> float:
        """Last minus first: over the run's own base."""
        return self.values[-1] - self.values[0]


def read_curve(folder: Path, measure: Measure, price: float) -> Curve | None:
    """The curve of a run whose rollouts cost `price` each.

    None if it was never evaluated before training or never after.
    """
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
    return Curve(steps, [price * drawn.get(step, 0) for step in steps], [points[step] for step in steps], std)


def read_watched(job: Job) -> list[Watched]:
    """Every prompt's scores through a run, for each held-out reward that it watched (possibly none)."""
    path = job.folder / "scores.jsonl"
    rows = read_events(path) if path.is_file() else []
    rows = [row for row in rows if rows[-1]["held_out"].keys() == row["held_out"].keys()]
    rows = [row for row in rows if len(row["proxy"]) == len(rows[-1]["proxy"])]
    if len(rows) < 2:
        return []
    steps, names = [row["step"] for row in rows], list(rows[-1]["held_out"])
    proxy_KN = np.array([row["proxy"] for row in rows], dtype=float)  # null is NaN
    truths = {name: np.array([row["held_out"][name] for row in rows], dtype=float) for name in names}
    return [
        Watched(job.label, job.seed, name, len(names), steps, proxy_KN, truth_KN)
        for name, truth_KN in truths.items()
    ]
