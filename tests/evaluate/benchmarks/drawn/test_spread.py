"""Means, their intervals, and the overall score."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.evaluate.benchmarks.drawn.record import Mark
from burnish.evaluate.benchmarks.drawn.spread import table
from burnish.evaluate.benchmarks.table import wilson


def none(by, group):
    return 0.0


def each(by, group):
    return float(by == "task")


def test_means_are_over_pictures_and_what_is_unscored_is_not_zero():
    marks = [[Mark("task", "a", 1.0), Mark("task", "a", None)], [Mark("task", "a", 0.25)] * 2, []]
    (row,) = table(marks, none)
    assert (row["mean"], row["n"], row["prompts"], row["unscored"]) == (0.5, 3, 2, 1)
    (row,) = table([[Mark("task", "a", None)]] * 2, none)
    assert (row["mean"], row["low"], row["n"], row["unscored"]) == (None, None, 0, 2)


def test_the_overall_score_is_the_weighted_mean_of_rows():
    marks = [
        [Mark("task", "a", 1.0)],
        [Mark("task", "a", 1.0)],
        [Mark("task", "b", 0.0)],
        [Mark("x", "c", 9.0)],
    ]
    first, *_ = table(marks, each)
    assert (first["by"], first["mean"], first["n"], first["prompts"]) == ("overall", 0.5, 3, 3)
    first, *_ = table(marks, lambda by, group: {"a": 3.0, "b": 1.0}.get(group, 0.0))
    assert first["mean"] == 0.75
    assert [row["by"] for row in table(marks, none)] == ["task", "task", "x"]


def test_groups_are_in_the_given_order_then_by_name():
    marks = [[Mark("task", group, 1.0) for group in ("b", "z", "a")], [Mark("size", "b", 1.0)]]
    rows = table(marks, none, ("z",))
    assert [(row["by"], row["group"]) for row in rows] == [
        ("task", "z"),
        ("task", "a"),
        ("task", "b"),
        ("size", "b"),
    ]


def test_one_binary_mark_a_prompt_has_wilsons_interval():
    (row,) = table([[Mark("t", "a", float(i < 8))] for i in range(10)], none)
    assert (row["low"], row["high"]) == wilson(0.8, 10)


def test_where_nothing_differs_each_prompt_counts_once():
    (row,) = table([[Mark("t", "a", 1.0)] * 4] * 10, none)
    assert (row["low"], row["high"], row["n"]) == (*wilson(1.0, 10), 40)


def test_pictures_of_a_prompt_are_no_independent_draws():
    rng = np.random.default_rng(0)
    chance = rng.random(200)
    same = [[Mark("t", "a", float(p < 0.5))] * 4 for p in chance]  # four copies: as much as one
    single = [[Mark("t", "a", float(p < 0.5) + 1e-9)] for p in chance]  # not 0 or 1, so bootstrapped as well
    (wide,), (one,) = table(same, none), table(single, none)
    assert wide["high"] - wide["low"] == pytest.approx(one["high"] - one["low"], rel=0.05)
    assert wide["high"] - wide["low"] == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 200), rel=0.1)
    free = [[Mark("t", "a", float(rng.random() < 0.5)) for _ in range(4)] for _ in chance]
    (narrow,) = table(free, none)
    assert narrow["high"] - narrow["low"] == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 800), rel=0.15)


def test_the_overall_interval_is_that_of_a_mean_of_tasks():
    rng = np.random.default_rng(1)
    marks = [[Mark("task", "ab"[i % 2], float(rng.normal(5 * (i % 2), 1)))] for i in range(400)]
    first, *_ = table(marks, each)
    # var = (1/200 + 1/200) / 4; the distance of the tasks must not widen it
    assert first["high"] - first["low"] == pytest.approx(2 * 1.96 * np.sqrt(2 / 200) / 2, rel=0.15)


def test_one_prompt_says_nothing_of_the_spread():
    (row,) = table([[Mark("t", "a", 0.3), Mark("t", "a", 0.4)]], none)
    assert (row["mean"], row["low"], row["high"]) == (pytest.approx(0.35), None, None)


@settings(max_examples=30)
@given(
    st.lists(st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=1, max_size=4), min_size=1, max_size=12)
)
def test_an_interval_holds_its_mean_and_stays_in_range(values):
    (row,) = table([[Mark("t", "a", value) for value in group] for group in values], none)
    known = [value for group in values for value in group if value is not None]
    assert row["n"] + row["unscored"] == sum(map(len, values))
    if not known:
        assert row["mean"] is None
        return
    assert row["mean"] == pytest.approx(np.mean(known))
    if row["low"] is not None:
        assert -1e-9 <= row["low"] <= row["high"] <= 1 + 1e-9
