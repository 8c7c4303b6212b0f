"""A score that can be cheated beside one that cannot: how far do they part, and what does the proxy cost?

Both are counted in standard deviations over prompts of the base model, so that scores of different units can
be compared. What moves little parts little: at equal proxy, methods are compared by what it cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from burnish.study.analysis import Mean, Paired, crossing, holm, mean_of
from burnish.study.curves import Curve
from burnish.study.findings import Point, by_seed, mean_curve, read
from burnish.study.plan import Job
from burnish.study.schema import Gap, Study


@dataclass(frozen=True)
class Drift:
    """A proxy beside its truth for one method.

    Attributes:
        label: the method.
        proxy: what the proxy gained by the end.
        truth: what the truth gained.
        gap: the first minus the second.
        equal: what the truth had gained where the proxy had first gained `Parting.level`.
        against: the paired tests of `equal` against the baseline's; None for the baseline itself.
        p: Holm-corrected over the methods.
        curve: (spent, mean gap, standard error) over seeds.
        course: (mean gain of the proxy, mean gain of the truth, its standard error), an evaluation each.
    """

    label: str
    proxy: Mean
    truth: Mean
    gap: Mean
    equal: Mean
    against: Paired | None
    p: float | None
    curve: list[Point]
    course: list[Point]


@dataclass(frozen=True)
class Parting:
    """One pair of scores.

    Attributes:
        pair: which.
        level: the gain of the proxy that every run came to; None where there is none above 0.
        rows: a row a method.
    """

    pair: Gap
    level: float | None
    rows: list[Drift]


@dataclass(frozen=True)
class _Run:
    """What was spent and the gains of both, by step."""

    spent: dict[int, float]
    proxy: dict[int, float]
    truth: dict[int, float]

    @property
    def ahead(self) -> dict[int, float]:
        return {step: gained - self.truth[step] for step, gained in self.proxy.items()}

    def at(self, level: float) -> float | None:
        return crossing([*self.proxy.values()], [*self.truth.values()], level)


def parting(study: Study, jobs: Sequence[Job], pair: Gap) -> Parting:
    """The numbers of one pair; `jobs` are the finished runs."""
    proxies, truths = read(study, jobs, pair.proxy), read(study, jobs, pair.truth)
    found = {label: _runs(proxies[label], truths[label]) for label in study.methods}
    tops = [max(run.proxy.values()) for runs in found.values() for run in runs.values()]
    level = min(tops) if tops and min(tops) > 0 else None
    baseline = _equal(found[study.baseline], level)
    rows = [
        _row(label, runs, _equal(runs, level), None if label == study.baseline else baseline)
        for label, runs in found.items()
    ]
    ps = holm([row.against.p if row.against else None for row in rows])
    return Parting(pair, level, [replace(row, p=p) for row, p in zip(rows, ps, strict=True)])


def _runs(proxies: dict[int, Curve], truths: dict[int, Curve]) -> dict[int, _Run]:
    both = [(seed, proxies[seed], truths[seed]) for seed in proxies if seed in truths]
    return {
        seed: _Run(proxy.at(proxy.spent), _gains(proxy), _gains(truth))
        for seed, proxy, truth in both
        if proxy.steps == truth.steps and proxy.std > 0 and truth.std > 0
    }


def _gains(curve: Curve) -> dict[int, float]:
    return curve.at([(value - curve.values[0]) / curve.std for value in curve.values])


def _equal(runs: dict[int, _Run], level: float | None) -> dict[int, float]:
    at = {seed: run.at(level) for seed, run in runs.items()} if level is not None else {}
    return {seed: value for seed, value in at.items() if value is not None}


def _row(label: str, runs: dict[int, _Run], own: dict[int, float], other: dict[int, float] | None) -> Drift:
    proxy = [run.proxy for run in runs.values()]
    truth = [run.truth for run in runs.values()]
    ahead = [run.ahead for run in runs.values()]
    return Drift(
        label=label,
        proxy=mean_of([line[max(line)] for line in proxy]),
        truth=mean_of([line[max(line)] for line in truth]),
        gap=mean_of([line[max(line)] for line in ahead]),
        equal=mean_of(list(own.values())),
        against=None if other is None else by_seed(own, other),
        p=None,
        curve=mean_curve([run.spent for run in runs.values()], ahead),
        course=mean_curve(proxy, truth),
    )
