"""Every backbone, full and LoRA, by the command line: train, resume to the same bits, export, reload."""

from __future__ import annotations

from pathlib import Path

import diffusers
import numpy as np
import pytest
import tiny
import torch

from burnish.cli import main
from burnish.engine import checkpoint, rng
from burnish.evaluate.evaluate import open_model

TEXTS = ["a red circle", "two small blue squares left of a green star"]
GUIDANCE = {"sd3": 3.0, "qwen": 3.0, "zimage": 1.0, "sd": 3.0, "sd_v": 3.0}
STEPS = 3


@pytest.fixture(scope="module", params=list(tiny.PIPELINES))
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return request.param, tiny.save(request.param, tmp_path_factory.mktemp(request.param))


def words(name: str, path: str, run: Path, redness: str, lora: bool, steps: int) -> list[str]:
    transition = "ddim" if name in ("sd", "sd_v") else "flow_sde"
    return [
        f"model.path={path}",
        "model.height=32",
        "model.width=32",
        f"model.guidance_scale={GUIDANCE.get(name, 'null')}",
        f"model.lora={'{rank: 2, alpha: 4.0}' if lora else 'null'}",
        f"run.dir={run}",
        "run.device=cpu",
        f"rewards=[{{name: '{redness}'}}]",
        f"evaluation.reward=[{{name: '{redness}'}}]",
        "evaluation.count=2",
        "evaluation.also=[]",
        "evaluation.steps=2",
        "evaluation.every=2",
        "evaluation.pictures=2",
        f"sampling.transition={transition}",
        "sampling.steps=3",
        "sampling.window=[0, 2]",
        "sampling.group_size=2",
        "sampling.prompts_per_step=2",
        "sampling.rows=4",
        f"train.steps={steps}",
        "train.checkpoint_every=2",
        "train.lr=1e-3",
        "train.ema=0.5",
    ]


@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
def test_train_resume_export_reload(
    family: tuple[str, str], lora: bool, redness: str, tmp_path: Path
) -> None:
    name, path = family
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    assert main(["train", *words(name, path, straight, redness, lora, steps=4)]) == 0
    assert main(["train", *words(name, path, broken, redness, lora, steps=2)]) == 0
    assert main(["resume", str(broken), "--steps", "4"]) == 0
    first, second = (checkpoint.latest(run / "checkpoints").tensors for run in (straight, broken))
    assert first.keys() == second.keys()
    for kind, tensors in first.items():
        assert all(torch.equal(value, second[kind][key]) for key, value in tensors.items()), kind
    base, tuned = (open_model(str(straight), "cpu", base=flag) for flag in (True, False))
    assert any(not torch.equal(base.parameters[n], p) for n, p in tuned.parameters.items())

    seeds = [3, 4]
    ours = tuned.generate(TEXTS, STEPS, seeds=seeds, rows=4)
    assert not np.array_equal(ours, base.generate(TEXTS, STEPS, seeds=seeds, rows=4))
    pipe = diffusers.DiffusionPipeline.from_pretrained(path if lora else straight / "model")
    if lora:
        pipe.load_lora_weights(straight / "model")
    noise = torch.stack([rng.noise(tuned.backbone.latent_shape, "image", seed) for seed in seeds])
    theirs = tiny.drawn(pipe, name, TEXTS, noise, STEPS, GUIDANCE.get(name))
    assert np.abs(ours - theirs).max() <= 1.01
    card = (straight / "model" / "README.md").read_text()
    assert type(pipe).__name__ in card
    assert ("load_lora_weights" in card) == lora
