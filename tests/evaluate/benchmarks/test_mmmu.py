"""MMMU: interleaved pictures, letters, open answers."""

from __future__ import annotations

import pytest

from burnish.errors import DataError
from burnish.evaluate.benchmarks.mmmu import MMMU, opened


@pytest.fixture
def row(image):
    def make(**changes):
        base = {
            "id": "validation_Clinical_Medicine_3",
            "question": "Compare <image 2> with <image 1>: which is larger?",
            "options": "['the left', 'the right', \"neither's\", '<image 3>']",
            "explanation": "",
            "image_1": image(color="red"),
            "image_2": image(color="blue"),
            "image_3": image(color="lime"),
            "image_4": image(color="white"),
            "answer": "B",
            "question_type": "multiple-choice",
            "subfield": "x",
            "topic_difficulty": "Hard",
        }
        return base | changes

    return make


@pytest.fixture
def open_row(row):
    def make(answer):
        return row(question="What is it? <image 1>", options="[]", question_type="open", answer=answer)

    return make


def test_pictures_stand_where_the_text_names_them(ask, row):
    (prompt,) = ask(MMMU, row())
    assert prompt.text.startswith(
        "Compare <image> with <image>: which is larger?\nA. the left\nB. the right\n"
    )
    assert "D. <image>" in prompt.text
    colors = [picture.open().getpixel((0, 0)) for picture in prompt.images]
    assert colors == [(0, 0, 255), (255, 0, 0), (0, 255, 0)]
    assert prompt.columns["discipline"] == "Health & Medicine"
    assert prompt.columns["subject"] == "Clinical_Medicine"
    assert prompt.columns["options"][2] == "neither's"


def test_a_picture_that_is_named_must_be_there(ask, row):
    with pytest.raises(DataError, match="row 1 speaks of image_5 but has no picture there"):
        ask(MMMU, row(question="See <image 5>"))


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        ("B.", "B"),
        ("(B)", "B"),
        ("Answer: B", "B"),
        ("A cat is in picture B", "B"),  # the last one
        ("(A) and (B), so (A)", "A"),
        ("(C), although D looks right too", "C"),  # brackets before bare letters
        ("The larger one of both is the right", "B"),
        ("not the right but surely it is the left", "A"),
        ("the right", None),  # words of options count in longer texts only
        ("b", None),
        ("no idea", None),
        ("<think>(A)</think><answer>B</answer>", "B"),
        ("", None),
    ],
)
def test_letters(judge, row, text, letter):
    verdict = judge(MMMU, row(), text)
    assert verdict.extracted == letter
    assert verdict.score == (letter == "B")


@pytest.mark.parametrize(
    ("answer", "text", "score"),
    [
        ("8", "8", 1),
        ("8", "The sum is 3 + 5 = 8.", 1),
        ("8", "It is 8 volts", 1),
        ("8", "It is 18", 0),
        ("8", "It is 8.004", 1),  # two decimals
        ("1000", "So the price is $1,000", 1),
        ("0.5", "5e-1", 1),
        ("osteoid", "The arrow shows Osteoid tissue", 1),
        ("osteoid", "This is bone", 0),
        ("b", "therefore b", 1),
        ("b", "therefore ab", 0),  # single letters only beside a space
        ("['3/8', '0.375']", "so the chance is 3/8", 1),
        ("['3/8', '0.375']", "= 0.375", 1),
        ("8", "", 0),
        ("8", "nan", 0),
    ],
)
def test_open_answers(judge, open_row, answer, text, score):
    assert judge(MMMU, open_row(answer), text).score == score


def test_the_shortest_tail_of_each_line_is_kept():
    assert opened("We know x is 3.\nThe final answer is y = 4") == [3.0, 4.0]
    assert opened("no marks here") == ["no marks here"]
    assert opened("") == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"options": "['a'"}, "options or answer are not a list"),
        ({"options": "[]"}, "a multiple-choice question without options"),
        ({"answer": "?"}, "no right answer in answer"),
    ],
)
def test_broken_rows(ask, row, changes, expected):
    with pytest.raises(DataError, match=expected):
        ask(MMMU, row(**changes))
