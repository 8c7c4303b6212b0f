"""Runs side by side: what each method gained over the base model, with the spread over seeds.

Runs are grouped by everything under `algorithm`; a fair comparison differs there and in `run` alone,
and whatever else differs is said aloud.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from burnish.errors import RunError
from burnish.recipes.load import read_recipe
from burnish.report.events import read_events

TAIL = 0.2
"""Training reward is the mean of this last share of the steps."""

_NOT_METRICS = {"kind", "step", "set", "count", "time", "seconds"}

Table = tuple[str, list[str], list[list[str]]]


@dataclass(frozen=True)
class Row:
    """One metric on one prompt set for one method; gains are paired with each run's own base."""

    method: str
    seeds: int
    set: str
    metric: str
    base: float
    tuned: float
    gain: float
    gain_se: float | None


@dataclass(frozen=True)
class Effort:
    """What a method's runs did: training reward at the end, its rise, and the time of a step."""

    method: str
    seeds: int
    steps: str
    reward_first: float | None
    reward_last: float | None
    reward_last_se: float | None
    seconds_per_step: float | None


@dataclass(frozen=True)
class Comparison:
    """Rows for each method × set × metric, effort for each method, and what makes them hard to compare."""

    rows: list[Row]
    effort: list[Effort]
    warnings: list[str]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def tables(self) -> list[Table]:
        """Title, columns and cells of the two tables."""
        gains = [
            [
                r.method,
                str(r.seeds),
                r.set,
                r.metric,
                _number(r.base),
                _number(r.tuned),
                _spread(r.gain, r.gain_se),
            ]
            for r in self.rows
        ]
        effort = [
            [
                e.method,
                str(e.seeds),
                e.steps,
                _number(e.reward_first),
                _spread(e.reward_last, e.reward_last_se, sign=False),
                _number(e.seconds_per_step),
            ]
            for e in self.effort
        ]
        names = ["method", "seeds", "set", "metric", "base", "tuned", "gain ± s.e."]
        return [
            ("", names, gains),
            ("", ["method", "seeds", "steps", "first reward", "last reward ± s.e.", "s/step"], effort),
        ]


@dataclass(frozen=True)
class _Run:
    """One run folder, read."""

    folder: Path
    recipe: dict[str, Any]
    train: dict[int, dict[str, Any]] = field(default_factory=dict)
    evaluations: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)

    @property
    def last_step(self) -> int:
        return max((step for _, step in self.evaluations), default=0)


def compare_runs(folders: Sequence[Path]) -> Comparison:
    """Group finished runs by method and summarise them.

    Raises `RunError` when a folder is not a run or holds no evaluation.
    """
    runs = [_read(folder) for folder in dict.fromkeys(folders)]
    groups: dict[str, list[_Run]] = {}
    labels = _labels([run.recipe.get("algorithm") or {} for run in runs])
    for run, label in zip(runs, labels, strict=True):
        groups.setdefault(label, []).append(run)
    rows = [row for label, members in groups.items() for row in _rows(label, members)]
    effort = [_effort(label, members) for label, members in groups.items()]
    return Comparison(rows, effort, [*_differences(runs), *_doubts(groups)])


def _read(folder: Path) -> _Run:
    if not (folder / "recipe.yaml").is_file():
        raise RunError(f"{folder} is not a run: it has no recipe.yaml")
    run = _Run(folder, read_recipe(folder / "recipe.yaml"))
    for event in read_events(folder / "metrics.jsonl"):
        if event.get("kind") == "train":
            run.train[int(event["step"])] = event
        elif event.get("kind") == "evaluate":
            run.evaluations[str(event["set"]), int(event["step"])] = event
    if not run.evaluations:
        raise RunError(f"{folder} has no evaluation in metrics.jsonl yet: let it run further")
    return run


