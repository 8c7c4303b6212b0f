"""Every preset trains the image policy: two updates a batch, finite losses, ratio one before the first."""

from __future__ import annotations

from math import isfinite
from pathlib import Path

import pytest

from burnish.cli import main
from burnish.recipes.presets import PRESETS
from burnish.report.events import read_events


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_trains(preset: str, small_run: list[str]) -> None:
    more = [
        f"algorithm.preset={preset}",
        "train.steps=2",
        "train.updates=2",
        "sampling.prompts_per_step=4",
        "evaluation.every=2",
    ]
    assert main(["train", *small_run, *more]) == 0
    run = Path(next(word for word in small_run if word.startswith("run.dir=")).removeprefix("run.dir="))
    events = read_events(run / "metrics.jsonl")
    steps = [event for event in events if event["kind"] == "train"]
    assert [event["step"] for event in steps] == [1, 2]
    for event in steps:
        assert all(isfinite(event[name]) for name in ("loss", "grad_norm", "reward", "effective_sample_size"))
        assert event["grad_norm"] > 0
        assert event["ratio_drift"] < 1e-6
    health = {event["check"]: event["ok"] for event in events if event["kind"] == "health"}
    assert health["weights move"]
    assert health["ratio is one before the update"]
