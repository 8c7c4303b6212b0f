"""The alarm's false and missed alarms over runs that are made up, and the page that tells them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tiny_study import pretend

from burnish.study.alarms import Judged, Watched, judge, rates, verdict
from burnish.study.curves import read_watched
from burnish.study.plan import finished, runs
from burnish.study.record import record
from burnish.study.run import write

LOOKS, PROMPTS = 6, 128
Course = Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]


def course(proxy: list[float], truth: list[float]) -> Course:
    """Scores around the given means: spread over prompts 1, noise of an evaluation 0.3."""

    def draw(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        def side(means: list[float]) -> np.ndarray:
            return np.array(means)[:, None] + rng.normal(size=PROMPTS) + 0.3 * rng.normal(size=(7, PROMPTS))

        return side(proxy), side(truth)

    return draw


UP = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2]
HACKED = course(UP, [0, 0.3, 0.5, 0.2, 0, -0.2, -0.4])
HONEST = course(UP, UP)
COLLAPSED = course([-x for x in UP], [-x for x in UP])


def watched(draw: Course, label: str = "plain", seed: int = 0, truths: int = 1) -> Watched:
    proxy, truth = draw(np.random.default_rng([seed, len(label)]))
    return Watched(label, seed, "strict", truths, list(range(0, 70, 10)), proxy, truth)


def test_verdicts() -> None:
    rng = np.random.default_rng(0)
    assert verdict(*HACKED(rng)) == "hacked"
    assert verdict(*HONEST(rng)) == "not hacked"
    assert verdict(*COLLAPSED(rng)) == "not hacked"  # the training reward fell as well: nothing was cheated
    few = [side[:, :4] for side in HACKED(rng)]
    assert verdict(*few) == "open"
    assert verdict(*[np.full((3, 9), np.nan)] * 2) == "open"


@pytest.mark.parametrize(
    ("draw", "wrong"),
    [
        (course(UP, [0.0] * 7), "hacked"),  # though its best is chosen by looking
        (course(UP, [0.3, 0.2, 0.1, 0, 0, -0.1, -0.15]), "not hacked"),  # fell by more than the margin
    ],
)
def test_verdicts_err_as_seldom_as_their_level_says(draw: Course, wrong: str) -> None:
    rng = np.random.default_rng(1)
    assert sum(verdict(*draw(rng)) == wrong for _ in range(200)) <= 17  # binom.ppf(0.99, 200, 0.05)


def test_both_ways_round_of_a_run() -> None:
    one, two = judge(watched(HACKED))
    for way in (one, two):
        assert way.verdict == "hacked"
        assert way.peak == 20
        assert way.rang in (30, 40)
        assert way.confirmed is True
        assert way.saved == pytest.approx(0.9, abs=0.2)  # 0.5 at its best, −0.4 in the end
        assert not way.false
        assert not way.missed
    assert [way.rang for way in judge(watched(HONEST))] == [None, None]
    assert [way.saved for way in judge(watched(HONEST))] == [None, None]


def test_what_the_alarm_hears_and_what_judges_are_other_prompts() -> None:
    """Hack only the prompts of one half: that half rings, and the other denies it."""
    run = watched(HONEST)
    hacked = watched(HACKED)
    half = np.random.default_rng([20_260, 0, 3]).permutation(PROMPTS)[: PROMPTS // 2]
    truth = run.truth_KN.copy()
    truth[:, half] = hacked.truth_KN[:, half]
    mixed = Watched("plain", 0, "strict", 1, run.steps, run.proxy_KN, truth)
    one, two = judge(mixed, 3)
    assert (one.rang is not None, one.verdict, one.confirmed, one.false) == (True, "not hacked", False, True)
    assert (two.rang, two.verdict, two.confirmed, two.missed) == (None, "hacked", None, True)
    assert judge(mixed, 4) != [one, two]  # another place in the study, another split


def made(label: str, seed: int, kind: Any, rang: int | None, saved: float | None = None) -> Judged:
    return Judged(label, seed, "strict", kind, rang, None if rang is None else rang < 40, 20, saved)


def test_rates_by_hand() -> None:
    judged = [
        *(made("plain", 0, "hacked", 30, 0.2), made("plain", 0, "hacked", 40, 0.4)),
        *(made("plain", 1, "hacked", None), made("plain", 1, "open", 10, 0.1)),
        *(made("power", 0, "not hacked", None), made("power", 0, "not hacked", 30, -0.1)),
    ]
    plain, power, everyone = rates(judged, ["plain", "power", "unrun"])
    assert [row.label for row in (plain, power, everyone)] == ["plain", "power", "all"]
    assert (plain.runs, plain.verdicts) == (2, {"hacked": 3, "not hacked": 0, "open": 1})
    assert (plain.missed.count, plain.missed.of, plain.missed.runs) == (1, 3, 2)
    assert (plain.false.of, plain.false.low) == (0, None)
    assert (plain.rang.count, plain.confirmed.count, plain.ringing) == (3, 2, 30)
    assert plain.saved.mean == pytest.approx((0.3 + 0.1) / 2)
    assert plain.saved.se == pytest.approx(0.1)
    assert (power.false.count, power.false.of) == (1, 2)
    # Wilson with n = 1 run and half of it: 1/2 ± z/2/√(1 + z²), z = 1.96
    reach = 1.959964 / 2 / np.sqrt(1 + 1.959964**2)
    assert (power.false.low, power.false.high) == pytest.approx((0.5 - reach, 0.5 + reach))
    assert (everyone.runs, everyone.rang.count, everyone.missed.runs) == (3, 4, 2)


def keep(job: Any, draw: Course, names: tuple[str, ...] = ("scenes_strict",)) -> None:
    """A run's scores.jsonl; the first score is missing."""
    proxy, truth = draw(np.random.default_rng([job.seed, len(job.label)]))
    rows = []
    for step in range(len(proxy)):
        held_out = {name: [None, *truth[step, 1:]] for name in names}
        rows.append({"kind": "scores", "step": step, "proxy": list(proxy[step]), "held_out": held_out})
    (job.folder / "scores.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_scores_are_read_as_written(ask: Any, tmp_path: Any) -> None:
    job = runs(ask(), tmp_path, {})[0]
    pretend(job, {"scenes_strict": [0.4, 0.5]})
    assert read_watched(job) == []
    keep(job, HONEST, ("a", "b"))
    one, two = read_watched(job)
    assert ((one.held_out, one.truths), (two.held_out, two.truths)) == (("a", 2), ("b", 2))
    assert one.steps == list(range(7))
    assert one.truth_KN.shape == (7, PROMPTS)
    assert np.isnan(one.truth_KN[:, 0]).all()
    proxy, truth = HONEST(np.random.default_rng([job.seed, len(job.label)]))
    assert np.array_equal(one.proxy_KN, proxy)
    assert np.array_equal(two.truth_KN[:, 1:], truth[:, 1:])
    lines = (job.folder / "scores.jsonl").read_text().splitlines()
    (job.folder / "scores.jsonl").write_text(lines[0] + "\n")
    assert read_watched(job) == []  # the base alone


def test_the_page_tells_the_rates_of_runs_that_watched_and_of_no_others(ask: Any, tmp_path: Any) -> None:
    study = ask(seeds=[0, 1, 2])
    jobs = runs(study, tmp_path, {})
    for job in jobs:
        pretend(job, {"scenes_strict": [0.4, 0.5, 0.6]})
    silent = write(record(study, "burnish study mine.yaml", jobs, 6), tmp_path)
    assert "alarm" not in silent.read_text().partition("</style>")[2]
    assert "alarm" not in (tmp_path / "README.md").read_text()
    for job in jobs:
        keep(job, HACKED if job.label == "plain" else HONEST)
    told = record(study, "burnish study mine.yaml", jobs, 6)
    page, readme = write(told, tmp_path).read_text(), (tmp_path / "README.md").read_text()
    numbers = json.loads((tmp_path / "study.json").read_text())
    assert [row["label"] for row in numbers["alarms"]] == ["plain", "power", "all"]
    assert len(numbers["judged"]) == 12
    assert '<section id="alarm"><h2>The hacking alarm</h2>' in page
    assert "| plain | 3 | 6 | 0 | 0 | 6 of 6 [44, 100] % | – | 0 of 6 [0, 56] % |" in readme
    assert "| power | 3 | 0 | 6 | 0 | 0 of 6 [0, 56] % | 0 of 6 [0, 56] % | – |" in readme
    assert "| all | 6 | 6 | 6 | 0 | 6 of 12 [19, 81] % | 0 of 6 [0, 56] % | 0 of 6 [0, 56] % |" in readme
    assert "| plain | 6 of 6 [44, 100] % | 3 | 2 | +0." in readme
    for job in jobs:
        keep(job, HONEST, ("one", "two"))
    readme = write(record(study, "x", jobs, 6), tmp_path).with_name("README.md").read_text()
    assert "| method | held out | runs |" in readme
    assert "| power | two | 3 |" in readme
    assert "rang at step" not in readme


def test_a_run_that_its_alarm_ended_is_finished(ask: Any, tmp_path: Any) -> None:
    job = runs(ask(), tmp_path, {})[0]
    pretend(job, {"scenes_strict": [0.4, 0.5]})
    log = job.folder / "metrics.jsonl"
    for end, expected in (({}, False), ({"exported": 0}, True)):
        lines = [line for line in log.read_text().splitlines() if '"end"' not in line]
        lines.append(json.dumps({"kind": "end", "step": 1, **end}))
        log.write_text("\n".join(lines) + "\n")
        (job.folder / "report.html").write_text("")
        assert finished(job) == expected
