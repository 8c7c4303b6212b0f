from __future__ import annotations

from math import exp

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Categorical, Normal, kl_divergence

from burnish.core import divergences


def test_none_is_zero() -> None:
    found = divergences.none(torch.randn(3, 2), torch.randn(3, 2), torch.ones(3), torch.ones(3))
    assert found.tolist() == [0, 0, 0]
    assert set(divergences.DIVERGENCES) == {"none", "gaussian"}


def test_gaussian_by_hand() -> None:
    # b/s = -0.5: (0.5*2)^2/2 = 0.5 and (0.5*4)^2/2 = 2: mean 1.25.
    found = divergences.gaussian(
        torch.tensor([[3.0, 5.0]]), torch.tensor([[1.0, 1.0]]), torch.tensor([-1.0]), torch.tensor([2.0])
    )
    assert found.tolist() == [1.25]


def test_gaussian_is_the_kl_of_two_normals() -> None:
    torch.manual_seed(0)
    x, v, v_ref = (torch.randn(4, 3, 5, dtype=torch.float64) for _ in range(3))
    a, b, s = torch.rand(3, 4, dtype=torch.float64) + 0.1
    column = [row[:, None, None] for row in (a, b, s)]
    one = Normal(column[0] * x + column[1] * v, column[2].expand_as(x))
    two = Normal(column[0] * x + column[1] * v_ref, column[2].expand_as(x))
    expected = kl_divergence(one, two).mean((1, 2))
    torch.testing.assert_close(divergences.gaussian(v, v_ref, b, s), expected, rtol=1e-10, atol=0)


def test_gaussian_is_zero_with_zero_gradient_at_the_reference() -> None:
    v = torch.randn(2, 3, requires_grad=True)
    found = divergences.gaussian(v, v.detach().clone(), torch.ones(2), torch.ones(2))
    found.sum().backward()
    assert found.tolist() == [0, 0]
    assert v.grad is not None
    assert not v.grad.any()


def test_estimators_by_hand() -> None:
    new, ref = torch.tensor([-1.0, -2.0]), torch.tensor([-2.0, -1.0])  # differences 1, -1
    assert divergences.k1(new, ref).tolist() == [1, -1]
    assert divergences.k2(new, ref).tolist() == [0.5, 0.5]
    torch.testing.assert_close(divergences.k3(new, ref), torch.tensor([exp(-1), exp(1) - 2]))


@settings(max_examples=40)
@given(st.lists(st.floats(-10, 10), min_size=1, max_size=10))
def test_estimators_are_zero_when_equal_and_k2_k3_never_negative(values: list[float]) -> None:
    new = torch.tensor(values, dtype=torch.float64)
    ref = new.flip(0) * 0.5
    for function in divergences.ESTIMATORS.values():
        assert not function(new, new.clone()).any()
    assert (divergences.k2(new, ref) >= 0).all()
    assert (divergences.k3(new, ref) >= -1e-15).all()


def test_k1_and_k3_are_unbiased_and_k2_is_not() -> None:
    """Expectation under the policy, summed exactly over a small vocabulary."""
    policy = Categorical(torch.tensor([0.5, 0.3, 0.15, 0.05], dtype=torch.float64))
    reference = Categorical(torch.tensor([0.2, 0.2, 0.3, 0.3], dtype=torch.float64))
    new, ref = policy.probs.log(), reference.probs.log()
    kl = kl_divergence(policy, reference).item()
    expected = {
        name: (policy.probs * estimate(new, ref)).sum().item()
        for name, estimate in divergences.ESTIMATORS.items()
    }
    assert expected["k1"] == pytest.approx(kl, rel=1e-12)
    assert expected["k3"] == pytest.approx(kl, rel=1e-12)
    assert abs(expected["k2"] - kl) > 0.01


def test_k3_has_the_least_variance_near_the_reference() -> None:
    torch.manual_seed(0)
    policy = Categorical(logits=torch.randn(50, dtype=torch.float64))
    reference = Categorical(logits=policy.logits + 0.1 * torch.randn(50, dtype=torch.float64))
    token = policy.sample((5000,))
    new, ref = policy.log_prob(token), reference.log_prob(token)
    assert divergences.k3(new, ref).var() < 0.1 * divergences.k1(new, ref).var()
