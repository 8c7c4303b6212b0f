"""Noised copies as decisions: what is kept of them, and their ratio, for flows and diffusion models."""

from __future__ import annotations

from typing import Any

import pytest
import tiny
import torch

from burnish.core import ratios
from burnish.policies.denoising.matching import Copies
from burnish.policies.denoising.policy import DenoisingPolicy
from burnish.policies.load import load_policy
from burnish.recipes.load import load_recipe
from burnish.recipes.schema import Model, Ratio, Recipe
from burnish.types import Prompt

PROMPTS = [Prompt("a red circle"), Prompt("two blue squares")]
BASE = [
    "sampling.steps=5",
    "sampling.window=[0, 3]",
    "sampling.group_size=3",
    "sampling.prompts_per_step=2",
    "train.updates=2",
]
ODE = ["sampling.transition=ode", "sampling.shared_noise=false"]


@pytest.fixture(scope="module", params=["flux", "sd", "sd_v"])
def policy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> DenoisingPolicy:
    path = tiny.save(request.param, tmp_path_factory.mktemp("models") / request.param)
    return load_policy(Model(path=path), "cpu")


def recipe_of(preset: str, *more: str) -> Recipe:
    return load_recipe(None, [f"algorithm.preset={preset}", *BASE, *ODE, *more])


def roll(policy: DenoisingPolicy, recipe: Recipe, step: int = 1) -> Any:
    return Copies.join(list(policy.roll(PROMPTS, recipe, step, (0, "train", step))))


def levels(policy: DenoisingPolicy) -> tuple[torch.Tensor, torch.Tensor, str]:
    schedule = policy.backbone.schedule(5)
    return schedule.alpha_T1[:3], schedule.sigma_T1[:3].double(), schedule.prediction


