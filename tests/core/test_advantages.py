from __future__ import annotations

from math import inf, nan, sqrt

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from burnish.core import advantages
from burnish.core.groups import centred

NAMES = list(advantages.ADVANTAGES)
GROUPWISE = [name for name in NAMES if name != "reinforce_pp"]
"""Those that compare the rollouts of one prompt only."""
REWARD = torch.tensor([1.0, 3.0, 2.0, 6.0], dtype=torch.float64)
GROUP = torch.tensor([0, 0, 1, 1])
# Centred: -1, 1, -2, 2. Batch scale: sqrt((1 + 1 + 4 + 4)/4) = sqrt(2.5).


@st.composite
def batches(draw: st.DrawFn, missing: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
    size = draw(st.integers(1, 16))
    number = st.integers(-1000, 1000).map(lambda n: n / 10)
    value = st.one_of(st.just(nan), number) if missing else number
    reward = draw(st.lists(value, min_size=size, max_size=size))
    group = draw(st.lists(st.integers(0, 4), min_size=size, max_size=size))
    return torch.tensor(reward, dtype=torch.float64), torch.tensor(group)


def test_grpo_by_hand() -> None:
    # Sample standard deviations: sqrt((1 + 1)/1) = sqrt(2) and sqrt((4 + 4)/1) = 2 sqrt(2).
    found = advantages.grpo(REWARD, GROUP, eps=0.5)
    one, two = 1 / (sqrt(2) + 0.5), 2 / (2 * sqrt(2) + 0.5)
    torch.testing.assert_close(found, torch.tensor([-one, one, -two, two], dtype=torch.float64))


def test_dr_grpo_by_hand() -> None:
    assert advantages.dr_grpo(REWARD, GROUP).tolist() == [-1, 1, -2, 2]


def test_batch_std_by_hand() -> None:
    found = advantages.batch_std(REWARD, GROUP, eps=0.1)
    scale = sqrt(2.5) + 0.1
    expected = torch.tensor([-1, 1, -2, 2], dtype=torch.float64) / scale
    torch.testing.assert_close(found, expected)


def test_batch_scale_counts_rollouts_with_a_reward_only() -> None:
    reward = torch.tensor([1.0, 3.0, nan, inf])
    value = torch.tensor([-1.0, 1.0, 0.0, 0.0])
    assert advantages.batch_scale(value, reward).item() == 1.0


def test_slas_by_hand() -> None:
    # gamma 1: sign * square. Scale first: (1/2.5, 4/2.5) = (0.4, 1.6).
    found = advantages.slas(REWARD, GROUP, gamma=1.0, eps=0.0)
    torch.testing.assert_close(found, torch.tensor([-0.4, 0.4, -1.6, 1.6], dtype=torch.float64))
    # Power first: (1, 4) over sqrt((1 + 1 + 16 + 16)/4) = sqrt(8.5).
    found = advantages.slas(REWARD, GROUP, gamma=1.0, order="power_first", eps=0.0)
    expected = torch.tensor([-1, 1, -4, 4], dtype=torch.float64) / sqrt(8.5)
    torch.testing.assert_close(found, expected)


def test_rloo_by_hand() -> None:
    # Group {1, 2, 6}: 1 - 4 = -3, 2 - 3.5 = -1.5, 6 - 1.5 = 4.5; the missing one does not count.
    found = advantages.rloo(torch.tensor([1.0, 2.0, nan, 6.0]), torch.tensor([3, 3, 3, 3]))
    torch.testing.assert_close(found, torch.tensor([-3.0, -1.5, 0.0, 4.5]))


def test_clamp() -> None:
    found = advantages.clamp(torch.tensor([-9.0, -5.0, 0.25, 7.0]), 5.0)
    assert found.tolist() == [-5, -5, 0.25, 5]


@pytest.mark.parametrize("order", ["scale_first", "power_first"])
@settings(max_examples=40)
@given(batch=batches())
def test_slas_without_gamma_is_batch_std(order: str, batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    torch.testing.assert_close(
        advantages.slas(*batch, gamma=0.0, order=order), advantages.batch_std(*batch), rtol=1e-14, atol=0
    )


@pytest.mark.parametrize("order", ["scale_first", "power_first"])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0])
def test_slas_is_the_constrained_ascent_direction(order: str, gamma: float) -> None:
    """Maximise the sum of d*A subject to sum |A|^(-gamma) d^2/pi <= eps^2, solved numerically."""
    generator = np.random.default_rng(3)
    probability = generator.dirichlet(np.full(8, 5.0))
    reward = torch.from_numpy(generator.normal(size=8))
    group = torch.zeros(8, dtype=torch.long)
    A = centred(reward, group).numpy()
    weight = np.abs(A) ** -gamma / probability
    radius = 1e-1
    solved = minimize(
        lambda d: -(d @ A) / radius,
        x0=radius * 0.1 * np.sign(A),
        jac=lambda d: -A / radius,
        method="SLSQP",
        constraints={
            "type": "ineq",
            "fun": lambda d: 1 - (weight * d**2).sum() / radius**2,
            "jac": lambda d: -2 * weight * d / radius**2,
        },
        options={"maxiter": 1000, "ftol": 1e-14},
    )
    assert solved.success, solved.message
    shaped = advantages.slas(reward, group, gamma=gamma, order=order).numpy()
    direction = probability * shaped
    cosine = direction @ solved.x / np.linalg.norm(direction) / np.linalg.norm(solved.x)
    assert cosine > 0.9999
    np.testing.assert_allclose(  # the orders differ by one scale for the whole batch
        shaped / shaped[0], np.sign(A / A[0]) * np.abs(A / A[0]) ** (1 + gamma), rtol=1e-10
    )


