"""RefCOCO, CountBenchQA and SuperCLEVR."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from burnish.errors import DataError
from burnish.evaluate.benchmarks.counting import COUNTBENCH, SUPERCLEVR
from burnish.evaluate.benchmarks.files import load
from burnish.evaluate.benchmarks.refcoco import REFCOCO
from burnish.evaluate.benchmarks.table import tables


@pytest.fixture
def boxes(image):
    return {
        "question_id": "77",
        "image": image(200, 100),
        "question": "Describe the region.",
        "answer": ["the left dog ", "brown dog"],
        "bbox": [20.0, 10.0, 40.0, 40.0],
    }


def test_every_expression_is_a_question_of_its_split(ask, boxes):
    found = ask(REFCOCO, boxes, name="testA-00000-of-00001.parquet", frame="thousand")
    assert [prompt.columns["id"] for prompt in found] == ["77/0", "77/1"]
    assert "the left dog?" in found[0].text
    assert "thousandths" in found[0].text
    assert found[0].columns["answer"] == [20, 10, 60, 50]  # from x, y, width, height
    assert found[0].columns["split"] == "testA"


@pytest.mark.parametrize(
    ("frame", "text", "iou"),
    [
        ("pixels", "[20, 10, 60, 50]", 1),
        ("pixels", '```json\n[{"bbox_2d": [20, 10, 60, 50]}]\n```', 1),
        ("pixels", "It is at (20,10),(60,50).", 1),
        ("pixels", "[20, 10, 60, 30]", 0.5),
        ("pixels", "[20, 10, 60, 29]", 0.475),
        ("pixels", "[0, 0, 9, 9] or [20, 10, 60, 50]", 0),  # the first one counts
        ("pixels", "[60, 50, 20, 10]", 0),
        ("pixels", "20 10 60 50", 0),
        ("unit", "[0.1, 0.1, 0.3, 0.5]", 1),
        ("thousand", "[100, 100, 300, 500]", 1),
        ("thousand", "[20, 10, 60, 50]", 0),
        ("pixels", "", 0),
    ],
)
def test_boxes(judge, boxes, frame, text, iou):
    verdict = judge(REFCOCO, boxes, text, frame)
    assert verdict.more["iou"] == pytest.approx(iou)
    assert verdict.score == (iou >= 0.5)


@pytest.mark.parametrize("bbox", [[1, 2, 3], [1, 2, 0, 4], None])
def test_a_broken_box_is_named(ask, boxes, bbox):
    with pytest.raises(DataError, match="row 1 needs expressions in answer and a box"):
        ask(REFCOCO, boxes | {"bbox": bbox}, frame="pixels")


@pytest.mark.parametrize(
    ("text", "extracted", "error"),
    [
        ("6", 6, 0),
        ("There are six dogs.", 6, 0),
        ("2 black and 4 brown ones: 6", 6, 0),
        ("The answer is 8 of 6", 8, 2),
        ("none", 0, 6),
        ("many", None, None),
    ],
)
def test_counts(judge, image, text, extracted, error):
    row = {"image": image(), "text": "six dogs", "question": "How many dogs are there?", "number": 6}
    verdict = judge(COUNTBENCH, row, text)
    assert (verdict.extracted, verdict.score) == (extracted, error == 0)
    assert verdict.more == ({} if error is None else {"error": error})


def test_the_caption_that_names_the_number_is_not_shown(ask, image):
    row = {"image": image(), "text": "six dogs", "question": "How many dogs are there?", "number": 6}
    (prompt,) = ask(COUNTBENCH, row)
    assert "six" not in prompt.text


def test_a_picture_that_is_gone_is_named(ask, image):
    row = {"image": image(), "text": "t", "question": "How many?", "number": 6}
    with pytest.raises(DataError, match="row 2 has no picture"):
        ask(COUNTBENCH, row, row | {"image": None})


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("<think>a, b</think><answer> 4 </answer>", 1),
        ("<answer>5</answer>", 0),
        ("<answer>four</answer>", 0),  # as R1-V counts
        ("4", 0),
    ],
)
def test_superclevr_in_both_forms(judge, image, tmp_path: Path, text, score):
    hub = {"image": image(), "problem": "How many items?", "solution": "<answer> 4 </answer>"}
    assert judge(SUPERCLEVR, hub, text).score == score
    (tmp_path / "a.png").write_bytes(image()["bytes"])
    line = {"image_path": "./a.png", "question": "How many items?", "ground_truth": 4}
    (tmp_path / "q.jsonl").write_text(json.dumps(line) + "\n")
    (prompt,) = load(SUPERCLEVR, tmp_path / "q.jsonl")
    assert SUPERCLEVR.judge(text, prompt).score == score
    assert prompt.images[0].open().size == (64, 64)


def test_the_mean_error_is_over_the_answers_that_have_a_number(judge, image):
    row = {"image": image(), "question": "How many?", "number": 6}
    judged = []
    for text in ("6", "8", "many"):
        verdict = judge(COUNTBENCH, row, text)
        judged.append(
            {"score": verdict.score, "extracted": verdict.extracted, "more": verdict.more, "counted": True}
            | {"groups": {"number": "6"}}
        )
    found = tables(COUNTBENCH, judged)["overall"]
    assert found["accuracy"] == pytest.approx(1 / 3)
    assert (found["error"], found["unread"], found["n"]) == (1.0, 1, 3)
