import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rewards.text.scoring import answered, score

from burnish.errors import RewardError
from burnish.rewards.reward import load_reward
from burnish.rewards.text.detections import MOST, average_precision, read_boxes

UNIT = {"frame": "unit", "truth_frame": "unit"}
MAP = load_reward("box_map", UNIT)
HALF = load_reward("box_map", {**UNIT, "threshold": 0.5})


def box(x: float, label: str = "cat", width: float = 1.0) -> dict:
    return {"bbox_2d": [x, 0, x + width, 1], "label": label}


RIGHT = [box(0), box(2), box(4, "dog")]
LISTS = st.lists(st.builds(box, st.integers(0, 6), st.sampled_from(["cat", "dog", "hen"])), max_size=8)


def earned(said: list, right: list = RIGHT, reward=HALF) -> float:
    return answered(reward, json.dumps(said), right)


@pytest.mark.parametrize(
    ("hits", "count", "value"),
    [
        ([1, 1], 2, 1.0),
        ([1], 2, 1 / 2),
        ([0, 1], 1, 1 / 2),
        ([1, 0, 1], 2, (1 + 2 / 3) / 2),
        ([0, 1, 1], 2, 2 / 3),  # the precision of a later hit counts for the earlier one
        ([0, 0], 2, 0.0),
        ([], 2, 0.0),
        ([0], 0, 0.0),
    ],
)
def test_average_precision_by_hand(hits, count, value):
    place = iter(range(count))
    overlaps = [[0.0] * count for _ in hits]
    for row, hit in zip(overlaps, hits, strict=True):
        if hit:
            row[next(place)] = 0.8
    assert average_precision(overlaps, count, 0.5) == pytest.approx(value)
    assert average_precision(overlaps, count, 0.81) == 0.0


def test_a_right_box_is_found_once():
    assert average_precision([[0.9], [0.9]], 1, 0.5) == 1.0
    assert average_precision([[0.9, 0.6], [0.8, 0.0]], 2, 0.5) == 0.5  # the best overlap takes the first box
    assert average_precision([[0.9, 0.6], [0.8, 0.7]], 2, 0.5) == 1.0


def test_the_list_by_hand():
    assert earned(RIGHT) == earned(RIGHT[::-1]) == earned([{**RIGHT[0], "label": " CAT "}, *RIGHT[1:]]) == 1.0
    assert earned([box(0)]) == pytest.approx(1 / 4)  # half of the cats, no dog
    assert earned([box(0), box(2)]) == pytest.approx(1 / 2)
    assert earned([box(0), box(2), box(4, "cow")]) == pytest.approx(1 / 3)  # cat 1, dog 0, cow 0
    assert earned([*RIGHT, box(9)]) == pytest.approx(3 / 4)  # the precision is unharmed, the ratio is not
    assert earned([box(0, "dog"), box(2, "dog"), box(4)]) == 0.0


def test_the_mean_over_thresholds():
    assert earned([box(0, width=1.2)], [box(0)], MAP) == pytest.approx(0.7)  # IoU 0.83: 0.50, 0.55, … 0.80
    assert earned([box(0, width=1.6)], [box(0)], MAP) == pytest.approx(0.3)  # 0.625: 0.50, 0.55 and 0.60
    assert earned(RIGHT, RIGHT, MAP) == 1.0


@given(LISTS, LISTS)
def test_the_right_list_alone_earns_all(said, right):
    assert 0 <= earned(said, right) <= 1
    assert earned(right, right) == 1.0
    if len(said) != len(right):
        assert earned(said, right) < 1


@given(LISTS.filter(len), st.integers(1, 60))
def test_an_endless_list_earns_ever_less(right, more):
    honest = earned(right, right)
    assert earned(right + right[:1] * more, right) <= honest * len(right) / (len(right) + more) + 1e-9
    assert earned(right + [box(n, f"label {n}") for n in range(more)], right) < honest
    assert earned([box(n % 7, label) for label in ("cat", "dog", "hen") for n in range(7)] * more, right) < 1


