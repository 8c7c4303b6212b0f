"""The alarm against scipy, by hand, and on simulated runs: how often it rings falsely, how often rightly."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from burnish.evaluate import alarm

RUNS, LOOKS, PROMPTS = 500, 8, 64
LIMIT = stats.binom.ppf(0.999, RUNS, alarm.ALPHA) / RUNS
"""The share of false alarms that a rate of α exceeds once in a thousand tests."""


def test_the_change_is_a_paired_t_test() -> None:
    rng = np.random.default_rng(0)
    later, earlier = rng.normal(0.3, 1, 40), rng.normal(0, 1, 40)
    found = alarm.change(later - earlier, 0.01)
    assert found.rise == pytest.approx(stats.ttest_rel(later, earlier, alternative="greater").pvalue)
    assert found.fall == pytest.approx(stats.ttest_rel(later, earlier, alternative="less").pvalue)
    both = stats.ttest_rel(later, earlier).confidence_interval(0.98)  # 1 % on either side
    assert (found.mean, found.low, found.high) == pytest.approx((np.mean(later - earlier), *both))


@pytest.mark.parametrize(("up", "down", "same"), [(12, 1, 243), (40, 22, 0), (5, 0, 3), (9, 9, 2)])
def test_binary_scores_need_the_exact_test_of_signs_too(up: int, down: int, same: int) -> None:
    differences = np.array([1.0] * up + [-1.0] * down + [0.0] * same)
    found = alarm.change(differences, 0.05)
    for p, side in ((found.rise, "greater"), (found.fall, "less")):
        t = stats.ttest_1samp(differences, 0, alternative=side).pvalue
        assert p == pytest.approx(max(t, stats.binomtest(up, up + down, alternative=side).pvalue))


def test_a_p_value_is_no_smaller_than_agreement_of_all_signs() -> None:
    assert alarm.change(np.array([1.0, 1.1, 0.9, 1.0, 1.01]), 0.05).rise == 2**-5
    assert alarm.change(np.full(7, 0.1), 0.05)[3:] == (2**-7, 1.0)  # no spread: t is infinite
    assert alarm.change(np.zeros(9), 0.05) == (0, 0, 0, 1, 1)


def test_missing_scores_are_left_out() -> None:
    rng = np.random.default_rng(1)
    some = rng.normal(size=30)
    holes = np.concatenate([some, np.full(11, np.nan)])
    assert alarm.change(holes, 0.02) == alarm.change(some, 0.02)
    for nothing in (np.full(4, np.nan), np.array([2.0, np.nan])):
        found = alarm.change(nothing, 0.02)
        assert (found.rise, found.fall, found.low, found.high) == (1, 1, -np.inf, np.inf)


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=30), st.floats(0.001, 0.3))
def test_turning_the_sign_turns_the_change(values: list[float], level: float) -> None:
    there, back = alarm.change(np.array(values), level), alarm.change(-np.array(values), level)
    assert (back.rise, back.fall) == pytest.approx((there.fall, there.rise))
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low))
    assert min(there.rise, there.fall) >= 0.5 ** len(values)


def test_the_level_is_shared_by_all_pairs_and_rewards() -> None:
    assert alarm.share(1) == alarm.ALPHA
    assert alarm.share(4, 3) == pytest.approx(0.05 / (10 * 3))
    assert alarm.share(0, 0) == alarm.ALPHA
    assert 2.0 ** -alarm.least(alarm.share(7)) <= alarm.share(7) < 2.0 ** -(alarm.least(alarm.share(7)) - 1)


def paths(*means: float) -> np.ndarray:
    """Scores around the given means, the same noise about each: [K, 32]."""
    noise = np.random.default_rng(2).normal(0, 0.1, 32)
    own = np.random.default_rng(3).normal(0, 0.01, (len(means), 32))
    return np.array(means)[:, None] + noise + own


def test_the_states_and_the_evaluation_compared_with() -> None:
    up = paths(0, 1, 2, 3)
    level = alarm.share(3)
    hacked = alarm.look(up, paths(0, 0.5, 0.3, 0.2), level)
    assert hacked is not None
    assert (hacked.state, hacked.since) == ("hacking", 1)
    assert hacked.proxy.mean == pytest.approx(2, abs=0.02)
    assert hacked.truth.mean == pytest.approx(-0.3, abs=0.02)
    # below its best, yet above the base: since its best it fell, and the reward rose
    assert hacked.truth.high < 0 < hacked.proxy.low
    states = {
        "together": (up, paths(0, 0.1, 0.2, 0.3)),
        "parting": (up, paths(0, 0.1, 0.1, 0.1) - 0.004 * np.arange(4)[:, None]),
        "hacking": (up, paths(0.3, 0.2, 0.1, 0)),
    }
    for state, (proxy, truth) in states.items():
        found = alarm.look(proxy, truth, level)
        assert found is not None
        assert found.state == state
    both_fall = alarm.look(-up, paths(0.3, 0.2, 0.1, 0), level)
    assert both_fall is not None
    assert both_fall.state == "together"


def test_the_base_alone_says_nothing_and_lost_scores_never_ring() -> None:
    assert alarm.look(paths(0), paths(0), 0.05) is None
    lost = np.full((3, 32), np.nan)
    for proxy, truth in ((paths(0, 1, 2), lost), (lost, paths(2, 1, 0)), (lost, lost)):
        found = alarm.look(proxy, truth, 0.05)
        assert found is not None
        assert found.state == "together"


def test_the_best_evaluation_ignores_what_is_missing() -> None:
    truth = np.array([[0.1, 0.3], [0.9, np.nan], [np.nan, np.nan], [0.9, 0.9]])
    assert alarm.best(truth) == 1  # the earliest of equals
    assert alarm.best(truth[:1]) == 0
    assert alarm.best(truth[2:3]) == 0


def test_the_spread_is_the_base_s_and_never_0() -> None:
    assert alarm.spread(np.array([[0.0, 2.0], [5.0, 5.0]])) == pytest.approx(np.sqrt(2))
    assert alarm.spread(np.array([[1.0, 1.0], [1.0, 3.0]])) == pytest.approx(1.0)
    assert alarm.spread(np.array([[1.0, np.nan], [1.0, 1.0]])) == 1.0
    assert alarm.spread(np.zeros((2, 0))) == 1.0


def test_telling_prompts_rose_and_fell_most() -> None:
    proxy = np.array([[0.0, 1, 0, 2, 0], [1.0, 2, 3, 1, np.nan]])
    truth = np.array([[1.0, 0, 1, 1, 1], [0.5, 1, 0, 0, 0.0]])
    assert alarm.telling(proxy, truth, 0, 4) == [2, 0]  # 1 rose in both, 3 fell in both, 4 is not known
    assert alarm.telling(proxy, truth, 0, 1) == [2]


def rang(proxy_KN: np.ndarray, truth_KN: np.ndarray) -> bool:
    """Whether a run with these scores rings at any of its looks."""
    level = alarm.share(len(truth_KN) - 1)
    looks = (alarm.look(proxy_KN[: k + 1], truth_KN[: k + 1], level) for k in range(1, len(truth_KN)))
    return any(found is not None and found.state == "hacking" for found in looks)


def rate(truth: Callable[[np.random.Generator], np.ndarray], rise: float, seed: int) -> float:
    """Share of simulated runs that ring; the proxy gains `rise` a look, in standard deviations."""
    rng = np.random.default_rng(seed)
    climb = rise * np.arange(LOOKS + 1)[:, None]
    draws = ((climb + rng.normal(size=(LOOKS + 1, PROMPTS)), truth(rng)) for _ in range(RUNS))
    return float(np.mean([rang(proxy, held_out) for proxy, held_out in draws]))


def flat(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(LOOKS + 1, PROMPTS))


def walk(rng: np.random.Generator) -> np.ndarray:
    return np.cumsum(flat(rng), axis=0)


def skewed(rng: np.random.Generator) -> np.ndarray:
    return rng.exponential(size=(LOOKS + 1, PROMPTS))


def binary(rng: np.random.Generator) -> np.ndarray:
    return (rng.random((LOOKS + 1, PROMPTS)) < 0.3).astype(float)


def rising(rng: np.random.Generator) -> np.ndarray:
    return flat(rng) + 0.1 * np.arange(LOOKS + 1)[:, None]


def climbing_then_flat(rng: np.random.Generator) -> np.ndarray:
    return flat(rng) + 0.5 * np.minimum(np.arange(LOOKS + 1), 3)[:, None]


def peaking(rng: np.random.Generator) -> np.ndarray:
    """Up by one standard deviation, then down by one and a half."""
    return flat(rng) + np.interp(np.arange(LOOKS + 1), [0, 3, LOOKS], [0, 1, -0.5])[:, None]


@pytest.mark.parametrize("rise", [0.0, 2.0])
@pytest.mark.parametrize("truth", [flat, walk, skewed, binary, rising, climbing_then_flat])
def test_runs_that_do_not_part_ring_with_probability_alpha_at_most(
    truth: Callable[[np.random.Generator], np.ndarray], rise: float
) -> None:
    assert rate(truth, rise, seed=4) <= LIMIT


def test_nor_do_runs_whose_reward_did_not_rise() -> None:
    assert rate(lambda rng: -rising(rng), 0.0, seed=5) <= LIMIT


def test_runs_that_part_ring() -> None:
    assert rate(peaking, 0.3, seed=6) > 0.95
    slight = rate(lambda rng: flat(rng) - 0.05 * np.arange(LOOKS + 1)[:, None], 0.3, seed=7)
    assert LIMIT < slight < 0.6  # power is not certainty: 0.4 standard deviations on 64 prompts
