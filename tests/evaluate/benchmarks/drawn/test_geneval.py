"""GenEval on scenes whose truth is known, and its summary by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from burnish.errors import DataError, RewardError
from burnish.evaluate.benchmarks.drawn.geneval import GENEVAL, marks, prompts, scorer
from burnish.evaluate.benchmarks.drawn.spread import table
from burnish.rewards import geneval_models
from burnish.rewards.geneval_models import Detector
from burnish.rewards.geneval_rules import Found
from burnish.scenes.preference import FOLDER as CLIP
from burnish.scenes.renderer import draw
from burnish.types import Prompt

SIDES = {"bench": 64, "person": 72, "motorcycle": 80}
"""The size of a tile says what class it is of."""

VOID = (255, 0, 255)


def scene(*things: tuple[str, str, int, int]) -> np.ndarray:
    """Tiles (class, colour, left, top) on an empty canvas."""
    canvas = np.full((320, 320, 3), VOID, np.uint8)
    for number, (name, colour, left, top) in enumerate(things):
        side = SIDES[name]
        tile = draw(f"a {colour} square", np.random.default_rng(number), size=side)
        canvas[top : top + side, left : left + side] = tile
    return canvas


@pytest.fixture
def sees_tiles(monkeypatch):
    """A detector that finds the tiles in the pixels, and a CLIP that is asked in words it knows."""

    def look(self, images, threshold):
        for image in images:
            labelled, count = ndimage.label((image != VOID).any(-1))
            found = []
            for down, across in ndimage.find_objects(labelled):
                name = next(name for name, side in SIDES.items() if side == down.stop - down.start)
                box = tuple(float(edge) for edge in (across.start, down.start, across.stop, down.stop))
                found.append(Found(name, 0.95 - 0.001 * len(found), box))
            assert len(found) == count
            yield found

    monkeypatch.setattr(Detector, "__call__", look)
    monkeypatch.setattr(geneval_models, "SENTENCES", ("a {0} square",))


def want(name, count=1, **more):
    return {"class": name, "count": count, **more}


BENCHES = [("bench", "red", 10, 10), ("bench", "blue", 110, 10), ("bench", "green", 210, 10)]
PERSON = ("person", "green", 110, 200)

CASES = [
    ("single_object", {"include": [want("bench")]}, BENCHES[:1], [PERSON], "0 of 1 bench"),
    (
        "two_object",
        {"include": [want("bench"), want("person")]},
        [*BENCHES, PERSON],
        BENCHES,
        "0 of 1 person",
    ),
    (
        "counting",
        {"include": [want("bench", 2)], "exclude": [want("bench", 3)]},
        BENCHES[:2],
        BENCHES,
        "3 bench, fewer than 3 wanted",
    ),
    (
        "colors",
        {"include": [want("bench", color="red")]},
        BENCHES[:1],
        BENCHES[1:2],
        "bench blue, not red",
    ),
    (
        "position",
        {"include": [want("bench"), want("person", position=["below", 0])]},
        [("bench", "red", 114, 10), PERSON],
        [("bench", "red", 114, 230), ("person", "green", 110, 20)],
        "person not below bench",
    ),
    (
        "color_attr",
        {"include": [want("bench", color="green"), want("person", color="red")]},
        [("bench", "green", 10, 10), ("person", "red", 100, 150)],
        [("bench", "red", 10, 10), ("person", "green", 100, 150)],
        "bench red, not green",
    ),
]


def test_every_task_is_judged_by_what_is_in_the_scene(sees_tiles, yolos):
    rows = []
    for tag, asks, right, wrong, complaint in CASES:
        prompt = Prompt(f"a photo for {tag}", {"tag": tag, **asks})
        score = scorer([prompt], detector=yolos, clip=str(CLIP), device="cpu")
        good, bad = score([scene(*right), scene(*wrong)], [prompt] * 2)
        assert good["correct"] is True, (tag, good)
        assert bad["correct"] is False, tag
        assert bad["complaints"][0] == complaint
        assert good["seen"][right[0][0]][0][0] == pytest.approx(0.95, abs=0.02)
        assert sorted(good["seen"]) == sorted({name for name, *_ in right})
        rows.append((prompt, [good, bad]))
    found = table([list(marks(*row)) for row in rows], GENEVAL.weight, GENEVAL.order)
    assert [row["group"] for row in found[1:7]] == [tag for tag, *_ in CASES]
    assert found[0]["mean"] == 0.5


def verdicts(*right: int):
    return [{"correct": bool(value)} for value in right]


def test_the_summary_is_the_originals():
    # counting 2 of 4 and 0 of 4: 0.25; colors 4 of 4: 1; overall 0.625; images 6 of 12; prompts 2 of 3
    judged = [("counting", (1, 1, 0, 0)), ("counting", (0, 0, 0, 0)), ("colors", (1, 1, 1, 1))]
    rows = table(
        [list(marks(Prompt("x", {"tag": tag}), verdicts(*right))) for tag, right in judged],
        GENEVAL.weight,
        GENEVAL.order,
    )
    means = {(row["by"], row["group"]): row["mean"] for row in rows}
    assert means == {
        ("overall", ""): 0.625,
        ("task", "counting"): 0.25,
        ("task", "colors"): 1.0,
        ("images", "correct"): 0.5,
        ("prompts", "any of 4 correct"): pytest.approx(2 / 3),
    }


def test_what_cannot_be_judged_is_refused_before_drawing(tmp_path: Path, yolos):
    file = tmp_path / "metadata.jsonl"
    file.write_text(json.dumps({"tag": "colors", "prompt": "a photo of a bench"}))
    with pytest.raises(DataError, match="prompt 1 has no include: rows of geneval have tag"):
        prompts(file)
    file.write_text(json.dumps({"tag": "a", "prompt": "a cow", "include": [want("cow")]}))
    with pytest.raises(RewardError, match="the detector knows no class 'cow'"):
        scorer(prompts(file), detector=yolos, device="cpu")
    file.write_text(json.dumps({"tag": "a", "prompt": "x", "include": [want("bench", color="red")]}))
    with pytest.raises(RewardError, match="asks for a colour"):
        scorer(prompts(file), detector=yolos, device="cpu")
