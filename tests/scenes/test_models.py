from __future__ import annotations

import json

import pytest
import torch

from burnish.cli import main
from burnish.scenes import models, pretrain
from burnish.scenes.pretrain import strict_score

BUNDLED = sorted(path.parent for path in models.BUNDLED.glob("*/model_index.json"))


def test_there_is_a_bundled_model() -> None:
    assert models.BUNDLED / "small" in BUNDLED
    assert models.bundled("scenes-small") == models.BUNDLED / "small"


@pytest.mark.parametrize("folder", BUNDLED, ids=lambda folder: folder.name)
def test_a_bundled_model_is_a_small_flux_with_its_card(folder) -> None:
    assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) < 12 * 2**20
    facts = json.loads((folder / "training.json").read_text())
    words = facts["command"].removeprefix("burnish scenes pretrain ").split()
    settings = pretrain.arguments(words)
    assert settings.steps == facts["step"]
    assert facts["command"] in (folder / "README.md").read_text()


@pytest.mark.parametrize("folder", BUNDLED, ids=lambda folder: folder.name)
def test_a_bundled_model_scores_what_its_card_says(folder) -> None:
    from diffusers import FluxPipeline

    pipe = FluxPipeline.from_pretrained(folder, dtype=torch.float32)
    claimed = json.loads((folder / "training.json").read_text())
    assert strict_score(pipe, count=128, split="test") == pytest.approx(claimed["strict_test"], abs=0.13)


def test_the_command_line_trains_the_bundled_model(tmp_path, capsys) -> None:
    small = ["sampling.prompts_per_step=2", "sampling.group_size=4", "evaluation.count=6"]
    run = tmp_path / "run"
    assert main(["train", f"run.dir={run}", "train.steps=2", "run.device=cpu", *small]) == 0
    assert "report.html" in capsys.readouterr().out
    assert (run / "model" / "transformer" / "diffusion_pytorch_model.safetensors").is_file()
    events = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [e["step"] for e in events if e["kind"] == "train"] == [1, 2]
    assert {e["set"] for e in events if e["kind"] == "evaluate"} == {"scenes:test", "scenes:ood"}
    assert main(["sample", str(run), "a red circle", "--out", str(tmp_path / "drawn"), "--steps", "4"]) == 0
    assert (tmp_path / "drawn" / "00000.png").is_file()


def test_tokens_are_numbered_by_a_rule_not_by_chance() -> None:
    clip, _ = models.tokenizers(["a red star", "a red ring", "two red stars"])
    vocab = clip.get_vocab()
    tokens = sorted(vocab, key=vocab.__getitem__)
    assert tokens[:2] == ["<|startoftext|>", "<|endoftext|>"]
    alphabet, rest = tokens[2:258], tokens[258:]
    assert alphabet == sorted(alphabet)
    ends = [token for token in rest if len(token.removesuffix("</w>")) == 1]
    assert rest[: len(ends)] == sorted(ends)
    assert rest[len(ends) :][:2] == ["ed</w>", "red</w>"]  # in the order of the merges
