"""Every preset trains both policies: two updates a batch, finite losses, ratio one before the first.

A preset that one kind of model cannot have is refused in a sentence before anything loads.
"""

from __future__ import annotations

from math import isfinite
from pathlib import Path

import pytest

from burnish.cli import main
from burnish.recipes.presets import PRESETS
from burnish.report.events import read_events

FOR_IMAGES = ("flow_grpo", "grpo_guard", "tempflow", "awm", "diffusion_nft")
ELSEWHERE = {
    "image": {"ppo": "for language models"},
    "language": dict.fromkeys(FOR_IMAGES, "for image models"),
}
"""kind -> the presets that are for the other kind, with words of the refusal."""


@pytest.fixture(params=["image", "language"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_trains(
    preset: str, kind: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    words = request.getfixturevalue("small_run" if kind == "image" else "language_run")
    more = [
        f"algorithm.preset={preset}",
        "train.steps=2",
        "train.updates=2",
        "sampling.prompts_per_step=4",
        "evaluation.every=2",
    ]
    code = main(["train", *words, *more])
    run = Path(next(word for word in words if word.startswith("run.dir=")).removeprefix("run.dir="))
    if refusal := ELSEWHERE[kind].get(preset):
        assert code == 2
        assert refusal in capsys.readouterr().err
        assert not run.exists()
        return
    assert code == 0
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
