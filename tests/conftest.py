"""One tiny FLUX pipeline for the whole suite, in the hub's folder format, and a reward that costs nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_language
import torch
from hypothesis import settings

from burnish.engine.quiet import quiet
from burnish.scenes import models
from burnish.scenes.grammar import balanced

settings.register_profile("the same everywhere", deadline=None, derandomize=True)
settings.load_profile("the same everywhere")

REWARD = '''
import numpy as np

def redness(images, prompts):
    """Mean red minus mean blue, in [-1, 1]."""
    values = [np.asarray(image, dtype=float) / 255 for image in images]
    return [float(v[..., 0].mean() - v[..., 2].mean()) for v in values]
'''


@pytest.fixture(scope="session", autouse=True)
def _threads() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_flux(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder of a `FluxPipeline` of 0.2 M random parameters."""
    quiet("transformers", "diffusers")
    torch.manual_seed(1)  # the autoencoder too must be the same whatever ran before
    folder = tmp_path_factory.mktemp("models") / "tiny"
    pipe = models.pipeline(models.SIZES["tiny"], list(balanced("train")), models.vae((8, 16, 16)), seed=0)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():  # fresh blocks are the identity and the fresh output is zero: give them a say
        for name, parameter in pipe.transformer.named_parameters():
            if name.startswith(("proj_out", "norm_out")) or (".norm" in name and "linear" in name):
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    pipe.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def redness(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A user's reward, as `FILE.py:NAME`."""
    file = tmp_path_factory.mktemp("rewards") / "colour.py"
    file.write_text(REWARD, encoding="utf-8")
    return f"{file}:redness"


@pytest.fixture(scope="session")
def tiny_reader(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder of a Qwen2.5-VL of random weights."""
    return tiny_language.save("qwen2_5_vl", tmp_path_factory.mktemp("models") / "reader")


@pytest.fixture
def language_run(tiny_reader: str, tmp_path: Path) -> list[str]:
    """A recipe and overrides for a language run of seconds; even token counts of letters earn more."""
    reward = tmp_path / "letters.py"
    reward.write_text(
        "def vowels(completions, prompts, **columns):\n"
        "    return [sum(text.count(v) for v in 'aeiou ') + len(text) / 100 for text in completions]\n",
        encoding="utf-8",
    )
    return [
        "scenes-vqa",
        f"model.path={tiny_reader}",
        "model.max_new_tokens=8",
        f"run.dir={tmp_path / 'run'}",
        "run.device=cpu",
        f"rewards=[{{name: '{reward}:vowels'}}]",
        f"evaluation.reward=[{{name: '{reward}:vowels'}}]",
        "data.limit=12",
        "sampling.group_size=3",
        "sampling.prompts_per_step=4",
        "train.steps=2",
        "train.lr=1e-3",
        "evaluation.count=4",
        "evaluation.also=[]",
        "evaluation.every=2",
        "evaluation.pictures=2",
    ]


@pytest.fixture
def small_run(tiny_flux: str, redness: str, tmp_path: Path) -> list[str]:
    """Overrides for a run of seconds."""
    return [
        f"model.path={tiny_flux}",
        f"run.dir={tmp_path / 'run'}",
        "run.device=cpu",
        f"rewards=[{{name: '{redness}'}}]",
        f"evaluation.reward=[{{name: '{redness}'}}]",
        "evaluation.count=4",
        "evaluation.pictures=2",
        "evaluation.steps=2",
        "evaluation.every=2",
        "evaluation.also=[]",
        "sampling.steps=4",
        "sampling.window=[0, 3]",
        "sampling.group_size=3",
        "sampling.prompts_per_step=2",
        "train.steps=4",
        "train.checkpoint_every=2",
    ]
