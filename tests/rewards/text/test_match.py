import pytest
from hypothesis import given
from hypothesis import strategies as st
from rewards.text.scoring import answered, score

from burnish.errors import RewardError
from burnish.rewards.reward import load_reward
from burnish.rewards.text.match import number
from burnish.types import Completion, Prompt

EXACT, CHOICE, NUMERIC = (load_reward(name) for name in ("exact", "choice", "numeric"))
RINGS = ["a ring", "a cup", "two rings", "none of these"]


@pytest.mark.parametrize("reward", [EXACT, CHOICE, NUMERIC])
def test_without_one_answer_nothing_is_earned(reward):
    right = "B" if reward is CHOICE else "5"
    assert answered(reward, right, right) == 1.0
    for text in (
        "",
        right,
        f"<answer>{right}",
        f"<answer>{right}</answer> {right}",
        f"<answer>{right}</answer><answer>{right}</answer>",
        "<answer>" * 20_000 + right,
        f"<answer>{right}</answer>" * 10_000,
    ):
        assert score(reward, text, right) == 0.0, text[:40]


@pytest.mark.parametrize("name", ["exact", "choice", "numeric"])
def test_places_and_columns_are_options(name):
    boxed = load_reward(name, {"where": "boxed", "column": "mine"})
    right = "B" if name == "choice" else "5"
    assert score(boxed, rf"\boxed{{{right}}}", "7", mine=right) == 1.0
    assert score(boxed, rf"\boxed{{{right}}} or \boxed{{7}}", "7", mine=right) == 0.0
    assert score(load_reward(name, {"where": "last"}), f"Hm.\nAnswer: {right}", right) == 1.0
    assert score(load_reward(name, {"where": "whole"}), right, right) == 1.0
    with pytest.raises(RewardError, match="no column mine"):
        score(boxed, right, right)
    with pytest.raises(RewardError, match="where='first' is not"):
        load_reward(name, {"where": "first"})


def test_a_missing_truth_is_said_even_where_nothing_was_answered():
    with pytest.raises(RewardError, match="no column answer or solution"):
        score(EXACT, "no answer")


def test_prompts_and_completions_are_told_apart():
    completions = [Completion(f"<answer>{word}</answer>") for word in "abc"]
    assert EXACT(completions, [Prompt("q", {"answer": word}) for word in "acc"]) == [1.0, 0.0, 1.0]
    assert EXACT([], []) == []


@pytest.mark.parametrize(
    ("said", "right", "earned"),
    [
        ("Red  Circle.", "red circle", 1.0),
        ("red\ncircle", "red circle", 1.0),
        ("5", 5, 1.0),
        ("red", "red circle", 0.0),
        ("red circle or blue circle", "red circle", 0.0),
        ("red, blue", "red", 0.0),
        ("", "red", 0.0),
        ("red " * 50_000, "red", 0.0),
    ],
)
def test_words_are_the_same_whatever_their_case_and_spaces(said, right, earned):
    assert answered(EXACT, said, right) == earned


@pytest.mark.parametrize(
    "said", ["B", "b", "(B)", "B.", "B)", "B:", "B) a cup", "(b) a cup", "a cup", "A cup."]
)
def test_an_option_is_named_by_letter_text_or_both(said):
    assert answered(CHOICE, said, "B", options=RINGS) == 1.0
    assert answered(CHOICE, said, "a cup", options=RINGS) == 1.0
    assert answered(CHOICE, said, "B", options=dict(zip("DCBA", reversed(RINGS), strict=True))) == 1.0


@pytest.mark.parametrize(
    "said",
    [
        "A",
        "A B C D",
        "ABCD",
        "A, B",
        "A or B",
        "B or A",
        "B/A",
        "B) a ring",
        "B. A. C.",
        "a ring, a cup, two rings",
        "E",
        "BB",
        "",
        "(",
        "not B",
        "B" * 100_000,
        "B)" * 100_000,
        "B. " * 50_000,
    ],
)
def test_another_or_several_options_earn_nothing(said):
    assert answered(CHOICE, said, "B", options=RINGS) == 0.0
    if said != "B) a ring":  # without the texts the letter counts
        assert answered(CHOICE, said, "B") == 0.0


