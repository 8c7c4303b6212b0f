"""Reading answers that several benchmarks share."""

from __future__ import annotations

import pytest

from burnish.evaluate.benchmarks import said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("five", "five"),
        ("<think>4? 5?</think> so <answer> 3 </answer> then", "3"),
        ("<answer>1</answer> no, <answer>2</answer>", "2"),
        ("<think>the answer is 7", ""),  # cut off while thinking
        ("<think>a</think>\nB", "B"),
        (r"<think>\boxed{1}</think> \boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"<answer>\boxed{4}</answer>", "4"),
        (r"\boxed{never closed", r"\boxed{never closed"),
        ("", ""),
    ],
)
def test_the_final_part(text, expected):
    assert said.final(text) == expected


def test_only_what_is_marked():
    assert said.marked("the answer is 4") is None
    assert said.marked("<think><answer>4</answer>") is None
    assert said.marked(r"x = \boxed{4}") == "4"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12", 12.0),
        ("1,234.5 kg", 1234.5),
        ("50%", 50.0),
        ("about 60°", 60.0),
        ("5cm", 5.0),
        ("-3", -3.0),
        ("−3", -3.0),
        ("10-12", 12.0),
        ("1/2", 0.5),
        (r"\frac{1}{4} of it", 0.25),
        ("3 cats and 2 dogs make 5", 5.0),
        ("The answer is 7 (out of 10).", 7.0),
        ("The answer is not 5.\nThe correct answer to this is: **6** of 9.", 6.0),
        ("Answer: 1.5e3 m", 1500.0),
        ("x2 and the 3rd", None),
        ("there is none", None),
        ("three", None),
        ("1/0", None),
        ("", None),
    ],
)
def test_a_number(text, expected):
    assert said.number(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("There are seventeen.", 17.0),
        ("None", 0.0),
        ("One of the two groups has six stars; six", 6.0),
        ("three of 4", 4.0),
        ("the someone", None),
    ],
)
def test_a_number_in_words(text, expected):
    assert said.number(text, words=True) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("B", "B"),
        ("(b)", "B"),
        ("b", "B"),
        ("B. a ring", "B"),
        ("B: 145°", "B"),
        ("The answer is (C).", "C"),
        ("Answer: **D**", "D"),
        ("Among (A) 3, (B) 4 and (C) 5 the answer is (B) 4.", "B"),
        ("(A) is too small, (B) is too big, so (C)", "C"),
        ("A. is wrong. B. is wrong. So C.", "C"),
        ("A circle has no corners", None),
        ("The answer is A circle", None),
        ("The answer is A", "A"),
        ("The answer is B or C", None),
        ("I choose option D", "D"),
        ("E", None),  # of four options
        ("neither", None),
        ("", None),
    ],
)
def test_a_letter(text, expected):
    assert said.letter(text, 4) == expected


def test_an_option_by_its_words():
    options = ["50", "150 cm", "a red ring", "None of the above"]
    assert said.option("it is a red ring, not 50", options) == 0  # the last one counts
    assert said.option("a length of 150 cm", options) == 1  # 50 is part of a longer number
    assert said.option("none of the above", options) == 3
    assert said.option("a blue ring", options) is None


def test_reading_takes_time_linear_in_the_length():
    for text in (
        "(" * 100_000,
        "9" * 100_000,
        "answer is " * 10_000,
        "<answer>" * 20_000,
        r"\boxed{" * 20_000,
    ):
        said.final(text)
        said.letter(text, 4)
        said.number(text, words=True)
