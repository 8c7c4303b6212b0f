import json
from functools import partial

import numpy as np
import pytest
import torch
from diffusers import FluxPipeline

from burnish.errors import ModelError, RecipeError
from burnish.scenes import models, pretrain
from burnish.scenes.grammar import parse

QUICK = [
    *("--size", "tiny", "--scenes", "64", "--workers", "1", "--device", "cpu"),
    *("--autoencoder-steps", "2", "--text-steps", "2", "--batch", "8"),
]


def test_slots_by_hand():
    assert pretrain.slots("a circle") == [1, 0, 0, 0, 0, 0, 1, 0]
    assert pretrain.slots("there are three small red crosses") == [5, 1, 1, 0, 0, 0, 3, 0]
    assert pretrain.slots("a pink star above a green ring") == [4, 8, 0, 6, 2, 0, 1, 3]


def test_training_scenes_are_a_function_of_the_seed_and_never_held_out():
    images, texts = pretrain.render_block(5)
    again, same = pretrain.render_block(5)
    assert np.array_equal(images, again)
    assert texts == same
    assert images.shape == (pretrain.BLOCK, models.PIXELS, models.PIXELS, 3)
    assert {parse(text).split for text in texts} == {"train"}
    assert texts != pretrain.render_block(6)[1]
    larger, same = pretrain.render_block(5, 2 * models.PIXELS)
    assert texts == same
    halved = larger.reshape(pretrain.BLOCK, models.PIXELS, 2, models.PIXELS, 2, 3).mean((2, 4))
    assert np.abs(halved - images).mean() < 2  # the same scenes, drawn finer


def test_a_model_is_built_from_nothing_and_loads_like_flux(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrain, "strict_score", partial(pretrain.strict_score, count=8))
    out = tmp_path / "model"
    assert pretrain.main([*QUICK, "--out", str(out), "--steps", "2", "--every", "1"]) == 0
    for folder, step in ((out / "step_1", 1), (out, 2)):
        pipe = FluxPipeline.from_pretrained(folder, dtype=torch.float16)
        assert pipe.transformer.dtype == torch.float16
        assert pipe.vae.config.scaling_factor > 0
        facts = json.loads((folder / "training.json").read_text())
        assert facts["step"] == step
        assert f"--steps {step} --size tiny --seed 0 --scenes 64" in facts["command"]
        assert facts["command"] in (folder / "README.md").read_text()
    pipe = FluxPipeline.from_pretrained(out, dtype=torch.float32)
    assert len(pretrain.draw_samples(pipe, ["a red circle"], 0, steps=2)) == 1
    with pytest.raises(RecipeError, match="not empty"):
        pretrain.main([*QUICK, "--out", str(out)])


def test_the_flow_transformer_starts_as_zero():
    pipe = models.pipeline(models.SIZES["tiny"], ["a red circle"], models.vae(), seed=0)
    pooled, sequence = pretrain.embed(pipe, *pretrain.tokenize(pipe, ["a red circle"]))
    latents = torch.randn(1, 16, 4 * models.LATENT_CHANNELS)
    velocity = pipe.transformer(
        hidden_states=latents,
        timestep=torch.ones(1),
        pooled_projections=pooled,
        encoder_hidden_states=sequence,
        txt_ids=torch.zeros(models.TEXT_TOKENS, 3),
        img_ids=pipe._prepare_latent_image_ids(1, 4, 4, "cpu", torch.float32),
        return_dict=False,
    )[0]
    assert velocity.abs().max() == 0


def test_a_model_may_take_a_bundled_autoencoder(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrain, "strict_score", partial(pretrain.strict_score, count=8))
    out = tmp_path / "model"
    words = ["--out", str(out), "--steps", "1", "--autoencoder", "scenes-small"]
    assert pretrain.main([*QUICK, *words]) == 0
    small = models.bundled("scenes-small") / "vae"
    taken = out / "vae"
    for name in ("config.json", "diffusion_pytorch_model.safetensors"):
        assert (taken / name).read_bytes() == (small / name).read_bytes()
    with pytest.raises(RecipeError, match="is of 32 pixels, --size large of 64: leave --autoencoder out"):
        pretrain.main(["--size", "large", "--out", str(tmp_path / "large"), "--autoencoder", "scenes-small"])
    assert not (tmp_path / "large").exists()
    with pytest.raises(ModelError, match="scenes-reader makes no images"):
        models.autoencoder_of("scenes-reader")
    command = json.loads((out / "training.json").read_text())["command"]
    assert "--autoencoder scenes-small" in command
    assert "--autoencoder-steps" not in command
