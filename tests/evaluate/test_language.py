"""evaluate and sample on a language model, by command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from burnish.cli import main
from burnish.report.events import read_events


def test_the_bundled_reader_is_evaluated_by_its_own_questions(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "scenes-reader", "--count", "40", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["set"] == "scenes-vqa:test"
    assert 0.2 < row["scenes_answer"] < 0.8  # where reinforcement learning begins
    assert row["think_answer"] > 0.8


def test_the_likeliest_answer_is_asked_for_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "scenes-reader", "--group-size", "2"]) == 2
    assert capsys.readouterr().err.count("leave out --group-size") == 1


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


def test_drawn_answers_of_a_question_are_averaged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "scenes-vqa", f"run.dir={tmp_path / 'run'}", "train.steps=1", "train.warmup=0"]
    small = [
        "sampling.prompts_per_step=2",
        "sampling.group_size=2",
        "evaluation.count=20",
        "evaluation.also=[]",
    ]
    drawn = ["evaluation.greedy=false", "evaluation.group_size=4"]
    assert main([*words, *small, *drawn]) == 0
    rows = [event for event in read_events(tmp_path / "run" / "metrics.jsonl") if event["kind"] == "evaluate"]
    assert [row["count"] for row in rows] == [20, 20]
    assert all((row["scenes_answer"] * 80) % 1 == pytest.approx(0, abs=1e-9) for row in rows)
    transcript = tmp_path / "run" / "transcripts" / "scenes-vqa-test_000000.jsonl"
    assert len(transcript.read_text(encoding="utf-8").splitlines()) == 20
