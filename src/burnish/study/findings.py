"""From finished runs to findings: numbers for each measure and method, and one careful sentence a method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from burnish.study.analysis import Mean, Paired, area, holm, mean_of, median_reach, paired, reach, recent
from burnish.study.budget import BUDGETS, UNITS, equal, price
from burnish.study.curves import Curve, read_curve
from burnish.study.load import recipe_of
from burnish.study.plan import Job
from burnish.study.schema import Measure, Study

LEVEL = 0.05
"""Corrected p-value below which a difference is called one."""

Point = tuple[float, float | None, float | None]
Curves = dict[str, dict[int, Curve]]
"""label -> seed -> curve."""


@dataclass(frozen=True)
class Row:
    """One method on one measure, over its finished seeds.

    Attributes:
        label: the method.
        base: the score before training.
        final: the score at the last evaluation.
        gain: final − base of each run.
        gains: the gain of each seed, in the order of the study's seeds.
        area: mean height of the curve over what is spent.
        reach: median of what is spent until the smoothed score is the baseline's at its end; None: never.
        reached: seeds that reached it.
        against: the paired tests of the gains against the baseline's; None for the baseline itself.
        p: Holm-corrected over the methods.
        curve: (spent, mean, standard error) over seeds.
    """

    label: str
    base: Mean
    final: Mean
    gain: Mean
    gains: list[float]
    area: Mean
    reach: float | None
    reached: int
    against: Paired | None
    p: float | None
    curve: list[Point]

    @property
    def verdict(self) -> str:
        """better, worse or undecided; better and worse only where the corrected p-value is below 0.05."""
        difference = self.against.difference.mean if self.against else None
        if self.p is None or difference is None or self.p >= LEVEL:
            return "undecided"
        return "better" if difference > 0 else "worse"


@dataclass(frozen=True)
class Board:
    """One measure: what there was to reach (None where the baseline did not rise), and a row a method."""

    measure: Measure
    target: float | None
    rows: list[Row]


def board(study: Study, jobs: Sequence[Job], measure: Measure) -> Board:
    """The numbers of one measure; `jobs` are the finished runs."""
    curves = read(study, jobs, measure)
    goal = _goal([*curves[study.baseline].values()])
    rows = [_row(study, label, curves, goal) for label in study.methods]
    ps = holm([row.against.p if row.against else None for row in rows])
    return Board(measure, goal, [replace(row, p=p) for row, p in zip(rows, ps, strict=True)])


def read(study: Study, jobs: Sequence[Job], measure: Measure) -> Curves:
    """The curves of one measure; runs without one are left out."""
    curves: Curves = {label: {} for label in study.methods}
    for job in jobs:
        curve = read_curve(job.folder, measure, price(study.budget, job.recipe))
        if curve is not None:
            curves[job.label][job.seed] = curve
    return curves


def sentence(study: Study, row: Row) -> str:
    """What is known of one method on the measure that decides: better, worse or undecided, with p and n."""
    if row.gain.n == 0:
        return f"{row.label} has no finished run, so nothing is known."
    gained = f"{row.label} gained {amount(row.gain)}"
    if row.against is None:
        return f"{gained} over n = {seeds(row.gain.n)}; it is the baseline."
    if row.against.n == 0:
        return f"{gained}, but shares no seed with {study.baseline}: undecided."
    words = {
        "better": f"better than {study.baseline}",
        "worse": f"worse than {study.baseline}",
        "undecided": f"undecided against {study.baseline}",
    }[row.verdict]
    p, n = "unknown" if row.p is None else shown_p(row.p), seeds(row.against.n)
    return f"{gained}: {words}, by {amount(row.against.difference)} (p {p} after Holm, n = {n})."


def unspent(study: Study, row: Row) -> str | None:
    """What is to be known of a method that did not spend its budget; None of one that did."""
    whole, spent = BUDGETS[study.budget](recipe_of(study, row.label)), row.curve[-1][0] if row.curve else 0.0
    if not row.curve or equal(spent, whole):
        return None
    share = f"{spent:,.0f} of {whole:,.0f} {UNITS[study.budget]}"
    return f"{row.label} spent {share} (refills not needed, or an early stop) and is compared on less."


def amount(value: Mean) -> str:
    """A signed mean with its standard error: `+0.031 ± 0.006`; a dash for none."""
    if value.mean is None:
        return "–"
    text = f"{value.mean:+.3f}" + (f" ± {value.se:.3f}" if value.se is not None else "")
    return text.replace("-", "−")


def level(value: Mean) -> str:
    """An unsigned mean with its standard error."""
    return amount(value).replace("+", "", 1)


def shown_p(p: float) -> str:
    """`= 0.031`, or `< 0.001`."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def seeds(n: int) -> str:
    """`1 seed`, `3 seeds`."""
    return f"{n} seed{'' if n == 1 else 's'}"


def _goal(curves: Sequence[Curve]) -> float | None:
    """Where the baseline came to; None where that is no higher than its base."""
    end = mean_of([recent(curve.values) for curve in curves]).mean
    base = mean_of([curve.values[0] for curve in curves]).mean
    return None if end is None or base is None or end <= base else end


def _row(study: Study, label: str, curves: Curves, goal: float | None) -> Row:
    own = {seed: curves[label][seed] for seed in study.seeds if seed in curves[label]}
    found = list(own.values())
    costs = [reach(curve.spent, curve.values, goal) for curve in found] if goal is not None else []
    return Row(
        label=label,
        base=mean_of([curve.values[0] for curve in found]),
        final=mean_of([curve.values[-1] for curve in found]),
        gain=mean_of([curve.gain for curve in found]),
        gains=[curve.gain for curve in found],
        area=mean_of([area(curve.spent, curve.values) for curve in found]),
        reach=median_reach(costs),
        reached=sum(cost is not None for cost in costs),
        against=None if label == study.baseline else by_seed(_gains(own), _gains(curves[study.baseline])),
        p=None,
        curve=mean_curve(
            [curve.at(curve.spent) for curve in found], [curve.at(curve.values) for curve in found]
        ),
    )


def _gains(curves: Mapping[int, Curve]) -> dict[int, float]:
    return {seed: curve.gain for seed, curve in curves.items()}


def by_seed(own: Mapping[int, float], baseline: Mapping[int, float]) -> Paired:
    """The paired tests of one number a seed, over the seeds that both have."""
    both = [seed for seed in own if seed in baseline]
    return paired([own[seed] for seed in both], [baseline[seed] for seed in both])


def mean_curve(across: Sequence[Mapping[int, float]], up: Sequence[Mapping[int, float]]) -> list[Point]:
    """Over seeds, at the steps that all of them have: mean across, mean up and its standard error."""
    if not up:
        return []
    common = sorted(set.intersection(*(set(line) for line in up)))
    xs = [mean_of([line[step] for line in across]).mean for step in common]
    ys = [mean_of([line[step] for line in up]) for step in common]
    return [(x or 0.0, y.mean, y.se) for x, y in zip(xs, ys, strict=True)]
