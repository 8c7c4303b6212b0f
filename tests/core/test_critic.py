from __future__ import annotations

from math import nan, sqrt

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.core import critic

REWARD = torch.tensor([[1.0, 0.0, 2.0], [3.0, 4.0, nan]])
VALUE = torch.tensor([[0.5, 1.0, -1.0], [2.0, 1.0, nan]])
MASK = torch.tensor([[True, True, True], [True, True, False]])


@st.composite
def rollouts(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    steps = draw(st.integers(1, 8))
    length_B = torch.tensor(draw(st.lists(st.integers(0, steps), min_size=1, max_size=4)))
    mask_BT = torch.arange(steps) < length_B[:, None]
    reward_BT, value_BT = torch.randn(2, *mask_BT.shape, generator=generator)
    return reward_BT.masked_fill(~mask_BT, nan), value_BT.masked_fill(~mask_BT, nan), mask_BT


def test_gae_by_hand() -> None:
    # gamma = lam = 1/2. First: errors 1 + 0.5 - 0.5 = 1, 0 - 0.5 - 1 = -1.5, 2 + 1 = 3; backwards 3,
    # -1.5 + 3/4 = -0.75, 1 - 0.75/4 = 0.8125. Second, of two decisions: 3 + 0.5 - 2 = 1.5 and 4 - 1 = 3;
    # 1.5 + 3/4 = 2.25.
    advantage, returns = critic.gae(REWARD, VALUE, MASK, gamma=0.5, lam=0.5)
    assert advantage.tolist() == [[0.8125, -0.75, 3], [2.25, 3, 0]]
    assert returns.tolist() == [[1.3125, 0.25, 2], [4.25, 4, 0]]


@settings(max_examples=60)
@given(batch=rollouts(), gamma=st.floats(0, 1), lam=st.floats(0, 1))
def test_gae_is_the_discounted_sum_of_errors(
    batch: tuple[torch.Tensor, torch.Tensor, torch.Tensor], gamma: float, lam: float
) -> None:
    """Against the definition, summed forwards from every decision."""
    reward, value, mask = batch
    advantage, returns = critic.gae(reward, value, mask, gamma=gamma, lam=lam)
    for i, length in enumerate(mask.sum(1).tolist()):
        v = [*value[i, :length].tolist(), 0.0]
        error = [reward[i, t].item() + gamma * v[t + 1] - v[t] for t in range(length)]
        for t in range(length):
            expected = sum((gamma * lam) ** (k - t) * error[k] for k in range(t, length))
            assert advantage[i, t].item() == pytest.approx(expected, rel=1e-4, abs=1e-5)
            assert returns[i, t].item() == pytest.approx(expected + v[t], rel=1e-4, abs=1e-5)
    assert not advantage[~mask].any()
    assert not returns[~mask].any()


@settings(max_examples=40)
@given(batch=rollouts(), gamma=st.floats(0, 1))
def test_lambda_one_is_returns_minus_values(
    batch: tuple[torch.Tensor, torch.Tensor, torch.Tensor], gamma: float
) -> None:
    reward, value, mask = batch
    advantage, returns = critic.gae(reward, value, mask, gamma=gamma)
    for i, length in enumerate(mask.sum(1).tolist()):
        for t in range(length):
            paid = sum(gamma ** (k - t) * reward[i, k].item() for k in range(t, length))
            assert returns[i, t].item() == pytest.approx(paid, rel=1e-4, abs=1e-5)
            assert advantage[i, t].item() == pytest.approx(paid - value[i, t].item(), rel=1e-4, abs=1e-5)


def test_lambda_zero_is_the_one_step_error() -> None:
    advantage, _ = critic.gae(REWARD, VALUE, MASK, lam=0.0)
    # r + V' - V: 1 + 1 - 0.5, 0 - 1 - 1, 2 + 1; 3 + 1 - 2, 4 - 1.
    assert advantage.tolist() == [[1.5, -2, 3], [2, 3, 0]]


@pytest.mark.parametrize("lam", [0.0, 0.5, 1.0])
def test_a_perfect_critic_leaves_no_advantage(lam: float) -> None:
    reward = torch.tensor([[1.0, -2.0, 4.0]])
    value = torch.tensor([[3.0, 2.0, 4.0]])  # what is still to come
    advantage, returns = critic.gae(reward, value, torch.ones(1, 3).bool(), lam=lam)
    assert advantage.tolist() == [[0, 0, 0]]
    assert torch.equal(returns, value)


def test_gae_is_float32_whatever_comes_in() -> None:
    for dtype in (torch.bfloat16, torch.float64):
        for found in critic.gae(REWARD.to(dtype), VALUE.to(dtype), MASK):
            assert found.dtype == torch.float32
    for found in critic.gae(torch.zeros(2, 0), torch.zeros(2, 0), torch.zeros(2, 0).bool()):
        assert found.shape == (2, 0)


def test_value_loss_by_hand() -> None:
    # V 3 from 1 may move to 1.5: target 0 takes (3)^2, target 4 takes (1.5 - 4)^2; V 1.2 is in range.
    value, old = torch.tensor([[3.0, 3.0, 1.2]]), torch.ones(1, 3)
    found = critic.value_loss(value, old, torch.tensor([[0.0, 4.0, 2.2]]), clip=0.5)
    torch.testing.assert_close(found, torch.tensor([[4.5, 3.125, 0.5]]))


def test_value_loss_has_no_gradient_once_the_value_moved_far_enough_towards_its_target() -> None:
    value = torch.tensor([[1.6, 1.4, 0.4]], requires_grad=True)
    critic.value_loss(value, torch.ones(1, 3), torch.full((1, 3), 4.0), clip=0.5).sum().backward()
    # Too far up: none; within: V - R; moved away from the target: V - R, so that it comes back.
    torch.testing.assert_close(value.grad, torch.tensor([[0.0, -2.6, -3.6]]))


@settings(max_examples=40)
@given(st.lists(st.floats(-5, 5), min_size=3, max_size=3), st.floats(0.01, 3))
def test_value_loss_is_never_below_the_plain_square(values: list[float], clip: float) -> None:
    new, old, target = (torch.tensor([[v]], dtype=torch.float64) for v in values)
    plain = (new - target).square() / 2
    assert (critic.value_loss(new, old, target, clip=clip) >= plain).all()
    torch.testing.assert_close(critic.value_loss(new, old, target, clip=100.0), plain)


def test_whiten_by_hand() -> None:
    # 1, 2, 6: mean 3, variance (4 + 1 + 9)/3.
    advantage = torch.tensor([[1.0, 2.0], [6.0, nan]])
    found = critic.whiten(advantage, torch.tensor([[True, True], [True, False]]))
    scale = sqrt(14 / 3)
    torch.testing.assert_close(found, torch.tensor([[-2 / scale, -1 / scale], [3 / scale, 0.0]]))


@pytest.mark.parametrize("value", [0.1, 0.7, 1 / 3, -1e6])
def test_equal_advantages_whiten_to_exactly_zero(value: float) -> None:
    mask = torch.ones(1, 7).bool()
    assert critic.whiten(torch.full((1, 7), value), mask).tolist() == [[0.0] * 7]
    for few in (torch.zeros(1, 7).bool(), torch.arange(7)[None] == 2):
        assert critic.whiten(torch.full((1, 7), value), few).tolist() == [[0.0] * 7]
