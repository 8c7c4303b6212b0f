"""evaluate and sample on a language model, by command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from burnish.cli import main


def test_the_bundled_reader_is_evaluated_by_its_own_questions(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "scenes-reader", "--count", "40", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["set"] == "scenes-vqa:test"
    assert 0.2 < row["scenes_answer"] < 0.8  # where reinforcement learning begins
    assert row["think_answer"] > 0.8


def test_answers_are_sampled_and_repeat(tmp_path: Path) -> None:
    rows = []
    for name in ("a", "b"):
        out = tmp_path / name
        assert main(["sample", "scenes-reader", "how many?", "--count", "3", "--out", str(out)]) == 0
        text = (tmp_path / name / "prompts.jsonl").read_text(encoding="utf-8")
        rows.append([json.loads(line) for line in text.splitlines()])
    assert rows[0] == rows[1]
    assert len({row["completion"] for row in rows[0]}) > 1
    assert [row["seed"] for row in rows[0]] == [0, 1, 2]
