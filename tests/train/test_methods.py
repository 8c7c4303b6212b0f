"""Methods on an exact problem: a model that is the flow of N(m, 1) with one weight m, and the reward x."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from burnish.core.transitions import Schedule
from burnish.policies.denoising.policy import DenoisingPolicy
from burnish.policies.load import load_policy
from burnish.recipes.load import load_recipe
from burnish.recipes.schema import Model
from burnish.rewards.reward import RewardSet
from burnish.train.loop import Trainer
from burnish.train.update import Credit, accumulate
from burnish.types import Prompt

PRESETS = ("grpo_guard", "tempflow", "flow_dppo", "awm", "diffusion_nft")
PROMPTS = [Prompt("one"), Prompt("two")]


class Bell(nn.Module):
    """The velocity E[ε − x_0 | x_t] for x_0 ~ N(m, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.m = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, t_B: Tensor) -> Tensor:
        t = t_B[:, None]
        slope = (2 * t - 1) / ((1 - t).square() + t.square())
        return slope * (x - (1 - t) * self.m) - self.m


class Line:
    """A backbone whose images are single numbers."""

    latent_shape = (1,)
    guidance, guide, unprompted = None, None, ""
    pipe = SimpleNamespace(components={})

    def __init__(self) -> None:
        self.denoiser = Bell()

    def encode(self, texts: list[str]) -> list[dict[str, Tensor]]:
        return [{"text": torch.zeros(1)} for _ in texts]

    def schedule(self, steps: int) -> Schedule:
        sigmas = torch.linspace(1, 0, steps + 1, dtype=torch.float64)
        return Schedule(sigmas[:-1], sigmas)

    def predict(self, latents: Tensor, time_B: Tensor, condition: Any) -> Tensor:
        return self.denoiser(latents, time_B)

    def decode(self, latents: Tensor) -> np.ndarray:
        grey = (latents * 16 + 128).clamp(0, 255).to(torch.uint8)
        return grey[:, :, None, None].expand(-1, 1, 1, 3).numpy()


def brightness(images: list[np.ndarray], prompts: Any) -> list[float]:
    return [float(image.mean()) for image in images]


def darkness(images: list[np.ndarray], prompts: Any) -> list[float]:
    return [-float(image.mean()) for image in images]


def trained(preset: str, reward: Any, *more: str) -> list[dict[str, Any]]:
    recipe = load_recipe(
        None,
        [
            f"algorithm.preset={preset}",
            "sampling.steps=8",
            "sampling.window=[0, 7]",
            "sampling.group_size=32",
            "sampling.prompts_per_step=2",
            "sampling.rows=4096",
            "algorithm.objective.clip_low=0.1",
            "train.lr=0.05",
            "train.updates=2",
            "train.ema=null",
            *more,
        ],
    )
    policy = DenoisingPolicy(Line(), torch.device("cpu"))  # type: ignore[arg-type]
    trainer = Trainer(recipe, policy, PROMPTS, RewardSet([("x", 1.0, reward)]))
    rows = [trainer.step(step) for step in range(1, 16)]
    return [*rows, {"m": policy.backbone.denoiser.m.item()}]


@pytest.mark.parametrize("preset", PRESETS)
def test_the_mean_moves_to_where_the_reward_is(preset: str) -> None:
    *rows, last = trained(preset, brightness)
    assert last["m"] > 0.3
    assert all(row["ratio_drift"] < 1e-5 for row in rows)
    assert sum(row["reward"] for row in rows[-3:]) > sum(row["reward"] for row in rows[:3])
    assert trained(preset, darkness)[-1]["m"] < -0.3


@pytest.mark.parametrize("preset", ["awm", "diffusion_nft"])
def test_copies_learn_from_deterministic_images_too(preset: str) -> None:
    ode = ("sampling.transition=ode", "sampling.shared_noise=false")
    assert trained(preset, brightness, *ode)[-1]["m"] > 0.3


def test_copies_learn_from_a_share_of_their_levels() -> None:
    assert trained("awm", brightness, "algorithm.unit.fraction=0.3")[-1]["m"] > 0.3


