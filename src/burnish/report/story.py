"""What a report says, read out of a run's events: scores by set, series by step, latest health."""

import math
from dataclasses import dataclass
from typing import Any

from burnish.report.svg import Point

_LARGEST = 1e300
_NOT_SCORES = {"step", "time", "count", "seconds"}


@dataclass(frozen=True)
class Score:
    """One reward on one set: first (base) and newest evaluation that have a value."""

    name: str
    base: float | None
    base_se: float | None
    base_step: int
    last: float | None
    last_se: float | None
    step: int

    @property
    def gain(self) -> float | None:
        """Newest minus first."""
        return None if self.base is None or self.last is None else self.last - self.base

    @property
    def gain_se(self) -> float | None:
        """Standard error of the gain if both were independent."""
        return (
            None if self.base_se is None or self.last_se is None else math.hypot(self.base_se, self.last_se)
        )


@dataclass(frozen=True)
class Finding:
    """The newest verdict of one check, and how often it has failed."""

    check: str
    ok: bool
    message: str
    step: int
    failures: int


class Story:
    """Events and recipe of a run, by question; nothing is assumed to be there."""

    def __init__(self, events: list[dict[str, Any]], recipe: dict[str, Any]) -> None:
        self.events, self.recipe = events, recipe
        self.train = [event for event in events if event["kind"] == "train"]
        self._evaluate = [event for event in events if event["kind"] == "evaluate"]
        self.sets = list(dict.fromkeys(str(event.get("set") or "held out") for event in self._evaluate))
        """Names of the evaluation sets, the main one first."""
        self.last_step = max((event["step"] for event in events), default=0)
        end = events[-1] if events and events[-1]["kind"] == "end" else None
        self.finished = end is not None
        self.end_seconds = number(end.get("seconds")) if end else None

    def evaluations(self, name: str) -> list[dict[str, Any]]:
        """Evaluations of one set, oldest first."""
        return [event for event in self._evaluate if str(event.get("set") or "held out") == name]

    def metrics(self) -> list[str]:
        """Names of the held-out scores, the recipe's first evaluation reward first."""
        names = {name: None for event in self._evaluate for name in event if _is_score(name, event[name])}
        evaluation = self.recipe.get("evaluation")
        wanted = named(evaluation.get("reward")) if isinstance(evaluation, dict) else []
        return [name for name in wanted if name in names] + [name for name in names if name not in wanted]

    def scores(self, name: str) -> list[Score]:
        """Every score of one set that was ever a number."""
        found = []
        for metric in self.metrics():
            known = [event for event in self.evaluations(name) if number(event.get(metric)) is not None]
            if known:
                first, last = known[0], known[-1]
                errors = [number(event.get(f"{metric}/se")) for event in (first, last)]
                values = [number(event[metric]) for event in (first, last)]
                found.append(
                    Score(metric, values[0], errors[0], first["step"], values[1], errors[1], last["step"])
                )
        return found

    def held_out(self, name: str, metric: str) -> list[Point]:
        """(step, score, standard error) of one set."""
        events = self.evaluations(name)
        return [(e["step"], number(e.get(metric)), number(e.get(f"{metric}/se"))) for e in events]

    def trained(self, field: str) -> list[Point]:
        """(step, value, None) of one field of the training events; empty if it is never a number."""
        points: list[Point] = [(e["step"], number(e.get(field)), None) for e in self.train if field in e]
        return points if any(value is not None for _, value, _ in points) else []

    def fields(self, prefix: str) -> list[str]:
        """Fields of the training events that start with `prefix`, in order of appearance."""
        return list(dict.fromkeys(name for event in self.train for name in event if name.startswith(prefix)))

    def health(self) -> list[Finding]:
        """The newest finding of each check, failed ones first."""
        newest: dict[str, Finding] = {}
        for event in self.events:
            if event["kind"] == "health":
                check, ok = str(event.get("check") or "unnamed check"), event.get("ok") is True
                failures = (newest[check].failures if check in newest else 0) + (not ok)
                newest[check] = Finding(check, ok, str(event.get("message") or ""), event["step"], failures)
        return sorted(newest.values(), key=lambda finding: finding.ok)


def named(rewards: Any) -> list[str]:
    """Names in a recipe's list of rewards; empty for anything else."""
    entries = rewards if isinstance(rewards, list) else []
    return [str(entry["name"]) for entry in entries if isinstance(entry, dict) and "name" in entry]


def number(value: Any) -> float | None:
    """A finite number, or None for anything else, and for sizes that overflow when summed or drawn."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= _LARGEST:
        return None
    return float(value)


def _is_score(name: str, value: Any) -> bool:
    return name not in _NOT_SCORES and "/" not in name and number(value) is not None
