"""Proxy and truth of runs that are made up: how far they part, and the truth at equal proxy."""

from __future__ import annotations

import pytest
from tiny_study import pretend

from burnish.study.parting import parting
from burnish.study.plan import runs

STRICT, GRADED = {"metric": "scenes_strict"}, {"metric": "scenes_graded"}


def told(ask, out, proxies, truth=(0.4, 0.2, 0.2), **more):
    """The parting of runs whose truth falls alike while their proxies rise to `proxies[label][seed]`."""
    study = ask(gaps=[{"proxy": GRADED, "truth": STRICT}], **more)
    jobs = runs(study, out, {})
    for job in jobs:
        top = proxies[job.label][job.seed]
        pretend(job, {"scenes_strict": [*truth], "scenes_graded": [0.5, 0.5 + (top - 0.5) / 2, top]})
    return parting(study, jobs, study.gaps[0])


def test_gains_count_in_standard_deviations(ask, tmp_path):
    found = told(ask, tmp_path, {"plain": [0.7, 0.9], "power": [0.7, 0.7]})
    plain, power = found.rows  # over prompts: 0.1 · √4 = 0.2
    assert (plain.proxy.mean, plain.proxy.se) == pytest.approx((1.5, 0.5))
    assert (power.truth.mean, power.truth.se) == pytest.approx((-1.0, 0.0))
    assert (power.gap.mean, power.gap.se) == pytest.approx((2.0, 0.0))
    assert [gap for _, gap, _ in power.curve] == pytest.approx([0.0, 1.5, 2.0])
    assert [(x, y) for x, y, _ in power.course] == [
        pytest.approx(point) for point in [(0.0, 0.0), (0.5, -1.0), (1.0, -1.0)]
    ]


def test_the_truth_at_the_proxy_that_every_run_came_to(ask, tmp_path):
    found = told(ask, tmp_path, {"plain": [0.7, 0.8], "power": [0.9, 0.9]})
    assert found.level == pytest.approx(1.0)  # of plain's first seed
    plain, power = found.rows
    assert plain.equal.mean == pytest.approx(-1.0)  # both at or behind the fall, which ends half-way
    assert power.equal.mean == pytest.approx(-1.0)
    steep = told(ask, tmp_path / "steep", {"plain": [0.7, 0.7], "power": [1.1, 1.1]}, truth=(0.4, 0.4, 0.2))
    plain, power = steep.rows  # power comes to +1 after a third of its way, plain at its end
    assert (plain.equal.mean, power.equal.mean) == pytest.approx((-1.0, 0.0))
    assert plain.against is None
    assert power.against.difference.mean == pytest.approx(1.0)
    assert power.p == pytest.approx(0.5)  # no spread: the two sign flips of two seeds


def test_no_level_without_a_proxy_that_rises_everywhere(ask, tmp_path):
    found = told(ask, tmp_path, {"plain": [0.5, 0.7], "power": [0.7, 0.7]})
    assert found.level is None
    assert all(row.equal.n == 0 for row in found.rows)
    assert found.rows[1].p is None