def test_slas_exponent_is_told_apart() -> None:
    """The cosine test has teeth: another gamma gives another direction."""
    reward, group = torch.tensor([0.0, 1.0, 2.0, 7.0]), torch.zeros(4, dtype=torch.long)
    half = advantages.slas(reward, group, gamma=0.5)
    one = advantages.slas(reward, group, gamma=1.0)
    assert torch.cosine_similarity(half, one, dim=0) < 0.999


@pytest.mark.parametrize("name", ["grpo", "dr_grpo", "batch_std", "rloo"])
@settings(max_examples=40)
@given(batch=batches())
def test_advantages_sum_to_zero_in_a_group(name: str, batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    found = advantages.ADVANTAGES[name](*batch)
    for group in batch[1].unique():
        assert found[batch[1] == group].sum().abs() < 1e-9


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=30)
@given(batch=batches(), seed=st.integers(0, 99))
def test_order_of_rollouts_does_not_matter(
    name: str, batch: tuple[torch.Tensor, torch.Tensor], seed: int
) -> None:
    reward, group = batch
    order = torch.randperm(len(reward), generator=torch.Generator().manual_seed(seed))
    function = advantages.ADVANTAGES[name]
    torch.testing.assert_close(function(reward[order], group[order]), function(reward, group)[order])


@pytest.mark.parametrize("name", GROUPWISE)
@settings(max_examples=40)
@given(batch=batches())
def test_dead_rollouts_are_exactly_zero_and_nan_never_leaks(
    name: str, batch: tuple[torch.Tensor, torch.Tensor]
) -> None:
    reward, group = batch
    found = advantages.ADVANTAGES[name](reward, group)
    assert found.isfinite().all()
    assert (found[reward.isnan()] == 0).all()
    for number in group.unique():
        mine = reward[(group == number) & ~reward.isnan()]
        if len(mine.unique()) <= 1:
            assert (found[group == number] == 0).all()


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=30)
@given(batch=batches())
def test_missing_rollouts_change_nothing_for_the_others(
    name: str, batch: tuple[torch.Tensor, torch.Tensor]
) -> None:
    reward, group = batch
    function, present = advantages.ADVANTAGES[name], ~reward.isnan()
    without = function(reward[present], group[present])
    torch.testing.assert_close(function(reward, group)[present], without)


@pytest.mark.parametrize("name", ["grpo", "batch_std", "slas", "reinforce_pp"])
@settings(max_examples=30)
@given(batch=batches(missing=False), scale=st.floats(0.01, 100), shift=st.floats(-10, 10))
def test_scale_and_shift_of_all_rewards_are_not_seen(
    name: str, batch: tuple[torch.Tensor, torch.Tensor], scale: float, shift: float
) -> None:
    reward, group = batch
    found = advantages.ADVANTAGES[name](reward * scale + shift, group, eps=1e-12)
    reference = advantages.ADVANTAGES[name](reward, group, eps=1e-12)
    alive = reference != 0  # the shift may round equal rewards alike, never apart
    torch.testing.assert_close(found[alive], reference[alive], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0.1, 0.7, 1 / 3, -1e6])
def test_equal_rewards_are_exactly_zero(name: str, value: float) -> None:
    reward = torch.full((7,), value)
    assert advantages.ADVANTAGES[name](reward, torch.zeros(7, dtype=torch.long)).tolist() == [0.0] * 7


@pytest.mark.parametrize("name", GROUPWISE)
def test_degenerate_batches(name: str) -> None:
    function = advantages.ADVANTAGES[name]
    assert function(torch.full((3,), nan), torch.tensor([0, 0, 1])).tolist() == [0, 0, 0]
    assert function(torch.tensor([4.0, -2.0]), torch.tensor([0, 1])).tolist() == [0, 0]
    assert function(torch.zeros(0), torch.zeros(0, dtype=torch.long)).shape == (0,)
    found = function(torch.tensor([1.0, 2.0, inf, -inf]), torch.zeros(4, dtype=torch.long))
    assert found.isfinite().all()
    assert found[2:].tolist() == [0, 0]
    assert found[1] == -found[0] > 0


def test_dtype_is_kept() -> None:
    for dtype in (torch.float32, torch.float64):
        for function in advantages.ADVANTAGES.values():
            assert function(REWARD.to(dtype), GROUP).dtype == dtype


def test_slas_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match=r"gamma=-0.1 must be at least 0"):
        advantages.slas(REWARD, GROUP, gamma=-0.1)
    with pytest.raises(ValueError, match="order='other' is unknown; use 'scale_first' or 'power_first'"):
        advantages.slas(REWARD, GROUP, order="other")


