"""Noisy views of pictures: how strong, and that only the sampling sees them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from burnish.cli import main
from burnish.data.prompts import load_prompts
from burnish.media import Picture
from burnish.policies.language import noise
from burnish.policies.load import load_policy
from burnish.recipes.load import load_recipe
from burnish.types import Prompt

GREY = Image.new("RGB", (64, 64), (127, 127, 127))


def pixels(source: Picture) -> np.ndarray:
    return np.asarray(source.open(), np.float32) / 127.5 - 1


def test_the_noise_has_the_stated_strength() -> None:
    (seen,) = noise.view(Prompt("<image>", images=(GREY,)), 0.25, (1,)).images
    assert pixels(seen).std() == pytest.approx(0.25, abs=0.01)
    white = Image.new("RGB", (64, 64), "white")
    (seen,) = noise.view(Prompt("<image>", images=(white,)), 1.0, (1,)).images
    assert abs(pixels(seen).mean()) < 0.03  # nothing is left of the picture


def test_views_differ_by_seed_and_place_only() -> None:
    prompt = Prompt("<image><image><video>", images=(GREY, GREY), videos=((GREY, GREY),))

    def opened(seed: int) -> list[np.ndarray]:
        made = noise.view(prompt, 0.3, (seed,))
        return [pixels(source) for source in (*made.images, *made.videos[0])]

    first, again, other = opened(1), opened(1), opened(2)
    for i in range(4):
        assert np.array_equal(first[i], again[i])
        assert not np.array_equal(first[i], other[i])
        for j in range(i):
            assert not np.array_equal(first[i], first[j])


def test_the_level_falls_from_its_start_to_nothing() -> None:
    levels = [noise.level_at(0.5, step, 60) for step in range(1, 61)]
    assert levels == sorted(levels, reverse=True)
    assert levels[0] == pytest.approx(0.5, abs=1e-6)
    assert noise.level_at(0.5, 40, 60) == pytest.approx(0.25)
    assert levels[-1] == pytest.approx(0.5 / (1 + math.exp(10)), rel=1e-6)


def test_half_a_group_sees_noise_and_the_gradient_does_not(language_run: list[str]) -> None:
    recipe = load_recipe(
        language_run[0],
        [*language_run[1:], "sampling.noisy={share: 0.5, level: 1.0}", "sampling.group_size=4"],
    )
    policy = load_policy(recipe.model, "cpu", 0)
    prompts = load_prompts(recipe.data.prompts, limit=2)
    asked = []
    generate = policy._generate

    def watched(shown, temperature, seed):
        asked.extend(shown)
        return generate(shown, temperature, seed)

    policy._generate = watched
    (rollouts,) = policy.roll(prompts, recipe, 1, ("seed", 1))
    clean = [policy.encoder(prompt).visuals["pixel_values"] for prompt in prompts]
    for place, shown in enumerate(asked):
        same = torch.equal(shown.visuals["pixel_values"], clean[place // 4])
        assert same == (place % 4 < 2)
    log_ratio, _ = policy.evaluate(rollouts, torch.arange(8), rows=8)
    assert log_ratio.abs().max() < 1e-6  # old log-probabilities are of the clean picture too
    unlike = replace(rollouts, sampled_log_prob_BT=rollouts.log_prob_BT).numbers["engine/kl"]
    assert rollouts.numbers["engine/kl"] > unlike


def test_images_refuse_noisy_views(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", f"run.dir={tmp_path / 'run'}", "sampling.noisy={share: 0.5}"]) == 2
    assert "sampling.noisy is for language models" in capsys.readouterr().err
