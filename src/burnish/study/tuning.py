"""Equal effort for every method: the trial with the best mean of the deciding measure, over tuning seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from burnish.study.analysis import Mean, mean_of
from burnish.study.findings import read
from burnish.study.plan import Job
from burnish.study.schema import Study


@dataclass(frozen=True)
class Trial:
    """One combination of a method's grid: its overrides, the final score over tuning seeds, was it taken."""

    label: str
    overrides: list[str]
    final: Mean
    chosen: bool


def choose(study: Study, jobs: Sequence[Job]) -> list[Trial]:
    """Every trial of every method, one of each chosen; the earlier wins a tie. `jobs` are all finished."""
    found = []
    for label in study.methods:
        scores = []
        for number, _ in enumerate(study.trials(label)):
            own = [job for job in jobs if (job.label, job.trial) == (label, number)]
            curves = read(study, own, study.primary)[label]
            scores.append(mean_of([curve.values[-1] for curve in curves.values()]))
        known = [-float("inf") if score.mean is None else score.mean for score in scores]
        best = known.index(max(known)) if known else None
        found += [
            Trial(label, overrides, scores[number], number == best)
            for number, overrides in enumerate(study.trials(label))
        ]
    return found
