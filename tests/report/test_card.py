"""The model card says where the weights come from, what they earned, and how to load them."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from burnish.errors import RunError
from burnish.recipes.load import dump_yaml, load_recipe
from burnish.report.card import write_card
from burnish.report.events import EventLog


def run_folder(folder: Path, *overrides: str) -> Path:
    recipe = load_recipe(None, ["model.path=models/base", "rewards.0.weight=0.5", "run.seed=7", *overrides])
    (folder / "model").mkdir(parents=True)
    (folder / "images").mkdir()
    (folder / "recipe.yaml").write_text(dump_yaml(recipe))
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(folder / "images" / "scenes-test_timeline.png")
    log = EventLog(folder / "metrics.jsonl")
    for step, score in ((0, 0.4), (2, 0.51234)):
        fields = {"set": "scenes:test", "count": 8, "scenes_strict": score, "scenes_strict/se": 0.02}
        log.append("evaluate", step, **fields)
    log.append("train", 2, reward=0.6)
    return folder


def test_a_lora_card(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", "model.lora={rank: 4}", "model.guidance_scale=4.5")
    card = write_card(run, run / "model", "FluxPipeline").read_text()
    _, matter, text = card.split("---\n", 2)
    assert yaml.safe_load(matter)["base_model"] == "base"
    assert "lora" in yaml.safe_load(matter)["tags"]
    assert 'pipe.load_lora_weights("path/to/this/folder")' in text
    assert 'FluxPipeline.from_pretrained("path/to/base")' in text
    assert "guidance scale 4.5" in text
    assert "seed 7" in text
    assert "| scenes:test | scenes_strict | 0.400 ± 0.020 | 0.512 ± 0.020 |" in text
    assert "| `scenes_graded` | 0.5 |" in text
    recipe = yaml.safe_load(text.split("```yaml\n")[1].split("```")[0])
    assert recipe["model"]["lora"]["rank"] == 4
    assert (run / "model" / "timeline.png").is_file()
    drawing = ElementTree.parse(run / "model" / "curve.svg").getroot()
    assert drawing.tag == "{http://www.w3.org/2000/svg}svg"
    assert "--c0: #0b63ad" in (run / "model" / "curve.svg").read_text()  # its own style comes along


def test_a_card_of_all_weights(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run")
    card = write_card(run, run / "model", "StableDiffusionPipeline").read_text()
    assert 'StableDiffusionPipeline.from_pretrained("path/to/this/folder")' in card
    assert "load_lora_weights" not in card


def test_a_folder_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run")
    with pytest.raises(RunError, match=r"cannot write .*nowhere: No such file"):
        write_card(run, run / "nowhere", "FluxPipeline")
