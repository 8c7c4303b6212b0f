"""Whole runs on the tiny model, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from burnish.cli import main
from burnish.engine import checkpoint
from burnish.recipes.load import load_recipe
from burnish.report.events import read_events
from burnish.train import run as run_module

VARIANTS = {
    "full": [],
    "lora, average, divergence": [
        "model.lora={rank: 2, alpha: 4.0}",
        "train.ema=0.5",
        "algorithm.preset=flow_grpo",
    ],
    "chunks, shares": [
        "algorithm.preset=slas_chunk",
        "algorithm.unit.sizes=[1, 2]",
        "algorithm.unit.fraction=0.5",
        "train.updates=2",
        "train.warmup=2",
    ],
    "noised copies, ODE": [
        "algorithm.preset=diffusion_nft",
        "algorithm.unit.fraction=0.5",
        "sampling.transition=ode",
        "sampling.shared_noise=false",
        "train.updates=2",
    ],
}


def folder_of(overrides: list[str]) -> Path:
    return Path(next(o for o in overrides if o.startswith("run.dir=")).removeprefix("run.dir="))


def elsewhere(overrides: list[str], folder: Path) -> list[str]:
    return [f"run.dir={folder}" if o.startswith("run.dir=") else o for o in overrides]


def test_a_run_leaves_everything_behind(small_run: list[str]) -> None:
    assert main(["train", *small_run]) == 0
    run = folder_of(small_run)
    events = read_events(run / "metrics.jsonl")
    assert [e["step"] for e in events if e["kind"] == "train"] == [1, 2, 3, 4]
    assert [e["step"] for e in events if e["kind"] == "evaluate"] == [0, 2, 4]
    assert events[-1]["kind"] == "end"
    health = [e for e in events if e["kind"] == "health"]
    assert health
    assert all(e["ok"] for e in health)
    train = next(e for e in events if e["kind"] == "train")
    phases = {"sample", "decode", "reward", "backward", "optimizer", "step"}
    assert {key.removeprefix("seconds/") for key in train if key.startswith("seconds/")} == phases
    for name in ("recipe.yaml", "environment.json", "report.html", "model/model_index.json"):
        assert (run / name).is_file(), name
    grid = next(e["grid"] for e in events if e["kind"] == "evaluate")
    assert Image.open(run / grid).width > 100
    assert [p.name for p in sorted((run / "checkpoints").iterdir())] == ["step_00000002", "step_00000004"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_resume_is_bit_identical(
    variant: str, small_run: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = [*small_run, *VARIANTS[variant]]
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    assert main(["train", *elsewhere(overrides, straight)]) == 0

    train = run_module.Session._train

    def crash(self: run_module.Session, step: int) -> dict:
        if step == 4:
            raise KeyboardInterrupt
        return train(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(run_module.Session, "_train", crash)
        assert main(["train", *elsewhere(overrides, broken)]) == 130
    torch.manual_seed(99)  # a new process has another global state
    assert main(["resume", str(broken)]) == 0

    one, two = (checkpoint.latest(folder / "checkpoints") for folder in (straight, broken))
    assert one.step == two.step == 4
    for group, members in one.tensors.items():
        for name, value in members.items():
            assert torch.equal(value, two.tensors[group][name]), (group, name)

    def numbers(folder: Path) -> list[dict]:
        rows = [e for e in read_events(folder / "metrics.jsonl") if e["kind"] in ("train", "evaluate")]
        skip = ("time", "seconds/", "images_per_second")
        return [{k: v for k, v in row.items() if not k.startswith(skip)} for row in rows]

    assert numbers(straight) == numbers(broken)


def test_training_raises_its_reward(small_run: list[str]) -> None:
    """Redness is easy: a few steps must raise it on fixed prompts with fixed noise."""
    more = [
        "train.steps=16",
        "train.lr=0.005",
        "train.ema=null",
        "sampling.group_size=8",
        "evaluation.every=16",
    ]
    assert main(["train", *small_run, *more]) == 0
    rows = [e for e in read_events(folder_of(small_run) / "metrics.jsonl") if e["kind"] == "evaluate"]
    name = next(key for key in rows[0] if key.endswith(":redness"))
    assert rows[-1][name] > rows[0][name] + 0.02


def test_an_evaluation_of_several_pictures_a_prompt_takes_groupwise_rewards(small_run: list[str]) -> None:
    win = "{name: win_rate, options: {over: scenes_graded}}"
    rewards = f"evaluation.reward=[{{name: scenes_graded}}, {{name: diversity}}, {win}]"
    assert main(["train", *small_run, rewards, "evaluation.group_size=2"]) == 0
    rows = [e for e in read_events(folder_of(small_run) / "metrics.jsonl") if e["kind"] == "evaluate"]
    for row in rows:
        assert 0 < row["diversity"] < 1
        assert row["win_rate"] == pytest.approx(0.5)  # of two, one wins or both share


def test_a_run_folder_is_never_overwritten(small_run: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    folder = folder_of(small_run)
    folder.mkdir()
    (folder / "precious.txt").write_text("mine")
    assert main(["train", *small_run]) == 2
    assert "burnish resume" in capsys.readouterr().err
    assert [p.name for p in folder.iterdir()] == ["precious.txt"]


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("data.prompts=nowhere.txt", "no prompt file"),
        ("evaluation.reward=[{name: win_rate, options: {over: scenes_graded}}]", "set evaluation.group_size"),
        ("rewards=[{name: pickscore}]", "needs the option path"),
        ("algorithm.advantage.combine=gdpo", "only one has a weight"),
        ("model.path=nowhere", "does not exist"),
        ("rewards=[{name: scenes_strct}]", "did you mean scenes_strict"),
        ("run.device=warp:3", "run.device"),
        ("train.stepz=3", "train.steps"),
    ],
)
def test_refusals_come_before_the_folder(
    small_run: list[str], override: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *small_run, override]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert not folder_of(small_run).exists()


def test_a_damaged_checkpoint_is_passed_over(
    small_run: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *small_run]) == 0
    run = folder_of(small_run)
    newest = run / "checkpoints" / "step_00000004" / "parameters.safetensors"
    newest.write_bytes(newest.read_bytes()[:-10])
    assert main(["resume", str(run)]) == 0
    assert "damaged" in capsys.readouterr().out
    assert checkpoint.latest(run / "checkpoints").step == 4


def test_longer_training_continues(small_run: list[str]) -> None:
    assert main(["train", *small_run]) == 0
    run = folder_of(small_run)
    assert main(["resume", str(run), "--steps", "6"]) == 0
    steps = [e["step"] for e in read_events(run / "metrics.jsonl") if e["kind"] == "train"]
    assert steps == [1, 2, 3, 4, 5, 6]
    assert main(["resume", str(run), "--steps", "3"]) == 2


def test_unscorable_images_are_masked_not_zero(small_run: list[str], tmp_path: Path) -> None:
    file = tmp_path / "half.py"
    file.write_text(
        "def half(images, prompts):\n    return [None if i % 2 else float(i) for i in range(len(images))]\n"
    )
    assert main(["train", *small_run, f"rewards=[{{name: '{file}:half'}}]", "train.steps=1"]) == 0
    row = next(e for e in read_events(folder_of(small_run) / "metrics.jsonl") if e["kind"] == "train")
    assert (row["issued"], row["trained"], row["skipped"]) == (6, 3, 3)
    assert row["reward"] == pytest.approx(2.0)  # mean of 0, 2, 4


def test_non_finite_gradients_touch_nothing(
    small_run: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("burnish.train.loop.clip_and_check", lambda parameters, norm: float("nan"))
    assert main(["train", *small_run, "train.nonfinite_budget=2"]) == 2
    assert "non-finite" in capsys.readouterr().err
    run = folder_of(small_run)
    start = checkpoint.latest(run / "checkpoints")
    from burnish.policies.load import load_policy
    from burnish.recipes.load import load_recipe

    base = load_policy(load_recipe(str(run / "recipe.yaml"), []).model, "cpu")
    for name, value in base.parameters.items():
        assert torch.equal(value.detach(), start.tensors["parameters"][name])


def test_sample_and_evaluate_a_run(
    small_run: list[str], redness: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *small_run]) == 0
    run, out = folder_of(small_run), tmp_path / "samples"
    assert (
        main(
            ["sample", str(run), "a red circle", "a star", "--out", str(out), "--count", "2", "--steps", "2"]
        )
        == 0
    )
    rows = [json.loads(line) for line in (out / "prompts.jsonl").read_text().splitlines()]
    assert [row["prompt"] for row in rows] == ["a red circle"] * 2 + ["a star"] * 2
    pictures = [np.asarray(Image.open(out / row["file"])) for row in rows]
    assert pictures[0].shape == (32, 32, 3)
    assert not np.array_equal(pictures[0], pictures[1])
    capsys.readouterr()
    options = ["--reward", redness, "--count", "4", "--steps", "2", "--json"]
    assert main(["evaluate", str(run), *options]) == 0
    tuned = json.loads(capsys.readouterr().out)
    assert main(["evaluate", str(run), "--base", *options]) == 0
    base = json.loads(capsys.readouterr().out)
    name = next(key for key in tuned[0] if key.endswith("redness"))
    assert tuned[0][name] != base[0][name]
    for hybrid, same in ((0, base), (2, tuned)):
        assert main(["evaluate", str(run), "--hybrid", str(hybrid), *options]) == 0
        assert json.loads(capsys.readouterr().out)[0][name] == same[0][name]
    mixed = tmp_path / "mixed"
    assert (
        main(["sample", str(run), "a red circle", "--out", str(mixed), "--steps", "2", "--hybrid", "1"]) == 0
    )
    picture = np.asarray(Image.open(mixed / "00000.png"))
    assert not np.array_equal(picture, pictures[0])
    capsys.readouterr()
    model = load_recipe(str(run)).model.path
    assert main(["evaluate", model, "--hybrid", "1", *options]) == 2
    assert "is not a run, so it has no base; leave out --hybrid" in capsys.readouterr().err


@pytest.mark.parametrize("lora", ["null", "{rank: 2, alpha: 4.0}"])
def test_evaluations_in_which_the_base_takes_every_step_stay_where_they_were(
    small_run: list[str], lora: str
) -> None:
    words = [*small_run, f"model.lora={lora}", "train.lr=1e-2", "train.steps=2"]
    assert main(["train", *words, "evaluation.hybrid=0"]) == 0
    events = [e for e in read_events(folder_of(small_run) / "metrics.jsonl") if e["kind"] == "evaluate"]
    name = next(key for key in events[0] if key.endswith("redness"))
    assert [event["step"] for event in events] == [0, 2]
    assert events[0][name] == events[1][name]
