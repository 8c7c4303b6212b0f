import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.errors import RewardError
from burnish.rewards.reward import load_reward
from burnish.types import Completion, Prompt

LONG = load_reward("overlong", {"limit": 100, "buffer": 20})


def punished(length: int) -> float:
    return LONG([Completion("", length)], [Prompt("a")])[0]


def repeats(text: str, **options) -> float:
    return load_reward("repetition", options)([Completion(text)], [Prompt("a")])[0]


@pytest.mark.parametrize(
    ("length", "value"),
    [(0, 0.0), (80, 0.0), (81, -0.05), (90, -0.5), (100, -1.0), (101, -1.0), (10**9, -1.0)],
)
def test_overlong_by_hand(length, value):
    assert punished(length) == pytest.approx(value)


@given(st.integers(0, 200), st.integers(0, 200))
def test_more_tokens_are_never_better(a, b):
    short, long = sorted((a, b))
    assert -1 <= punished(long) <= punished(short) <= 0


@pytest.mark.parametrize(
    ("text", "n", "value"),
    [
        ("a b a b", 2, -1 / 3),
        ("a b a b", 1, -1 / 2),
        ("a b a b", 3, 0.0),
        ("A b, a b.", 3, 0.0),
        ("a A a a", 2, -2 / 3),
        ("one two three four", 1, 0.0),
        ("很好很好", 2, -1 / 3),
        ("!!", 1, 0.0),
        ("a b", 3, 0.0),
        ("", 1, 0.0),
    ],
)
def test_repetition_by_hand(text, n, value):
    assert repeats(text, n=n) == pytest.approx(value)
    assert repeats(text, n=n, most=0.5) == pytest.approx(value / 2)


@given(st.text(max_size=60), st.integers(1, 4), st.floats(0, 5))
def test_repetition_lies_between_its_bounds(text, n, most):
    assert -most <= repeats(text, n=n, most=most) <= 0


@given(st.lists(st.sampled_from("abcdefgh"), min_size=3, max_size=30))
def test_saying_it_all_again_costs(words):
    text = " ".join(words)
    assert repeats(f"{text} {text}", n=2) < repeats(text, n=2) + 1e-9
    assert repeats(" ".join([text] * 20), n=3) < -0.7


@pytest.mark.parametrize(
    "text", ["a" * 200_000, "!" * 200_000, "<think>" * 28_000, "a " * 100_000, "好" * 100_000]
)
def test_endless_runs_cost_nearly_all(text):
    assert repeats(text) < -0.99


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        (
            "overlong",
            {"limit": 10, "buffer": 11},
            "reward overlong: buffer must be a whole number from 1 to 10, not 11",
        ),
        ("overlong", {"limit": 10, "buffer": 0}, "buffer must be a whole number from 1 to 10, not 0"),
        ("overlong", {"limit": 0, "buffer": 1}, "limit must be a whole number from 1, not 0"),
        ("overlong", {"limit": "9", "buffer": 1}, "limit must be a whole number from 1, not '9'"),
        ("overlong", {"limit": 10}, "reward overlong needs the option buffer"),
        ("repetition", {"n": 0}, "reward repetition: n must be a whole number from 1, not 0"),
        ("repetition", {"n": 2.0}, "n must be a whole number from 1, not 2.0"),
        ("repetition", {"most": -1}, "most must be a number from 0, not -1"),
        ("repetition", {"most": float("nan")}, "most must be a number from 0, not nan"),
    ],
)
def test_bad_options_are_refused(name, options, expected):
    with pytest.raises(RewardError) as caught:
        load_reward(name, options)
    assert expected in str(caught.value)
