import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.study.analysis import area, crossing, holm, mean_of, median_reach, paired, reach, sign_flip

DIFFERENCES = st.lists(st.floats(-5, 5).map(lambda x: round(x, 3)), min_size=1, max_size=9)


def test_mean_and_standard_error():
    found = mean_of([1.0, 2.0, 3.0])
    assert (found.n, found.mean, found.se) == (3, 2.0, pytest.approx(1 / np.sqrt(3)))
    assert (mean_of([4.0]).mean, mean_of([4.0]).se) == (4.0, None)
    assert (mean_of([]).n, mean_of([]).mean) == (0, None)


def test_area_is_the_mean_height():
    assert area([0, 10], [0.0, 1.0]) == 0.5
    assert area([0, 1, 4], [0.0, 2.0, 2.0]) == pytest.approx((1 + 6) / 4)
    assert area([0, 5, 10], [0.3, 0.3, 0.3]) == pytest.approx(0.3)
    assert area([0], [0.7]) == 0.7


def test_reach_is_the_first_cost_of_the_smoothed_score():
    costs, values = [0, 10, 20, 30], [0.0, 0.3, 0.9, 0.9]
    assert reach(costs, values, 0.39) == 20  # means of up to three: 0, 0.15, 0.4, 0.7
    assert reach(costs, values, 0.41) == 30
    assert reach(costs, values, 0.71) is None
    assert reach(costs, values, 0.3, window=1) == 10
    assert reach(costs, values, -1.0) == 0


def test_never_is_later_than_anything():
    assert median_reach([10, 30, 20]) == 20
    assert median_reach([10, 20]) == 15
    assert median_reach([10, None, 20]) == 20
    assert median_reach([10, None]) is None
    assert median_reach([]) is None


def test_sign_flips_by_hand():
    assert sign_flip([1.0, 1.0, 1.0]) == 2 / 8
    assert sign_flip([1.0, 2.0, -1.0]) == 6 / 8  # |sum| of the eight flips: 4, 2, 2, 0, and again
    assert sign_flip([1.0]) == 1.0
    assert sign_flip([0.0, 0.0]) == 1.0
    assert sign_flip([]) is None


def test_many_seeds_are_drawn_and_repeatable():
    d = list(np.random.default_rng(0).normal(0.4, 1, 20))
    assert sign_flip(d) == sign_flip(d)
    assert sign_flip([1.0] * 13) == pytest.approx(1 / 20_001, abs=5e-4)
    assert sign_flip([1.0] * 40) > 0


@given(DIFFERENCES)
def test_sign_flips_are_probabilities_that_no_sign_order_or_scale_changes(d):
    p = sign_flip(d)
    assert 2 / 2 ** len(d) <= p <= 1
    assert sign_flip([-x for x in d]) == p
    assert sign_flip(d[::-1]) == p
    assert sign_flip([4 * x for x in d]) == p


def test_sign_flips_reject_as_often_as_they_say():
    rng = np.random.default_rng(1)
    ps = np.array([sign_flip(rng.standard_normal(6)) for _ in range(400)])
    for level in (0.25, 0.5, 0.75):
        assert np.mean(ps <= level) == pytest.approx(level, abs=0.08)


def test_paired_tests_by_hand():
    found = paired([1.0, 2.0, 4.0], [0.0, 0.0, 1.0])  # differences 1, 2, 3: t = 2 / (1/√3) with 2 degrees
    assert found.difference.mean == 2.0
    assert found.t == pytest.approx(0.0741799, abs=1e-6)
    assert (found.flip, found.p, found.n) == (0.25, found.t, 3)


def test_differences_without_spread_are_not_certain():
    same = paired([0.5, 0.6], [0.4, 0.5])
    assert (same.t, same.flip, same.p) == (None, 0.5, 0.5)
    assert paired([0.5, 0.5], [0.5, 0.5]).p == 1.0
    assert paired([0.9], [0.1]).p == 1.0
    assert paired([], []).p is None


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, None, 0.9]) == [1.0, None, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_never_lowers_and_keeps_the_order(ps):
    adjusted = holm(ps)
    assert all(p <= q <= 1 for p, q in zip(ps, adjusted, strict=True))
    order = np.argsort(ps, kind="stable")
    assert all(np.diff([adjusted[i] for i in order]) >= 0)


def test_the_truth_is_read_where_the_proxy_first_comes_to_a_level():
    proxy, truth = [0.0, 1.0, 0.5, 3.0], [0.0, -1.0, -2.0, -4.5]
    assert crossing(proxy, truth, 0.5) == pytest.approx(-0.5)
    assert crossing(proxy, truth, 1.0) == pytest.approx(-1.0)
    assert crossing(proxy, truth, 2.0) == pytest.approx(-2.0 - 2.5 * 1.5 / 2.5)
    assert crossing(proxy, truth, -1.0) == 0.0
    assert crossing(proxy, truth, 3.1) is None
    assert crossing([], [], 1.0) is None
