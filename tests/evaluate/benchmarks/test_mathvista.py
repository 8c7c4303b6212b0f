"""MathVista: queries of rows, extraction, normalisation."""

from __future__ import annotations

import pytest

from burnish.errors import DataError
from burnish.evaluate.benchmarks.mathvista import MATHVISTA, distance
from burnish.evaluate.benchmarks.table import tables


@pytest.fixture
def row(image):
    def make(**changes):
        free = {
            "pid": "1",
            "question": "How many?",
            "image": "images/1.jpg",
            "decoded_image": image(),
            "choices": None,
            "unit": None,
            "precision": None,
            "answer": "14",
            "question_type": "free_form",
            "answer_type": "integer",
            "metadata": {"task": "geometry problem solving", "skills": ["geometry reasoning", "arithmetic"]},
            "query": "Hint: give an integer.\nQuestion: How many?",
        }
        return free | changes

    return make


@pytest.fixture
def choose(row):
    def make(answer="145°"):
        return row(
            question_type="multi_choice",
            answer_type="text",
            choices=["135°", "140°", "145°", "None"],
            answer=answer,
        )

    return make


def test_the_model_sees_the_query_and_the_decoded_picture(ask, row):
    (prompt,) = ask(MATHVISTA, row())
    assert prompt.text == "<image>\nHint: give an integer.\nQuestion: How many?"
    assert prompt.images[0].open().size == (64, 64)
    assert prompt.columns["skills"] == ["geometry reasoning", "arithmetic"]


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("14", 1),
        ("14.0", 1),
        ("14.9", 1),  # integers are cut, as in the original
        ("It is 14 cm.", 1),
        ("14%", 1),
        ("Of 20 there are 6 red ones, so 20 - 6 = 14", 1),
        ("The answer is 14, not 15", 1),
        ("<think>15</think><answer>14</answer>", 1),
        ("15", 0),
        ("-14", 0),
        ("fourteen", 0),
        ("", 0),
    ],
)
def test_integers(judge, row, text, score):
    assert judge(MATHVISTA, row(), text).score == score


@pytest.mark.parametrize(
    ("text", "extracted"),
    [("1.25", "1.2"), ("1.3", "1.3"), ("about 1.2 m", "1.2"), ("6/5", "1.2"), ("none", None)],
)
def test_floats_are_rounded_to_the_precision(judge, row, text, extracted):
    verdict = judge(MATHVISTA, row(answer="1.2", answer_type="float", precision=1.0), text)
    assert verdict.extracted == extracted
    assert verdict.score == (extracted == "1.2")


@pytest.mark.parametrize(
    ("text", "score"),
    [("[1, 4]", 1), ("[2, 3] is wrong, it is [1,4]", 1), ("[4, 1]", 0), ("1 and 4", 0), ("[1, 4, 4]", 0)],
)
def test_lists(judge, row, text, score):
    assert judge(MATHVISTA, row(answer="[1, 4]", answer_type="list"), text).score == score


@pytest.mark.parametrize(
    ("text", "extracted"),
    [
        ("145°", "145°"),
        ("C", "145°"),
        ("(c)", "145°"),
        ('The answer is "145°".', "145°"),
        ("The answer is (C) 145°, because (A) 135° is too small.", "145°"),
        ("145", "145°"),  # the option at the smallest edit distance
        ("After some thought the angle must be 145°", "145°"),
        ("None", "None"),
        ("A long text in which no option and no letter stands", None),
        ("", None),
    ],
)
def test_choices(judge, choose, text, extracted):
    verdict = judge(MATHVISTA, choose(), text)
    assert verdict.extracted == extracted
    assert verdict.score == (extracted == "145°")


def test_edit_distance():
    assert distance("", "abc") == distance("abc", "") == 3
    assert distance("flaw", "lawn") == 2


def test_a_question_counts_in_each_of_its_skills():
    def judged(score, skills):
        groups = {"task": "t", "skills": skills}
        return {"score": score, "extracted": "x", "more": {}, "counted": True, "groups": groups}

    found = tables(MATHVISTA, [judged(1.0, ["a", "b"]), judged(0.0, ["b"])])
    assert found["overall"]["accuracy"] == 0.5
    assert {name: (part["n"], part["accuracy"]) for name, part in found["groups"]["skills"].items()} == {
        "a": (1, 1.0),
        "b": (2, 0.5),
    }


def test_the_hidden_split_is_refused(ask, row):
    with pytest.raises(DataError, match=r"row 1 has no right answer in answer: choose a split with answers"):
        ask(MATHVISTA, row(answer=""))


def test_choices_must_be_there(ask, row):
    with pytest.raises(DataError, match="row 1 is a multi_choice question without choices"):
        ask(MATHVISTA, row(question_type="multi_choice", answer_type="text"))