def _flat(values: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(values, Mapping):
        return {prefix: values}
    return {
        k: v for key, inner in values.items() for k, v in _flat(inner, f"{prefix}.{key}".strip(".")).items()
    }


def _labels(algorithms: list[dict[str, Any]]) -> list[str]:
    """The preset's name, with the settings in which runs of one preset differ."""
    labels = []
    for algorithm in algorithms:
        preset = str(algorithm.get("preset"))
        flat = _flat(algorithm)
        others = [_flat(other) for other in algorithms if str(other.get("preset")) == preset]
        keys = sorted({key for other in others for key in (*flat, *other) if other.get(key) != flat.get(key)})
        varied = [f"{key.removesuffix('.name')}={flat[key]}" for key in keys if key in flat]
        labels.append(f"{preset} ({', '.join(varied)})" if varied else preset)
    return labels


def _metrics(event: Mapping[str, Any]) -> list[str]:
    return [
        key
        for key, value in event.items()
        if key not in _NOT_METRICS and "/" not in key and isinstance(value, int | float)
    ]


def _rows(label: str, runs: list[_Run]) -> list[Row]:
    pairs: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for run in runs:
        for name in dict.fromkeys(name for name, _ in run.evaluations):
            steps = [step for other, step in run.evaluations if other == name]
            first, last = run.evaluations[name, min(steps)], run.evaluations[name, max(steps)]
            for metric in _metrics(last) if min(steps) == 0 else []:
                base, tuned = first.get(metric), last.get(metric)
                if _finite(base) and _finite(tuned):
                    pairs.setdefault((name, metric), []).append((float(base or 0), float(tuned or 0)))
    rows = []
    for (name, metric), values in pairs.items():
        gains = [tuned - base for base, tuned in values]
        base, tuned = _mean([b for b, _ in values]), _mean([t for _, t in values])
        rows.append(Row(label, len(values), name, metric, base, tuned, _mean(gains), _standard_error(gains)))
    return rows


def _effort(label: str, runs: list[_Run]) -> Effort:
    first, last, seconds = [], [], []
    for run in runs:
        steps = sorted(run.train)
        share = max(1, math.ceil(TAIL * len(steps)))
        rewards = [run.train[step].get("reward") for step in steps]
        first += _some_mean(rewards[:share])
        last += _some_mean(rewards[-share:])
        seconds += _some_mean([run.train[step].get("seconds/step") for step in steps])
    counts = sorted({run.last_step for run in runs})
    return Effort(
        method=label,
        seeds=len(runs),
        steps=" to ".join(map(str, dict.fromkeys((counts[0], counts[-1])))),
        reward_first=_mean(first) if first else None,
        reward_last=_mean(last) if last else None,
        reward_last_se=_standard_error(last),
        seconds_per_step=_mean(seconds) if seconds else None,
    )


def _differences(runs: list[_Run]) -> list[str]:
    """One sentence for what differs besides `algorithm` and `run`."""
    kept = [
        {k: v for k, v in _flat(run.recipe).items() if k.split(".")[0] not in ("algorithm", "run")}
        for run in runs
    ]
    keys = sorted({key for flat in kept for key in flat})
    differing = []
    for key in keys:
        values = [flat.get(key) for flat in kept]
        if any(value != values[0] for value in values):
            shown = list(dict.fromkeys(json.dumps(value, default=str) for value in values))
            differing.append(f"{key} ({', '.join(shown[:4])})")
    if not differing:
        return []
    return [
        "the recipes differ outside of algorithm and run, so gains are not comparable: "
        f"{'; '.join(differing)}"
    ]


def _doubts(groups: Mapping[str, list[_Run]]) -> list[str]:
    sentences, seed_sets = [], {}
    for label, runs in groups.items():
        seeds = [(run.recipe.get("run") or {}).get("seed", 0) for run in runs]
        seed_sets[label] = sorted(set(seeds), key=str)
        twice = next((seed for seed in seeds if seeds.count(seed) > 1), None)
        if twice is not None:
            sentences.append(f"{label} has several runs with seed {twice}: the standard error is too small")
        if len(runs) == 1:
            sentences.append(f"{label} has one run only: no standard error over seeds")
        for run in runs:
            planned = (run.recipe.get("train") or {}).get("steps")
            if planned is not None and run.last_step < planned:
                sentences.append(f"{run.folder} was last evaluated at step {run.last_step} of {planned}")
            if not any(step == 0 for _, step in run.evaluations):
                sentences.append(f"{run.folder} has no evaluation at step 0 and is left out of the gains")
    if len({tuple(map(str, seeds)) for seeds in seed_sets.values()}) > 1:
        listed = "; ".join(f"{label}: {', '.join(map(str, seeds))}" for label, seeds in seed_sets.items())
        sentences.append(f"the methods were run with different seeds ({listed})")
    return sentences


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _some_mean(values: Sequence[Any]) -> list[float]:
    """The mean of the finite values in a list of one, or an empty list."""
    finite = [float(value) for value in values if _finite(value)]
    return [_mean(finite)] if finite else []


def _standard_error(values: Sequence[float]) -> float | None:
    """Standard deviation (n − 1) over √n; None for fewer than two values."""
    n = len(values)
    if n < 2:
        return None
    mean = _mean(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1) / n)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _spread(value: float | None, se: float | None, *, sign: bool = True) -> str:
    if value is None:
        return "-"
    text = f"{value:+.4f}" if sign else f"{value:.4f}"
    return text if se is None else f"{text} ± {se:.4f}"