def test_options_carry_their_letters_or_not():
    options = ["A. x", "B) y", "(C) z"]
    assert [answered(CHOICE, said, "C", options=options) for said in ("z", "C. z", "C. x")] == [1.0, 1.0, 0.0]
    assert answered(CHOICE, "thing 30", "thing 30", options=[f"thing {n}" for n in range(40)]) == 1.0
    assert answered(CHOICE, "B", "B", options="A. x\nB. y") == 1.0
    assert answered(CHOICE, "B", "B", options=None) == 1.0


@pytest.mark.parametrize("right", ["a spoon", 2, "AB", ""])
def test_a_truth_that_is_no_option_is_an_error(right):
    with pytest.raises(
        RewardError, match="of 'What is shown\\?' is not a letter or one of the column options"
    ):
        answered(CHOICE, "B", right, options=RINGS)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("-3e2", -300),
        ("+1,234,567.5", 1234567.5),
        (".5", 0.5),
        ("−2.", -2),
        ("50%", 0.5),
        ("1/4", 0.25),
        ("-1/4", -0.25),
        ("3 / 4", 0.75),
        *[(text, None) for text in ("", ".", "-", "/", "5 6", "5, 6", "5 or 6", "1/2/3", "1/0", "0/0", "5!")],
        *[
            (text, None)
            for text in ("nan", "inf", "-inf", "infinity", "1e999", "1e9999", "1e308/1e-308", "e5")
        ],
        *[
            (text, None)
            for text in ("1,00", "1,0000", "0x10", "five", "1_000", "5 cm", "--5", "5%%", "9" * 400)
        ],
        ("9" * 200_000, None),
        ("1," * 100_000, None),
        ("1/" * 100_000, None),
    ],
)
def test_a_number_is_all_of_the_text_or_none(text, value):
    assert number(text) == (None if value is None else pytest.approx(value))


@given(st.floats(-1e12, 1e12).map(lambda x: round(x, 6)))
def test_a_written_number_is_read_as_it_was(value):
    assert number(f"{value:.6f}") == pytest.approx(value)
    assert number(f"{value:,.6f}") == pytest.approx(value)
    assert answered(NUMERIC, f"{value:.6f}", value) == 1.0


def test_tolerance_by_hand():
    near = load_reward("numeric", {"relative": 0.01})
    assert [answered(near, said, 200) for said in ("202", "198", "202.1", "197.9")] == [1.0, 1.0, 0.0, 0.0]
    strict = load_reward("numeric", {"relative": 0, "absolute": 0.5})
    assert [answered(strict, said, "0") for said in ("0.5", "-0.5", "0.6")] == [1.0, 1.0, 0.0]
    assert [answered(NUMERIC, said, "0") for said in ("0", "-0", "0.001")] == [1.0, 1.0, 0.0]


@pytest.mark.parametrize(
    "said", ["5 6", "5, 6", "4 or 5", "5±1", "4-6", "[5]", "nan", "inf", "1e999", "9" * 500, ""]
)
def test_several_or_boundless_numbers_earn_nothing(said):
    assert answered(NUMERIC, said, "5") == 0.0


def test_only_declared_units_may_stand_by_the_number():
    reward = load_reward("numeric", {"units": ["m", "cm", "$"]})
    for said in ("5", "5 cm", "5cm", "5 m.", "$5", "$ 5"):
        assert answered(reward, said, "5 cm") == 1.0, said
    for said in ("5 km", "5 cm cm", "cm", "$5 cm", "5 cm or 6 cm"):
        assert answered(reward, said, "5 cm") == 0.0, said
    assert answered(NUMERIC, "5 cm", "5") == 0.0
    assert answered(load_reward("numeric", {"units": "cm"}), "5 cm", "5") == 1.0


@pytest.mark.parametrize("right", ["five", "", [1, 2], "1e999"])
def test_a_truth_that_is_no_number_is_an_error(right):
    with pytest.raises(RewardError, match="of 'What is shown\\?' is not a number"):
        answered(NUMERIC, "5", right)


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("relative", -0.1, "reward numeric: relative must be a number from 0 to 1, not -0.1"),
        ("relative", 2, "from 0 to 1, not 2"),
        ("relative", float("nan"), "from 0 to 1, not nan"),
        ("relative", "1%", "from 0 to 1, not '1%'"),
        ("absolute", -1, "reward numeric: absolute must be a number from 0, not -1"),
        ("absolute", float("inf"), "from 0, not inf"),
        ("absolute", True, "from 0, not True"),
    ],
)
def test_a_tolerance_that_is_none_is_refused(option, value, expected):
    with pytest.raises(RewardError) as caught:
        load_reward("numeric", {option: value})
    assert expected in str(caught.value)