def test_no_boxes_are_right_where_there_are_none():
    assert [earned([], []), earned([box(0)], []), earned([], RIGHT)] == [1.0, 0.0, 0.0]


def test_a_huge_box_and_many_of_them_find_nothing():
    huge = {"bbox_2d": [-1e6, -1e6, 1e6, 1e6], "label": "cat"}
    assert earned([huge]) == earned([huge] * 100) == 0.0
    assert earned([box(n / 10) for n in range(MOST)]) < 0.01
    assert earned([box(0)] * (MOST + 1), [box(0)]) == 0.0


@pytest.mark.parametrize(
    "said",
    [
        "",
        "cat",
        "[0, 0, 1, 1]",
        '{"bbox_2d": [0, 0, 1, 1], "label": "cat"}',
        "[[0, 0, 1, 1]]",
        '[{"label": "cat"}]',
        '[{"bbox_2d": [1, 1, 0, 0], "label": "cat"}]',
        '[{"bbox_2d": [0, 0, 1, 1], "label": "cat"}, {"bbox_2d": [3, 3, 2, 2], "label": "dog"}]',
        '[{"bbox_2d": [0, 0, 1, NaN], "label": "cat"}]',
        '[{"bbox_2d": [0, 0, 1e999, 1], "label": "cat"}]',
        '[{"bbox_2d": "0011", "label": "cat"}]',
        '[{"bbox_2d": [0, 0, 1, 1], "label": "cat"}] [{"bbox_2d": [0, 0, 1, 1], "label": "cat"}]',
        '[{"bbox_2d": [0, 0, 1, 1], "label": "cat"}',
        '[{"bbox_2d": [0, 0, 1, 1], "label": "cat"},' * 5000,
        "[" * 100_000,
    ],
)
def test_anything_but_a_list_of_boxes_earns_nothing(said):
    assert answered(HALF, said, [box(0)]) == 0.0


def test_the_label_counts_and_may_be_missing_on_both_sides():
    bare = [{"bbox_2d": [0, 0, 1, 1]}]
    assert earned(bare, bare) == 1.0
    assert earned(bare, [box(0)]) == earned([box(0)], bare) == 0.0
    assert read_boxes('```json\n[{"bbox": [0, 0, 1, 1], "label": "Red  Cat"}]\n```') == [
        ("red cat", (0, 0, 1, 1))
    ]


def test_frames_and_columns():
    reward = load_reward(
        "box_map", {"frame": "thousand", "truth_frame": "pixels", "where": "whole", "column": "mine"}
    )
    said = '[{"bbox_2d": [500, 0, 1000, 500], "label": "cat"}]'
    right = [{"bbox_2d": [10, 0, 20, 5], "label": "cat"}]
    assert score(reward, said, mine=right, width=20, height=10) == 1.0
    assert score(reward, said, mine=json.dumps(right), width=20, height=10) == 1.0
    assert score(reward, said, mine=right, width=40, height=10) == 0.0
    with pytest.raises(RewardError, match="no column mine"):
        score(reward, said, right)


@pytest.mark.parametrize(
    "right", ["cat", [1, 2], [[0, 0, 1, 1]], [{"label": "cat"}], {"bbox_2d": [0, 0, 1, 1]}]
)
def test_a_truth_that_is_no_list_of_boxes_is_an_error(right):
    with pytest.raises(RewardError, match="of 'What is shown\\?' is not a list of boxes with labels"):
        answered(HALF, "[]", right)


@pytest.mark.parametrize("threshold", [0, -1, 1.5, "0.5"])
def test_a_threshold_that_finds_all_or_nothing_is_refused(threshold):
    with pytest.raises(RewardError, match=r"threshold must be a number from 0\.01 to 1, not"):
        load_reward("box_map", {**UNIT, "threshold": threshold})
