"""MathVerse and Geometry3K: letters, numbers, expressions."""

from __future__ import annotations

import pytest

from burnish.evaluate.benchmarks.equal import same
from burnish.evaluate.benchmarks.geometry3k import GEOMETRY3K
from burnish.evaluate.benchmarks.mathverse import MATHVERSE
from burnish.evaluate.benchmarks.table import tables

pytest.importorskip("math_verify")


@pytest.fixture
def row(image):
    def make(**changes):
        base = {
            "sample_index": "7",
            "problem_index": "2",
            "problem_version": "Text Dominant",
            "question": "Find the angle.\nChoices:\nA:50°\nB:60°\nC:130°",
            "image": image(),
            "answer": "B",
            "question_type": "multi-choice",
            "metadata": {"split": "testmini", "subject": "Plane Geometry", "subfield": "Angle"},
            "query_wo": "Answer directly.",
            "query_cot": "Reason first.\nQuestion: Find the angle.\nChoices:\nA:50°\nB:60°\nC:130°",
        }
        return base | changes

    return make


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        ("B:60°", "B"),
        ("The correct answer is B: 60°.", "B"),
        ("A:50° is too small. Thus the angle is 60°", "B"),
        (r"\boxed{C}", "C"),
        ("70°", None),
    ],
)
def test_mathverse_letters(judge, row, text, letter):
    verdict = judge(MATHVERSE, row(), text)
    assert verdict.score == (letter == "B")
    assert verdict.extracted == letter or text.startswith("A:")


@pytest.mark.parametrize(
    ("answer", "text", "score"),
    [
        ("14", "14 cm", 1),
        ("14", "With r = 3 the straw is 14", 1),
        ("14", "The answer is 15. It is not 14", 0),
        ("3.14", "so 3.1416", 1),
        ("60°", "60", 1),
        (r"2\sqrt{3}", r"\boxed{\sqrt{12}}", 1),
        (r"2\sqrt{3}", r"\boxed{3\sqrt{2}}", 0),
        ("(-2,1)", "The answer is (-2, 1)", 1),
        ("14", "", 0),
    ],
)
def test_mathverse_free_answers(judge, row, answer, text, score):
    assert judge(MATHVERSE, row(answer=answer, question_type="free-form"), text).score == score


def test_text_only_has_no_picture_and_does_not_count(ask, row):
    rows = [row(), row(problem_version="Text_Only", image=None)]
    prompts = ask(MATHVERSE, *rows)
    assert [len(prompt.images) for prompt in prompts] == [1, 0]
    assert prompts[0].text == "<image>\n" + rows[0]["query_cot"]
    judged = [
        {"score": s, "extracted": "B", "more": {}, "counted": MATHVERSE.counted(p), "groups": p.columns}
        for s, p in zip((0.0, 1.0), prompts, strict=True)
    ]
    found = tables(MATHVERSE, judged)
    assert found["overall"]["accuracy"] == 0.0
    assert {n: t["accuracy"] for n, t in found["groups"]["problem_version"].items()} == {
        "Text Dominant": 0.0,
        "Text Only": 1.0,
    }
    assert found["groups"]["subject"]["Plane Geometry"]["n"] == 1


@pytest.mark.parametrize(
    ("said", "right", "expected"),
    [
        ("1,000", "1000", 1),
        ("1/2", "0.5", 1),
        ("1001", "1000", 0),
        ("50 cm", "50 m", 0),
        ("50cm^2", "50", 1),
        ("50 square units", "50", 1),
        ("2m", "3m", 0),
        (r"50^{\circ}", "50", 1),
        ("x+1", "1+x", 1),
        ("9^9^9^9^9", "3", 0),
        ("no", "3", 0),
    ],
)
def test_equal(said, right, expected):
    assert same(said, right) == expected


@pytest.mark.parametrize(
    ("text", "score"),
    [
        (r"<think>\boxed{3}</think> \boxed{2\sqrt{221}}", 1),
        (r"\boxed{\sqrt{884}}", 1),
        (r"<answer>$2 \sqrt{221}$</answer>", 1),
        (r"the answer is 2\sqrt{221}", 0),  # not marked
        (r"\boxed{29.7}", 0),
        ("", 0),
    ],
)
def test_geometry3k(judge, image, text, score):
    row = {"images": [image()], "problem": "<image>Find x.", "answer": r"2 \sqrt { 221 }"}
    assert judge(GEOMETRY3K, row, text).score == score