def test_dppo_holds_a_policy_that_ran_away() -> None:
    rows = trained("flow_dppo", brightness, "algorithm.objective.threshold=1e-8")
    assert rows[0]["clip_fraction"] > 0.1  # of its two updates the second


# --- on a network -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def moved(tiny_flux: str) -> Any:
    """A policy and rollouts of its former self for each preset."""
    policy = load_policy(Model(path=tiny_flux), "cpu")
    texts = [Prompt("a red circle"), Prompt("a star"), Prompt("two blue squares")]
    settings = ["sampling.steps=5", "sampling.window=[0, 4]", "sampling.group_size=3"]
    updates = ["sampling.prompts_per_step=3", "train.updates=2"]
    made = {}
    for preset in PRESETS:
        recipe = load_recipe(None, [f"algorithm.preset={preset}", *settings, *updates])
        made[preset] = (recipe, next(policy.roll(texts, recipe, 1, (0,))))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in policy.parameters.values():
            value.add_(0.003 * torch.randn(value.shape, generator=generator))
    return policy, made


def gradient(policy: Any, rollouts: Any, credit: Credit, algorithm: Any, rows: int) -> Tensor:
    policy.backbone.denoiser.zero_grad(set_to_none=True)
    accumulate(policy, rollouts, credit, algorithm, rows)
    return torch.cat([p.grad.flatten() for p in policy.parameters.values() if p.grad is not None])


ADVANTAGE = torch.tensor([1.0, -0.5, -0.5, 0.0, 0.0, 0.0, 2.0, -1.0, -1.0])


def credit_of(weight_T: Tensor | None = None, unit_T: Tensor | None = None) -> Credit:
    unit_T = torch.arange(4) if unit_T is None else unit_T
    return Credit(ADVANTAGE, unit_T, torch.ones(9, 4, dtype=torch.bool), 9, weight_T=weight_T)


@pytest.mark.parametrize("preset", PRESETS)
def test_gradients_do_not_depend_on_the_micro_batch(preset: str, moved: Any) -> None:
    policy, made = moved
    recipe, rollouts = made[preset]
    credit = credit_of(torch.tensor([1.6, 1.2, 0.8, 0.4]))
    whole = gradient(policy, rollouts, credit, recipe.algorithm, 64)
    assert whole.abs().max() > 0
    for rows in (4, 20):
        again = gradient(policy, rollouts, credit, recipe.algorithm, rows)
        torch.testing.assert_close(again, whole, rtol=1e-3, atol=1e-6 * whole.abs().max().item())


def test_weights_scale_each_decision_s_share(moved: Any) -> None:
    """Weights (w, 0, 0, 0) leave w times the gradient of the first decision's loss; units average them."""
    policy, made = moved
    recipe, rollouts = made["tempflow"]
    alone = credit_of(torch.tensor([1.0, 0.0, 0.0, 0.0]))
    triple = credit_of(torch.tensor([3.0, 0.0, 0.0, 0.0]))
    one = gradient(policy, rollouts, alone, recipe.algorithm, 64)
    torch.testing.assert_close(gradient(policy, rollouts, triple, recipe.algorithm, 64), 3 * one)
    sequence = torch.zeros(4, dtype=torch.long)
    plain = gradient(policy, rollouts, credit_of(None, sequence), recipe.algorithm, 64)
    weighted = credit_of(torch.tensor([3.0, 0.5, 0.25, 0.25]), sequence)
    torch.testing.assert_close(gradient(policy, rollouts, weighted, recipe.algorithm, 64), plain)


def test_nft_pulls_back_rollouts_without_advantage(moved: Any) -> None:
    policy, made = moved
    recipe, rollouts = made["diffusion_nft"]
    credit = Credit(torch.zeros(9), torch.arange(4), torch.ones(9, 4, dtype=torch.bool), 9)
    assert gradient(policy, rollouts, credit, recipe.algorithm, 64).abs().max() > 0
    at_start = replace(credit, at_start=True)
    policy.backbone.denoiser.zero_grad(set_to_none=True)
    accumulate(policy, rollouts, at_start, recipe.algorithm, 64)  # where nothing drifted nobody is asked
    assert all(parameter.grad is None for parameter in policy.parameters.values())
