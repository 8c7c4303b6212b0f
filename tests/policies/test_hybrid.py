"""Images by two sets of weights: the tuned ones take the first steps, the reference the rest (GCPO)."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
import torch

from burnish.core import transitions
from burnish.engine import rng
from burnish.policies.denoising.policy import DenoisingPolicy
from burnish.policies.load import load_policy
from burnish.recipes.schema import Lora, Model

TEXTS = ["a red circle", "two blue squares"]
STEPS = 4
CASES = [("flux", None), ("flux", Lora(rank=2, alpha=4.0)), ("sd", None), ("sd", Lora(rank=2, alpha=4.0))]


def opened(path: str, lora: Lora | None) -> DenoisingPolicy:
    guided = 3.0 if "sd" in path else None
    settings = Model(path=path, lora=lora, height=32, width=32, guidance_scale=guided)
    return load_policy(settings, "cpu", seed=1)


@pytest.fixture(scope="module", params=CASES, ids=["flux", "flux-lora", "sd", "sd-lora"])
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[DenoisingPolicy, DenoisingPolicy]:
    """A model as it is, and one that has moved away and remembers it."""
    name, lora = request.param
    path = tiny.save(name, tmp_path_factory.mktemp(name))
    base, tuned = opened(path, lora), opened(path, lora)
    tuned.remember_reference()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in tuned.parameters.values():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return base, tuned


def images(policy: DenoisingPolicy, hybrid: int | None = None) -> np.ndarray:
    return policy.generate(TEXTS, STEPS, seeds=[1, 2], rows=8, hybrid=hybrid)


def test_all_steps_are_the_tuned_model_and_none_the_base(
    pair: tuple[DenoisingPolicy, DenoisingPolicy],
) -> None:
    base, tuned = pair
    assert not np.array_equal(images(tuned), images(base))
    assert np.array_equal(images(tuned, STEPS), images(tuned))
    assert np.array_equal(images(tuned, 0), images(base))
    assert np.array_equal(images(tuned), images(tuned, None))  # and the weights are as before


@pytest.mark.parametrize("first", [1, 3])
def test_the_base_takes_over_where_it_should(
    pair: tuple[DenoisingPolicy, DenoisingPolicy], first: int
) -> None:
    """Against two models side by side, one step at a time."""
    base, tuned = pair
    schedule = base.backbone.schedule(STEPS)
    table = transitions.table("ode", schedule)
    x = torch.stack([rng.noise(base.backbone.latent_shape, "image", seed) for seed in (1, 2)]).float()
    with torch.no_grad():
        for t in range(STEPS):
            policy = tuned if t < first else base
            time_B = torch.full((2,), float(schedule.time_T[t]))
            v = policy.predict(x, time_B, policy.condition(TEXTS), 8)
            x = float(table.a_T[t]) * x + float(table.b_T[t]) * v
    expected = base.decode(x, 8)
    assert np.array_equal(images(tuned, first), expected)
