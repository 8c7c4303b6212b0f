from __future__ import annotations

from math import log

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.core import advantages
from burnish.study.exact import ascent

POLICY = torch.tensor([[0.5, 0.25, 0.25]], dtype=torch.float64)
ADVANTAGE = torch.tensor([[-1.0, 0.0, 2.0]], dtype=torch.float64)  # rewards 0, 1, 3 and their mean 1


def problem(seed: int, prompts: int = 2, outcomes: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    policy = torch.randn(prompts, outcomes, generator=random).double().softmax(-1)
    reward = torch.randn(prompts, outcomes, generator=random).double()
    return policy, reward - (policy * reward).sum(-1, keepdim=True)


def test_the_solution_by_hand():
    # γ = 1: |A| = 1, 0, 2; λ = (½·(−1)·1 + ¼·2·2) / (½·1 + ¼·2) = ½; π(A − λ)|A|:
    found = ascent.constrained(POLICY, ADVANTAGE, ascent.power_metric(ADVANTAGE, 1.0))
    torch.testing.assert_close(found, torch.tensor([[-0.75, 0.0, 0.75]], dtype=torch.float64))
    # π·A·|A| is −½, 0, 1: it does not sum to 0; a softmax takes ½·π off.
    free = ascent.power_metric(ADVANTAGE, 1.0)
    assert ascent.unconstrained(POLICY, ADVANTAGE, free).tolist() == [[-0.5, 0.0, 1.0]]
    assert ascent.softmax_step(POLICY, ADVANTAGE, free).tolist() == [[-0.75, -0.125, 0.875]]
    # ∇logits of it is the line above; on probabilities: π·(that − E[that]), E = −0.375 − 0.03125 + 0.21875.
    plain = ascent.plain_step(POLICY, ADVANTAGE, free)
    mean = -0.1875
    expected = [[0.5 * (-0.75 - mean), 0.25 * (-0.125 - mean), 0.25 * (0.875 - mean)]]
    torch.testing.assert_close(plain, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("gamma", [0.25, 1.0, 2.0])
def test_two_outcomes_leave_one_direction(gamma: float):
    policy = torch.tensor([[0.9, 0.1]], dtype=torch.float64)
    advantage = torch.tensor([[-0.1, 0.9]], dtype=torch.float64)
    free = ascent.power_metric(advantage, gamma)
    for kind in (ascent.constrained, ascent.softmax_step, ascent.plain_step):
        down, up = kind(policy, advantage, free)[0].tolist()
        assert up == pytest.approx(-down)
        assert up > 0
    down, up = ascent.unconstrained(policy, advantage, free)[0].tolist()
    assert up + down > 0.01  # the paper's own does not keep the sum


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), gamma=st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0]))
def test_no_other_direction_gains_more_for_its_length(seed: int, gamma: float):
    """Convex problem: random directions that keep every prompt's mass never beat the solution."""
    policy, advantage = problem(seed)
    free = ascent.power_metric(advantage, gamma)
    best = ascent.constrained(policy, advantage, free)
    assert best.sum(-1).abs().max() < 1e-12

    def slope(direction: torch.Tensor) -> float:
        length = (direction.square() / (policy * free)).sum().sqrt()
        return float(ascent.gain(direction, advantage) / length)

    random = torch.Generator().manual_seed(seed + 1)
    for size in (1.0, 0.1, 0.01):
        other = size * torch.randn(policy.shape, generator=random).double()
        other = best + best.norm() * (other - other.mean(-1, keepdim=True))
        assert slope(other) <= slope(best) * (1 + 1e-12)


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6))
def test_a_softmax_moved_by_the_shaped_advantage_takes_the_softmax_step(seed: int):
    policy, advantage = problem(seed)
    free = ascent.power_metric(advantage, 1.0)
    after = (policy.log() + 1e-7 * advantage * free).softmax(-1)
    torch.testing.assert_close(
        (after - policy) / 1e-7, ascent.softmax_step(policy, advantage, free), rtol=1e-4, atol=1e-5
    )


def test_dividing_by_the_prompts_std_is_ascent_under_its_metric():
    """For a uniform policy whose outcomes are each drawn once, it is `grpo` of the core, over two prompts."""
    policy = torch.full((2, 4), 0.25, dtype=torch.float64)
    reward = torch.tensor([[0.0, 1.0, 2.0, 5.0], [0.0, 0.01, 0.0, 0.03]], dtype=torch.float64)
    advantage = reward - reward.mean(-1, keepdim=True)
    step = ascent.constrained(policy, advantage, ascent.prompt_metric(policy, advantage))
    credit = advantages.grpo(reward.flatten(), torch.arange(2).repeat_interleave(4), eps=0.0).view(2, 4)
    torch.testing.assert_close(step / step[0, 0], credit / credit[0, 0])
    chi = ascent.chi_square(policy, step)
    assert chi[0].item() == pytest.approx(chi[1].item())  # the same trust region, whatever there is to gain


def test_budget_and_divergence_by_hand():
    direction = torch.tensor([[-3.0, 0.0, 3.0]], dtype=torch.float64)
    step = ascent.at_budget(POLICY, direction, 0.12)  # 9/½ + 9/¼ = 54; 0.12/54 = (1/30·√2)²
    assert ascent.chi_square(POLICY, step).item() == pytest.approx(0.12)
    step = torch.tensor([[-0.25, 0.0, 0.25]], dtype=torch.float64)
    assert ascent.kl(POLICY, step).item() == pytest.approx(0.5 * log(2) - 0.25 * log(2))
    with pytest.raises(ValueError, match="takes a probability to 0 or below"):
        ascent.kl(POLICY, 4 * step)


def test_a_prompt_of_equal_rewards_stays():
    policy = torch.full((2, 2), 0.5, dtype=torch.float64)
    advantage = torch.tensor([[0.0, 0.0], [-1.0, 1.0]], dtype=torch.float64)
    for free in (ascent.power_metric(advantage, 1.0), ascent.prompt_metric(policy, advantage)):
        assert ascent.constrained(policy, advantage, free)[0].tolist() == [0.0, 0.0]