def shaped(value_T: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return value_T.view(1, -1, *[1] * (like.ndim - 2)).to(like)


def test_a_copy_is_the_image_with_noise_and_its_target_what_is_missing(policy: DenoisingPolicy) -> None:
    rollouts = roll(policy, recipe_of("awm"))
    assert isinstance(rollouts, Copies)
    alpha_T, sigma_T, kind = levels(policy)
    x, x_0 = rollouts.latents_BT, rollouts.final_B[:, None]
    alpha, sigma = shaped(alpha_T, x), shaped(sigma_T, x)
    noise = (x - alpha * x_0) / sigma
    assert noise.std().item() == pytest.approx(1, abs=0.1)
    expected = {"velocity": noise - x_0, "epsilon": noise, "v_prediction": alpha * noise - sigma * x_0}[kind]
    torch.testing.assert_close(rollouts.noise_BT, expected, atol=1e-4, rtol=1e-4)
    v_old, missing = rollouts.followed(torch.tensor([4, 4]), torch.tensor([0, 2]), torch.empty(0))
    assert torch.equal(v_old, rollouts.prediction_BT[4, [0, 2]])
    s = shaped(rollouts.s_T, x)[0, [0, 2]]
    torch.testing.assert_close(v_old + s * missing, expected[4, [0, 2]], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("preset", ["awm", "diffusion_nft"])
def test_copies_may_have_every_level_the_last_too(policy: DenoisingPolicy, preset: str) -> None:
    recipe = recipe_of(preset, "sampling.window=[0, 5]")
    rollouts = roll(policy, recipe)
    assert rollouts.latents_BT.shape[1] == 5
    assert (rollouts.s_T > 0).all()
    log_ratio_BT, _, drift_BT = policy.measure(rollouts, torch.arange(6), 64, ratio=recipe.algorithm.ratio)
    assert log_ratio_BT.abs().max() < 1e-5
    assert drift_BT.isfinite().all()


@pytest.mark.parametrize("preset", ["awm", "diffusion_nft"])
def test_one_update_asks_the_weights_once_and_has_the_same_gradient(
    preset: str, policy: DenoisingPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipes = {updates: recipe_of(preset, f"train.updates={updates}") for updates in (1, 2)}
    asked: list[int] = []
    predict = policy.predict

    def counted(x: torch.Tensor, *rest: Any) -> torch.Tensor:
        asked.append(len(x))
        return predict(x, *rest)

    gradients = {}
    for updates, recipe in recipes.items():
        with monkeypatch.context() as patch:
            patch.setattr(policy, "predict", counted)
            asked.clear()
            rollouts = roll(policy, recipe)
            assert sum(asked) == 6 * 5 + (6 * 3 if updates == 2 else 0)
        log_ratio_BT, _, drift_BT = policy.measure(
            rollouts, torch.arange(6), 64, "none", recipe.algorithm.ratio
        )
        assert log_ratio_BT.abs().max() < 1e-5
        weight_BT = torch.linspace(-1, 1, 18).view(6, 3)
        loss = (weight_BT * log_ratio_BT).sum() + (drift_BT.sum() if drift_BT.requires_grad else 0.0)
        gradients[updates] = torch.autograd.grad(loss, list(policy.parameters.values()))
    largest = max(g.abs().max().item() for g in gradients[2])
    for once, twice in zip(gradients[1], gradients[2], strict=True):
        torch.testing.assert_close(once, twice, atol=2e-4 * largest, rtol=1e-3)


def test_the_images_are_those_of_the_ode(policy: DenoisingPolicy) -> None:
    recipe = recipe_of("awm")
    texts = [prompt.text for prompt in PROMPTS]
    table = policy.table(recipe, 1)
    assert (table.s_T == 0).all()
    plain = policy.sample(texts, 3, table, seed=(0, "train", 1), shared_noise=False, rows=192)
    assert torch.equal(plain.final_B, roll(policy, recipe).final_B)
    assert plain.latents_BT.shape[:2] == (6, 0)


def test_parts_change_no_copy(policy: DenoisingPolicy) -> None:
    whole, cut = roll(policy, recipe_of("awm")), roll(policy, recipe_of("awm", "sampling.rows=3"))
    for name in ("latents_BT", "prediction_BT", "final_B"):
        torch.testing.assert_close(getattr(cut, name), getattr(whole, name), atol=1e-4, rtol=1e-4)


def test_copies_are_the_same_again_and_others_at_the_next_step(policy: DenoisingPolicy) -> None:
    one, two, later = (roll(policy, recipe_of("awm"), step) for step in (1, 1, 2))
    assert torch.equal(one.latents_BT, two.latents_BT)
    assert not torch.equal(one.latents_BT, later.latents_BT)
    assert not torch.equal(one.choice_BT[0], one.choice_BT[1])


@pytest.mark.parametrize("preset", ["awm", "diffusion_nft"])
def test_ratio_is_one_before_an_update_and_follows_the_loss_after(
    preset: str, policy: DenoisingPolicy
) -> None:
    recipe = recipe_of(preset)
    rollouts, ratio = roll(policy, recipe), recipe.algorithm.ratio
    which = torch.arange(6)
    first, _, drift = policy.measure(rollouts, which, 64, "none", ratio)
    assert first.shape == drift.shape == (6, 3)
    assert first.abs().max() < 1e-5
    kept = {name: value.detach().clone() for name, value in policy.parameters.items()}
    with torch.no_grad():
        for number, value in enumerate(policy.parameters.values()):
            generator = torch.Generator().manual_seed(number)
            value.add_(0.01 * torch.randn(value.shape, generator=generator))
    after, _, _ = policy.measure(rollouts, which, 64, "none", ratio)
    condition = {key: value[rollouts.prompt_B] for key, value in rollouts.condition.items()}
    if preset == "awm":
        for t in range(3):
            with torch.no_grad():
                time_B = torch.full((6,), float(rollouts.time_T[t]))
                v = policy.predict(rollouts.latents_BT[:, t], time_B, condition, 64).double()
            v_old = rollouts.prediction_BT[:, t].double()
            v_star = rollouts.noise_BT[:, t].double()
            change = (v - v_star).square() - (v_old - v_star).square()
            torch.testing.assert_close(after[:, t].double(), -change.flatten(1).mean(1), atol=1e-6, rtol=1e-3)
    assert after.abs().max() > 1e-4
    with torch.no_grad():
        for name, value in policy.parameters.items():
            value.copy_(kept[name])


def test_measure_without_a_ratio_is_evaluate(policy: DenoisingPolicy) -> None:
    rollouts = roll(policy, recipe_of("awm"))
    which = torch.arange(6)
    log_ratio, divergence = policy.evaluate(rollouts, which, 64)
    measured = policy.measure(rollouts, which, 64, "none", Ratio(name="matching"))
    assert torch.equal(log_ratio, measured[0])
    assert torch.equal(divergence, measured[1])
    assert ratios.RATIOS["matching"] is ratios.exact


def test_stochastic_sampling_does_for_copies_too(policy: DenoisingPolicy) -> None:
    transition = "flow_sde" if levels(policy)[2] == "velocity" else "ddim"
    recipe = recipe_of("awm", f"sampling.transition={transition}", "sampling.shared_noise=true")
    rollouts = roll(policy, recipe)
    assert not torch.equal(rollouts.choice_BT[0], rollouts.choice_BT[1])
    assert policy.measure(rollouts, torch.arange(6), 64)[0].abs().max() < 1e-5
