import pytest
from hypothesis import given
from hypothesis import strategies as st
from rewards.text.scoring import answered, score

from burnish.errors import RewardError
from burnish.rewards.reward import load_reward
from burnish.rewards.text.sets import items

COUNT, F1 = load_reward("count"), load_reward("set_f1")
WORDS = st.sets(st.sampled_from(["cat", "dog", "red cup", "hen", "cow"]), max_size=5).map(sorted)


@pytest.mark.parametrize(
    ("said", "right", "earned"),
    [
        ("4", 4, 1.0),
        ("4.0", "4", 1.0),
        ("5", 4, 0.5),
        ("3", 4, 0.5),
        ("6", 4, 0.0),
        ("9", 10, 0.8),
        ("100", 10, 0.0),
        ("0", 0, 1.0),
        ("1", 0, 0.0),
        ("2", 1, 0.0),
        ("-4", 4, 0.0),
    ],
)
def test_a_count_earns_by_its_relative_error(said, right, earned):
    assert answered(COUNT, said, right) == pytest.approx(earned)
    assert answered(load_reward("count", {"graded": False}), said, right) == float(earned == 1)


@pytest.mark.parametrize(
    "said",
    [
        "4.5",
        "3 4",
        "4, 5",
        "3 or 4",
        "four",
        "",
        "nan",
        "inf",
        "1e999",
        "1e308/1e-308",
        "9" * 5000,
        "4;" * 50_000,
    ],
)
def test_what_is_not_one_whole_number_earns_nothing(said):
    assert answered(COUNT, said, 4) == 0.0


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_a_nearer_count_earns_no_less(right, a, b):
    near, far = sorted((a, b), key=lambda n: abs(n - right))
    assert 0 <= answered(COUNT, str(far), right) <= answered(COUNT, str(near), right) <= 1


def test_count_complains_of_its_row():
    with pytest.raises(RewardError, match=r"the right answer 'some' of .* is not a number"):
        answered(COUNT, "4", "some")
    with pytest.raises(RewardError, match="no column n:"):
        answered(load_reward("count", {"column": "n"}), "4", 4)
    assert answered(load_reward("count", {"column": "n"}), "4", 7, n=4) == 1.0


@pytest.mark.parametrize(
    ("said", "earned"),
    [
        ("cat, dog", 1.0),
        ("Dog; CAT", 1.0),
        ("dog\ncat\n", 1.0),
        ('["cat", "dog"]', 1.0),
        ("['cat', 'dog']", 1.0),
        ("{cat, dog}", 1.0),
        ("cat", 2 / 3),
        ("cat, hen", 1 / 2),
        ("cat, dog, hen", 4 / 5),
        ("hen", 0.0),
        ("", 0.0),
        ("[]", 0.0),
        ("cat dog", 0.0),
        ("cat and dog", 0.0),
    ],
)
def test_f1_by_hand(said, earned):
    assert answered(F1, said, ["cat", "dog"]) == pytest.approx(earned)
    assert answered(F1, said, "cat, dog") == pytest.approx(earned)


def test_an_empty_truth_asks_for_an_empty_list():
    assert [answered(F1, said, []) for said in ("[]", "", "cat", ",,")] == [1.0, 1.0, 0.0, 1.0]


@given(WORDS, WORDS)
def test_f1_is_symmetric_and_in_range(a, b):
    one, other = answered(F1, ", ".join(a), b), answered(F1, ", ".join(b), a)
    assert one == other
    assert 0 <= one <= 1
    assert (one == 1) == (a == b)


@given(WORDS.filter(len), st.integers(1, 50))
def test_saying_an_item_often_does_not_help(right, times):
    assert answered(F1, ",".join([right[0]] * times), right) == answered(F1, right[0], right)
    assert answered(F1, ",".join([right[0].upper(), f" {right[0]} "] * times), right) == answered(
        F1, right[0], right
    )


def test_naming_everything_costs_precision():
    everything = ", ".join(["cat", *(f"thing {n}" for n in range(999))])
    assert answered(F1, everything, ["cat"]) == pytest.approx(2 / 1001)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "[1" + "0" * 5000 + "]", "{" * 100_000, "[" * 3000 + "]" * 3000]
)
def test_hostile_lists_are_items_like_others(text):
    assert answered(F1, text, ["cat"]) == 0.0


def test_the_list_is_that_of_the_declared_place_and_column():
    reward = load_reward("set_f1", {"where": "last", "column": "mine"})
    assert score(reward, "dog\nAnswer: cat", ["dog"], mine=["cat"]) == 1.0
    with pytest.raises(RewardError, match="no column mine"):
        score(reward, "cat", ["cat"])
    assert items(("Cat", 5, " ")) == {"cat", "5"}
