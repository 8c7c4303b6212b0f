"""What every backbone owes: the pipeline's own images, exact ratios, adapters that diffusers reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import tiny
import torch

from burnish.core import transitions
from burnish.engine import rng
from burnish.errors import ModelError
from burnish.policies.load import load_policy
from burnish.recipes.schema import Lora, Model
from burnish.train import doctor

TEXTS = ["a red circle", "two small blue squares left of a green star"]
SIZE = 32
GUIDANCE: dict[str, float | None] = {
    "flux": None,
    "sd3": 5.0,
    "qwen": 3.0,
    "zimage": 2.0,
    "sd": 5.0,
    "sd_v": 5.0,
}
"""The pipeline's scale of guidance; the recipe's too."""
NO_GUIDANCE: dict[str, float] = {"sd3": 1.0, "qwen": 1.0, "zimage": 0.0, "sd": 1.0}


@pytest.fixture(scope="module", params=list(tiny.PIPELINES))
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    name = request.param
    return name, tiny.save(name, tmp_path_factory.mktemp(name))


def settings(family: tuple[str, str], **more: Any) -> Model:
    name, path = family
    options = {"path": path, "height": SIZE, "width": SIZE, "guidance_scale": GUIDANCE[name]} | more
    return Model(**options)


def theirs(pipe: Any, name: str, shape: tuple[int, ...], scale: float | None) -> np.ndarray:
    noise = torch.stack([rng.noise(shape, "image", seed) for seed in (3, 4)])
    return tiny.drawn(pipe, name, TEXTS, noise, 4, scale)


def test_ode_images_are_the_pipelines_own(family: tuple[str, str]) -> None:
    name, path = family
    policy = load_policy(settings(family), "cpu")
    pipe = diffusers.DiffusionPipeline.from_pretrained(path)
    ours = policy.generate(TEXTS, 4, seeds=[3, 4], rows=8)
    expected = theirs(pipe, name, policy.backbone.latent_shape, GUIDANCE[name])
    assert ours.std() > 3
    assert np.abs(ours - expected).max() <= 1.01


@pytest.mark.parametrize("family", list(NO_GUIDANCE), indirect=True)
def test_without_guidance_too(family: tuple[str, str]) -> None:
    name, path = family
    policy = load_policy(settings(family, guidance_scale=NO_GUIDANCE[name]), "cpu")
    assert policy.backbone.guide is None
    pipe = diffusers.DiffusionPipeline.from_pretrained(path)
    expected = theirs(pipe, name, policy.backbone.latent_shape, NO_GUIDANCE[name])
    guided = load_policy(settings(family), "cpu").generate(TEXTS, 4, seeds=[3, 4], rows=8)
    ours = policy.generate(TEXTS, 4, seeds=[3, 4], rows=8)
    assert np.abs(ours - expected).max() <= 1.01
    assert not np.array_equal(ours, guided)


def roll(policy: Any, prompts: list[str] = TEXTS) -> Any:
    schedule = policy.backbone.schedule(4)
    kind = "flow_sde" if schedule.prediction == "velocity" else "ddim"
    plain = transitions.table("ode", schedule)
    table = transitions.table(kind, schedule, 0.7).window(0, 3, plain)
    return policy.sample(prompts, 2, table, seed=(0,), shared_noise=True, rows=64)


def test_ratio_is_one_and_every_decision_has_a_gradient(family: tuple[str, str]) -> None:
    policy = load_policy(settings(family), "cpu")
    rollouts = roll(policy)
    log_ratio, _ = policy.evaluate(rollouts, torch.arange(4), rows=4)
    assert log_ratio.shape == (4, 3)
    assert log_ratio.abs().max() < 1e-5
    weights = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    (log_ratio * weights).sum().backward()
    gradients = [p.grad for p in policy.parameters.values() if p.grad is not None]
    assert sum(float(g.abs().sum()) for g in gradients) > 0
    assert all(bool(g.isfinite().all()) for g in gradients)


@pytest.mark.parametrize("lora", [None, Lora(rank=2)], ids=["full", "lora"])
def test_bfloat16_keeps_ratio_times_and_trained_weights_exact(
    family: tuple[str, str], lora: Lora | None
) -> None:
    policy = load_policy(settings(family, lora=lora, dtype="bfloat16"), "cpu")
    rollouts = roll(policy)
    log_ratio, _ = policy.evaluate(rollouts, torch.arange(4), rows=12)
    assert log_ratio.dtype == rollouts.latents_BT.dtype == rollouts.prediction_BT.dtype == torch.float32
    assert log_ratio.abs().max() < 1e-4  # a tenth of the usual clip range
    log_ratio.sum().backward()
    assert all(p.dtype == torch.float32 for p in policy.parameters.values())
    gradients = [p.grad for p in policy.parameters.values() if p.grad is not None]
    assert sum(float(g.abs().sum()) for g in gradients) > 0
    assert doctor.exact_times(policy).ok
    assert doctor.same_images(policy, TEXTS, 4).ok


def test_lora_starts_at_the_base_and_diffusers_reads_it(family: tuple[str, str], tmp_path: Path) -> None:
    name, path = family
    policy = load_policy(settings(family, lora=Lora(rank=2, alpha=4.0)), "cpu")
    assert policy.parameters
    assert all("lora_" in key for key in policy.parameters)
    base = load_policy(settings(family), "cpu").generate(TEXTS, 4, seeds=[3, 4], rows=8)
    assert np.array_equal(policy.generate(TEXTS, 4, seeds=[3, 4], rows=8), base)
    with torch.no_grad():
        for parameter in policy.parameters.values():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    ours = policy.generate(TEXTS, 4, seeds=[3, 4], rows=8)
    assert not np.array_equal(ours, base)
    policy.backbone.save_lora(tmp_path)
    pipe = diffusers.DiffusionPipeline.from_pretrained(path)
    pipe.load_lora_weights(tmp_path)
    assert np.abs(ours - theirs(pipe, name, policy.backbone.latent_shape, GUIDANCE[name])).max() <= 1.01


def test_company_does_not_change_a_prompt(family: tuple[str, str]) -> None:
    policy = load_policy(settings(family), "cpu")
    together = policy.generate(TEXTS, 3, seeds=[3, 4], rows=8)
    alone = policy.generate(TEXTS[:1], 3, seeds=[3], rows=8)
    assert np.abs(together[:1].astype(int) - alone.astype(int)).max() <= 1


def test_sizes_that_do_not_fit_are_refused(family: tuple[str, str]) -> None:
    with pytest.raises(ModelError, match="multiple of"):
        load_policy(settings(family, height=33), "cpu")


def test_resolution_moves_the_schedule_where_the_scheduler_says_so(tmp_path: Path) -> None:
    path = tiny.save("qwen", tmp_path)
    small, large = (
        load_policy(Model(path=path, height=side, width=side), "cpu").backbone.schedule(4)
        for side in (32, 64)
    )
    assert (large.sigma_T1[1:-2] > small.sigma_T1[1:-2]).all()
