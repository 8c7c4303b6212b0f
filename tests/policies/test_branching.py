"""A window of one step with shared noise branches a group there (TempFlow-GRPO, 2508.04324).

One path before it, ODEs after it.
"""

from __future__ import annotations

import pytest
import torch

from burnish.core import transitions
from burnish.policies.denoising.policy import DenoisingPolicy
from burnish.policies.load import load_policy
from burnish.recipes.load import load_recipe
from burnish.recipes.schema import Model
from burnish.types import Prompt

PROMPTS = [Prompt("a red circle"), Prompt("two blue squares")]
GROUP, STEPS = 3, 5


@pytest.fixture(scope="module")
def policy(tiny_flux: str) -> DenoisingPolicy:
    return load_policy(Model(path=tiny_flux), "cpu")


@pytest.mark.parametrize("step", [1, 2, 4])
def test_a_group_is_one_path_up_to_the_branch_and_odes_after_it(policy: DenoisingPolicy, step: int) -> None:
    words = [
        f"sampling.group_size={GROUP}",
        f"sampling.steps={STEPS}",
        "sampling.window=[0, 1]",
        "sampling.slide=1",
        "sampling.shared_noise=true",
    ]
    recipe = load_recipe("scenes", words)
    branch = step - 1
    assert recipe.trained_steps_at(step) == (branch, branch + 1)
    (rollouts,) = policy.roll(PROMPTS, recipe, step, (0, "train", step))
    assert len(rollouts.time_T) == 1

    start = rollouts.latents_BT[:, 0]
    for group in (start[:GROUP], start[GROUP:]):
        assert torch.allclose(group, group[:1].expand_as(group), atol=1e-5)
    assert not torch.allclose(start[0], start[GROUP], atol=1e-2)

    schedule = policy.backbone.schedule(STEPS)
    sde, ode = (transitions.table(name, schedule, 0.7) for name in ("flow_sde", "ode"))
    x = float(sde.a_T[branch]) * start + float(sde.b_T[branch]) * rollouts.prediction_BT[:, 0]
    x = x + float(sde.s_T[branch]) * rollouts.noise_BT[:, 0]
    assert not torch.allclose(x[0], x[1], atol=1e-2)
    condition = policy.condition([prompt.text for prompt in PROMPTS for _ in range(GROUP)])
    with torch.no_grad():
        for t in range(branch + 1, STEPS):
            time_B = torch.full((len(x),), float(schedule.time_T[t]))
            x = x + float(ode.b_T[t]) * policy.predict(x, time_B, condition, 64)
    assert torch.allclose(x, rollouts.final_B, atol=1e-4)
