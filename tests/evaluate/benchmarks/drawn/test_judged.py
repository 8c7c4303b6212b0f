"""UniGenBench++ and WISE: forms, replies, and their published arithmetic."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from rewards.judge_server import MODEL, serving

from burnish.errors import DataError, RewardError
from burnish.evaluate.benchmarks.drawn import unigenbench, wise
from burnish.evaluate.benchmarks.drawn.spread import table
from burnish.types import Prompt

pytestmark = pytest.mark.usefixtures("keyless")

PANDAS = ("two pandas in ink", {"Style": "ink", "Attribute - Quantity": "two pandas"})
IMAGES = [np.full((8, 8, 3), value, np.uint8) for value in (0, 255)]


def asked(module, prompts, reply, images=IMAGES):
    """Verdicts on the pictures, and the words that the judge was asked in."""
    with serving(reply) as server:
        score = module.scorer(prompts, judge=server.url, judge_model=MODEL)
        server.asked.clear()
        server.reply = reply
        found = score(images, list(prompts) * len(images))
        return found, [text for _, text, _ in server.asked]


def test_every_point_is_asked_about_each_picture(test_points):
    prompts = unigenbench.prompts(test_points(PANDAS))
    found, words = asked(
        unigenbench,
        prompts,
        lambda images, text: f"Point 1: yes\nPoint 2: {'yes' if images[0].any() else 'no'}",
    )
    assert [verdict["met"] for verdict in found] == [[True, False], [True, True]]
    assert found[0]["said"] == "Point 1: yes\nPoint 2: no"
    assert all(text.endswith("Points:\n1. Style: ink\n2. Attribute - Quantity: two pandas") for text in words)
    assert all("Prompt: two pandas in ink" in text for text in words)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("Point 1: yes\nPoint 2: no\nPoint 3: yes", [True, False, True]),
        ("**Point 1: Yes.**\n* point 02 : NO\n> **Point 3:** yes", [True, False, True]),
        ("Point 1: yes, there are two.\nPoint 2: no\nPoint 3: yes or no", [None, False, None]),
        ("Point 1: no\nBut on a second look:\nPoint 1: yes", [True, None, None]),
        ("<think>Point 1: no\nPoint 2: no</think>Point 3: yes", [None, None, True]),
        ("<think>Point 1: no", [None] * 3),
        ("Point 4: yes\nPoint 0: no\nPoint 31: yes", [None] * 3),
        ("yes yes no", [None] * 3),
        ("", [None] * 3),
        (None, [None] * 3),
    ],
)
def test_a_point_without_a_plain_answer_is_unscored(reply, expected):
    assert unigenbench.answers(reply, 3) == expected


def test_failed_requests_leave_all_points_unscored(test_points):
    prompts = unigenbench.prompts(test_points(PANDAS))
    cut_off = ("Point 1: yes\nPoint 2: yes", "length")
    found, _ = asked(unigenbench, prompts, lambda images, text: 400 if images[0].any() else cut_off)
    assert [verdict["met"] for verdict in found] == [[None, None]] * 2
    (row, *_) = table([list(unigenbench.marks(prompts[0], found))], lambda by, group: 0.0)
    assert (row["mean"], row["unscored"]) == (None, 2)


def test_dimensions_are_shares_of_points_and_overall_is_their_mean():
    style, count = ("Style", "ink"), ("Attribute - Quantity", "two")
    size = ("Attribute - Size", "tall")
    rows = [  # Style 1 of 4; quantity 1 of 2 and size 3 of 3 make Attribute 4 of 5
        (Prompt("a", {"points": [style, count]}), [{"met": [True, True]}, {"met": [False, False]}]),
        (Prompt("b", {"points": [size, size]}), [{"met": [True, True]}, {"met": [True, None]}]),
        (Prompt("c", {"points": [style]}), [{"met": [False]}, {"met": [False]}]),
    ]
    bench = unigenbench.UNIGENBENCH
    found = table([list(bench.marks(*row)) for row in rows], bench.weight, bench.order)
    means = {(row["by"], row["group"]): row["mean"] for row in found}
    assert means == {
        ("overall", ""): pytest.approx((1 / 4 + 4 / 5) / 2),
        ("dimension", "Style"): 0.25,
        ("dimension", "Attribute"): pytest.approx(4 / 5),
        ("sub-dimension", "Style"): 0.25,
        ("sub-dimension", "Attribute - Quantity"): 0.5,
        ("sub-dimension", "Attribute - Size"): 1.0,
        ("points", "all"): pytest.approx(5 / 9),
    }
    assert [row["group"] for row in found[1:3]] == ["Style", "Attribute"]


def test_the_leaderboards_overall_is_the_mean_of_the_ten_dimensions():
    flux_dev = (85.00, 87.50, 67.20, 62.26, 66.88, 29.77, 62.30, 45.75, 70.90, 32.18)  # published, short
    points = {name: [(name, "x")] for name in unigenbench.DIMENSIONS}
    marks = [
        [mark._replace(value=share / 100 if mark.by == "dimension" else mark.value) for mark in found]
        for (name, asks), share in zip(points.items(), flux_dev, strict=True)
        for found in [unigenbench.marks(Prompt(name, {"points": asks}), [{"met": [True]}])]
    ]
    first, *_ = table(marks, unigenbench.UNIGENBENCH.weight)
    assert first["mean"] == pytest.approx(0.6097, abs=5e-5)


def test_a_point_may_go_without_a_description_as_one_published_does(test_points):
    (prompt,) = unigenbench.prompts(test_points(("the dog and its hat", {"Grammar - Pronoun Reference": ""})))
    assert unigenbench.question(prompt).endswith("1. Grammar - Pronoun Reference: (see the prompt)")


def test_one_missing_comma_is_put_in(test_points):
    torn = '{"Testpoints": ["Style" "Grammar - Negation"], "Testpoint Description": ["ink", "no boat"]}'
    (prompt,) = unigenbench.prompts(test_points(("a lake", torn)))
    assert prompt.columns["points"] == [("Style", "ink"), ("Grammar - Negation", "no boat")]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("{", "does not hold Testpoints and their Description"),
        ('{"Testpoints": ["Style"]}', "does not hold Testpoints and their Description"),
        ('["Style"]', "does not hold Testpoints and their Description"),
        ({}, "must be two equally long lists of texts"),
        ('{"Testpoints": ["a"], "Testpoint Description": ["x", "y"]}', "must be two equally long lists"),
        ('{"Testpoints": ["a", 3], "Testpoint Description": ["x", "y"]}', "must be two equally long lists"),
        ('{"Testpoints": ["a" "b" "c"], "Testpoint Description": []}', "does not hold Testpoints"),
    ],
)
def test_broken_test_points_are_named_with_their_row(test_points, cell, expected):
    with pytest.raises(DataError, match=rf"prompts_en.csv prompt 2.*{expected}"):
        unigenbench.prompts(test_points(PANDAS, ("x", cell)))


def row(number=1, **more):
    return {"prompt_id": number, "Prompt": "the animal of Ramsay's crest", "Explanation": "a unicorn", **more}


def test_wise_asks_with_the_explanation_and_reads_three_ratings(tmp_path: Path):
    (tmp_path / "culture.json").write_text(json.dumps([row()]))
    prompts = wise.prompts(tmp_path / "culture.json")
    found, words = asked(wise, prompts, lambda *_: "Consistency: 2\n**Realism**: 1/2\nAesthetics: 0")
    assert {name: found[0][name] for name in (*wise.PARTS, "wiscore")} == {
        "consistency": 2,
        "realism": 1,
        "aesthetics": 0,
        "wiscore": pytest.approx((0.7 * 2 + 0.2) / 2),
    }
    assert words[0].endswith("Prompt: the animal of Ramsay's crest\nExplanation: a unicorn")


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("consistency: 1\nRealism: 2\nAesthetic Quality: 2", (0.7 + 0.4 + 0.2) / 2),
        ("Consistency: 2\nRealism: 2\nAesthetics: 2", 1.0),
        ("Consistency: 0\nRealism: 0\nAesthetics: 0", 0.0),
        ("Consistency: 3\nRealism: 2\nAesthetics: 2", None),
        ("Consistency: 2\nRealism: 2", None),
        ("I would give 2, 2 and 2", None),
        (None, None),
    ],
)
def test_wiscore_needs_all_three(reply, expected):
    assert wise.ratings(reply)["wiscore"] == (None if expected is None else pytest.approx(expected))


def test_wise_has_the_originals_categories_and_weights(tmp_path: Path):
    numbers = {
        1: "Culture",
        400: "Culture",
        701: "Biology",
        800: "Biology",
        801: "Physics",
        1000: "Chemistry",
    }
    rows = [row(number) for number in numbers]
    rows += [row(450, Subcategory="Longitudinal time"), row(500, Subcategory="Relative Position")]
    for name, part in (("b", rows[4:]), ("a", rows[:4])):
        (tmp_path / f"{name}.json").write_text(json.dumps(part))
    found = wise.prompts(tmp_path)
    assert [prompt.columns["category"] for prompt in found] == [*numbers.values(), "Time", "Space"]
    assert sum(wise.WEIGHTS.values()) == pytest.approx(1)
    ratings = [dict.fromkeys((*wise.PARTS, "wiscore"), float(p.columns["category"] == "Time")) for p in found]
    marks = [list(wise.marks(p, [each])) for p, each in zip(found, ratings, strict=True)]
    first, *others = table(marks, wise.WISE.weight, wise.WISE.order)
    assert first["mean"] == pytest.approx(0.167)
    assert [each["group"] for each in others] == [*wise.WEIGHTS, *wise.PARTS]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([row(Prompt=" ")], "row 1 has no Prompt: rows of wise have prompt_id"),
        ([row(), {"prompt_id": 2, "Prompt": "x"}], "row 2 has no Explanation"),
        ([row(1001)], "prompt_id is 1001, not a whole number from 1 to 1000"),
        ([row("7")], "prompt_id is '7', not a whole number"),
    ],
)
def test_rows_of_another_form_are_refused(tmp_path: Path, rows, expected):
    file = tmp_path / "x.json"
    file.write_text(json.dumps(rows))
    with pytest.raises(DataError, match=expected):
        wise.prompts(file)
    with pytest.raises(DataError, match="there is none at"):
        wise.prompts(tmp_path / "none.json")


def test_a_judge_that_does_not_answer_is_refused():
    with pytest.raises(RewardError, match=r"reward wise: no answer from m at http://127\.0\.0\.1:9/v1"):
        wise.scorer([], judge="http://127.0.0.1:9/v1", judge_model="m")
