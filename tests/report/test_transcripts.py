"""Transcripts in the report: pictures beside questions, before and after."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
from PIL import Image

from burnish.report.html import write_report
from burnish.report.story import Story
from burnish.report.transcripts import transcripts
from burnish.train.pictures import Pictures
from burnish.train.transcripts import illustrated, keep_transcripts
from burnish.types import Completion, Prompt

RED, BLUE = (Image.new("RGB", (64, 64), color) for color in ("red", "blue"))
PROMPTS = [
    Prompt("<image>\nwhat color?", {"answer": "red"}, images=(RED,)),
    Prompt("<image>\nand <now>?", {"answer": "blue"}, images=(BLUE,)),
]
SAID = {0: ["<think>hm</think><answer>green</answer>", "no"], 4: ["<answer>red</answer>", "<b>blue</b>"]}


def run(folder: Path, steps: tuple[int, ...] = (0, 4)) -> Story:
    events = []
    for step in steps:
        outputs = [Completion(text) for text in SAID[step]]
        keep_transcripts(folder, "vqa", step, PROMPTS, outputs)
        grid = Pictures(folder, 2).keep("vqa", step, *illustrated(PROMPTS, outputs))
        events.append(
            {"kind": "evaluate", "step": step, "set": "vqa", "count": 2, "right": 0.5, "grid": grid}
        )
    return Story(events, {})


def cells(page: str) -> list[list[str]]:
    return [re.findall(r"<td>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", page)[1:]]


def test_first_and_newest_stand_beside_the_picture(tmp_path: Path) -> None:
    rows = cells(transcripts(tmp_path, run(tmp_path)))
    assert [row[1:] for row in rows] == [
        ["what color?", "red", "hm → <b>green</b>", "<b>red</b>"],
        ["and &lt;now&gt;?", "blue", "no", "&lt;b&gt;blue&lt;/b&gt;"],
    ]
    for row, color in zip(rows, ([255, 0, 0], [0, 0, 255]), strict=True):
        data = re.search(r"base64,([^\"]+)", row[0])[1]  # type: ignore[index]
        assert np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))[80, 80].tolist() == color


def test_a_single_evaluation_and_lost_files(tmp_path: Path) -> None:
    story = run(tmp_path, (0,))
    assert [len(row) for row in cells(transcripts(tmp_path, story))] == [4, 4]
    (tmp_path / "images" / "raw" / "vqa_000000.png").unlink()
    assert cells(transcripts(tmp_path, story)) == []
    (tmp_path / "transcripts" / "vqa_000000.jsonl").write_text("{", encoding="utf-8")
    assert transcripts(tmp_path, story) == ""


def test_the_report_shows_them_in_place_of_grids(tmp_path: Path) -> None:
    import json

    story = run(tmp_path)
    lines = [json.dumps(event) for event in story.events]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert ">Transcripts</h2>" in page
    assert ">Pictures</h2>" not in page
