"""Everything the study of the theory measures, gathered once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from burnish.study.analysis import mean_of
from burnish.study.exact.calibration import Reading, readings
from burnish.study.exact.claims import Direction, Region, directions, regions, shared_gains
from burnish.study.exact.clamping import Clamped, clampings
from burnish.study.exact.contest import MEASURES, Contest, Verdict, contest, verdicts
from burnish.study.exact.regimes import REGIMES
from burnish.study.exact.rule import Mixture, best_gamma

SIGNALS: dict[str, Mixture] = {
    "normal": [(1.0, 1.0)],
    "half of the prompts dead": [(0.5, 0.0), (0.5, 2**0.5)],
    "one outcome in eight": [(7 / 8, 0.0), (1 / 8, 8**0.5)],
}
"""Distributions of the true advantage, all of variance 1."""
NOISES = (0.05, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
CANDIDATES = torch.arange(-0.94, 3.0, 0.02, dtype=torch.float64)
CLAMPED = ("outliers", "rare, noise 1")
TABLES = (("cosine", "linear"), ("short", "linear"), ("tuned", "linear"), ("short", "grpo"))
"""Measure and baseline of each table of tests; Holm's correction is over one table."""


@dataclass(frozen=True)
class Results:
    """What was found.

    Attributes:
        worlds: worlds of each regime.
        directions: the constrained ascent direction, by γ and kind of reward.
        regions: how each metric divides a trust region over prompts.
        shared: first-order gain at equal KL on shared parameters, by direction.
        readings: credit of groups without signal.
        gammas: (signal, heavy-tailed noise?) -> best γ at each of `NOISES`.
        clampings: with and without a clamp.
        contests: the regimes.
        verdicts: (measure, baseline) -> (regime, method) -> verdict.
    """

    worlds: int
    directions: Sequence[Direction]
    regions: Sequence[Region]
    shared: Mapping[str, Sequence[float]]
    readings: Sequence[Reading]
    gammas: Mapping[tuple[str, bool], Sequence[float]]
    clampings: Sequence[Clamped]
    contests: Sequence[Contest]
    verdicts: Mapping[tuple[str, str], Mapping[tuple[str, str], Verdict]]

    def as_dict(self) -> dict[str, Any]:
        """Every number that the page shows, for `study.json`."""
        return {
            "worlds": self.worlds,
            "directions": [asdict(each) for each in self.directions],
            "regions": [asdict(each) for each in self.regions],
            "shared": {name: asdict(mean_of(values)) for name, values in self.shared.items()},
            "readings": [asdict(each) for each in self.readings],
            "noises": NOISES,
            "gammas": [
                {"signal": signal, "heavy": heavy, "gamma": values}
                for (signal, heavy), values in self.gammas.items()
            ],
            "clampings": [asdict(each) for each in self.clampings],
            "regimes": [
                {
                    "name": each.regime.name,
                    "means": each.regime.means,
                    "noise": each.noise,
                    "lengths": each.lengths,
                    "picks": each.picks,
                    "values": {
                        measure: {
                            name: asdict(mean_of(found)) for name, found in each.values[measure].items()
                        }
                        for measure in MEASURES
                    },
                }
                for each in self.contests
            ],
            "tests": [
                {"measure": measure, "baseline": baseline, "regime": regime, "method": method}
                | asdict(verdict.difference)
                | {"p": verdict.p}
                for (measure, baseline), table in self.verdicts.items()
                for (regime, method), verdict in table.items()
            ],
        }


def gather(worlds: int, say: Callable[[str], None]) -> Results:
    """Runs everything; `say` is told what comes next."""
    say("directions and trust regions")
    theory = directions(4 * worlds, min(20, worlds)), regions(), shared_gains(4 * worlds)
    say("groups without signal")
    calibration = readings(4 * worlds)
    say("outliers and the clamp")
    clamps = clampings(tuple(each for each in REGIMES if each.name in CLAMPED), worlds)
    contests: list[Contest] = []
    for regime in REGIMES:
        say(f"regime {len(contests) + 1} of {len(REGIMES)}: {regime.name}")
        contests.append(contest(regime, worlds, max(4, worlds // 2)))
    say("tests")
    tests = {table: verdicts(contests, *table) for table in TABLES}
    return Results(worlds, *theory, calibration, justified(), clamps, contests, tests)


def justified() -> dict[tuple[str, bool], list[float]]:
    """The γ of the best power of the observed reward, for every signal, noise and kind of noise."""
    return {
        (name, heavy): [best_gamma(signal, tails(noise, heavy), CANDIDATES)[0] for noise in NOISES]
        for name, signal in SIGNALS.items()
        for heavy in (False, True)
    }


def tails(noise: float, heavy: bool) -> Mixture:
    """Noise of one standard deviation: normal, or a twentieth of it five times as wide as the rest."""
    if not heavy:
        return [(1.0, noise)]
    small = noise / (0.95 + 0.05 * 25) ** 0.5
    return [(0.95, small), (0.05, 5 * small)]