def test_gdpo_by_hand() -> None:
    """Two groups of two; the second reward is a hundred times larger and does not drown the first."""
    reward_BK = torch.tensor([[1.0, 0.0], [0.0, 100.0], [0.0, 0.0], [1.0, 100.0]], dtype=torch.float64)
    group_B = torch.tensor([0, 0, 1, 1])
    weight_K = torch.tensor([1.0, 0.5], dtype=torch.float64)
    half = 0.5**0.5  # (1 − ½) / std of 0 and 1
    total = torch.tensor([half - 0.5 * half, -half + 0.5 * half, -half - 0.5 * half, half + 0.5 * half])
    expected = total / total.square().mean().sqrt()
    found = advantages.gdpo(advantages.grpo, reward_BK, weight_K, group_B)
    torch.testing.assert_close(found, expected.double(), rtol=2e-3, atol=0)
    summed = advantages.grpo(reward_BK @ weight_K, group_B)
    assert summed[0] < 0 < found[0]  # the sum follows the large reward alone


def test_gdpo_of_one_reward_is_its_advantage_up_to_scale() -> None:
    reward_B, group_B = torch.tensor([0.0, 1.0, 5.0, 2.0]), torch.tensor([0, 0, 1, 1])
    alone = advantages.dr_grpo(reward_B, group_B)
    found = advantages.gdpo(advantages.dr_grpo, reward_B[:, None], torch.tensor([3.0]), group_B, eps=0.0)
    torch.testing.assert_close(found, alone / alone.square().mean().sqrt())


def test_gdpo_leaves_out_rollouts_with_any_reward_missing() -> None:
    reward_BK = torch.tensor([[1.0, 1.0], [0.0, 2.0], [3.0, torch.nan]])
    group_B, weight_K = torch.tensor([0, 0, 0]), torch.ones(2)
    found = advantages.gdpo(advantages.grpo, reward_BK, weight_K, group_B)
    without = advantages.gdpo(advantages.grpo, reward_BK[:2], weight_K, group_B[:2])
    assert found[2] == 0
    torch.testing.assert_close(found[:2], without)


def test_reinforce_pp_by_hand() -> None:
    """Batch mean 3, deviations -2, 0, -1, 3, root mean square sqrt(14/4)."""
    found = advantages.reinforce_pp(REWARD, GROUP, eps=0.0)
    expected = torch.tensor([-2.0, 0.0, -1.0, 3.0], dtype=torch.float64) / sqrt(3.5)
    torch.testing.assert_close(found, expected)


def test_reinforce_pp_credits_easy_prompts_where_the_groupwise_do_not() -> None:
    reward, group = torch.tensor([1.0, 1.0, 0.0, 0.0, torch.nan]), torch.tensor([0, 0, 1, 1, 1])
    assert advantages.batch_std(reward, group).tolist() == [0.0] * 5
    found = advantages.reinforce_pp(reward, group, eps=0.0)
    assert found.tolist() == [1.0, 1.0, -1.0, -1.0, 0.0]


def test_remax_by_hand() -> None:
    reward = torch.tensor([1.0, 0.5, nan, 3.0, -inf])
    baseline = torch.tensor([0.25, 0.5, 1.0, nan, 1.0])
    assert advantages.remax(reward, baseline).tolist() == [0.75, 0, 0, 0, 0]


def test_remax_does_not_bias_the_gradient() -> None:
    """Over all actions of a small policy, with any baseline: the gradient of the expected reward."""
    reward = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    for baseline in (0.0, 1.0, -3.0):
        logits = torch.tensor([0.3, -0.1, 0.8], dtype=torch.float64, requires_grad=True)
        probability = logits.softmax(0)
        credit = advantages.remax(reward, torch.full_like(reward, baseline))
        surrogate = (probability.detach() * credit * probability.log()).sum()
        (found,) = torch.autograd.grad(surrogate, logits, retain_graph=True)
        (expected,) = torch.autograd.grad((probability * reward).sum(), logits)
        torch.testing.assert_close(found, expected)


def test_a_step_earns_for_itself_and_what_follows():
    """Two rollouts of one group, with two steps and one: rewards 1, 3 and 2 have mean 2."""
    reward_BS = torch.tensor([[1.0, 3.0], [2.0, torch.nan]])
    found = advantages.process(advantages.dr_grpo, reward_BS, torch.tensor([7, 7]))
    assert found.tolist() == [[0.0, 1.0], [0.0, 0.0]]
    grpo = advantages.process(advantages.grpo, reward_BS, torch.tensor([7, 7]))
    torch.testing.assert_close(grpo, torch.tensor([[0.0, 1.0], [0.0, 0.0]]), atol=1e-3, rtol=0)  # std 1


def test_one_step_each_is_an_outcome():
    reward_B, group_B = torch.tensor([1.0, 2.0, 4.0, 1.0]), torch.tensor([0, 0, 1, 1])
    for of in advantages.ADVANTAGES.values():
        assert torch.equal(advantages.process(of, reward_B[:, None], group_B)[:, 0], of(reward_B, group_B))
