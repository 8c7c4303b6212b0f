from __future__ import annotations

import pytest
import torch

from burnish.core import transitions, weights

SIGMAS = torch.tensor([1.0, 0.9, 0.7, 0.4, 0.1, 0.0], dtype=torch.float64)


def test_weights_by_hand() -> None:
    b, s = torch.tensor([-0.1, -0.3, -0.2]), torch.tensor([0.3, 0.2, 0.1])
    assert weights.none(b, s).tolist() == [1, 1, 1]
    torch.testing.assert_close(weights.noise(b, s), torch.tensor([1.5, 1.0, 0.5]).double())
    inverse = torch.tensor([10, 10 / 3, 5]).double()
    torch.testing.assert_close(weights.guard(b, s), inverse / inverse.mean())
    told = torch.tensor([0.9, 0.04 / 0.3, 0.05]).double()
    torch.testing.assert_close(weights.signal(b, s), told / told.mean())


@pytest.mark.parametrize("name", list(weights.WEIGHTS))
@pytest.mark.parametrize("transition", ["flow_sde", "dance_sde", "cps"])
def test_every_weight_is_positive_with_mean_one(name: str, transition: str) -> None:
    table = transitions.FLOW[transition](SIGMAS)
    weight = weights.WEIGHTS[name](table.b_T[:4], table.s_T[:4])
    assert weight.dtype == torch.float64
    assert weight.min() > 0
    assert weight.mean().item() == pytest.approx(1)


def test_equal_noise_is_no_weighting() -> None:
    s = torch.full((4,), 0.2)
    torch.testing.assert_close(weights.noise(-torch.rand(4), s), weights.none(s, s))


def test_guard_is_the_paper_s_weight_on_the_flow_sde() -> None:
    """b = (1 + η²/2)·dt away from t = 1, so 1/|b| is 1/Δt up to a constant."""
    table, dt = transitions.flow_sde(SIGMAS, 0.7), SIGMAS.diff()
    torch.testing.assert_close(table.b_T[1:], (1 + 0.7**2 / 2) * dt[1:])
    weight = weights.guard(table.b_T[1:4], table.s_T[1:4])
    torch.testing.assert_close(weight, (1 / dt[1:4].abs()) / (1 / dt[1:4].abs()).mean())


def test_guard_and_its_ratio_have_equal_gradients_over_steps() -> None:
    """Weight times ∂/∂v of the guard's log-ratio is ε times one constant, whatever the step."""
    from burnish.core import ratios

    table = transitions.dance_sde(SIGMAS, 0.3)
    b, s = table.b_T[:4], table.s_T[:4]
    noise = torch.ones(4, 3, dtype=torch.float64)
    v = torch.zeros(4, 3, dtype=torch.float64, requires_grad=True)
    log_ratio, _ = ratios.guard(noise, v, torch.zeros_like(v), b, s)
    (slope,) = torch.autograd.grad((weights.guard(b, s) * log_ratio).sum(), v)
    torch.testing.assert_close(slope, slope[:1].expand_as(slope))


def test_signal_has_the_least_noise_for_a_reward_that_is_linear_in_the_noise() -> None:
    """The reward is the sum of the noises; of all weights of the steps' gradients none tells more of it."""
    table, generator = transitions.flow_sde(SIGMAS, 0.7), torch.Generator().manual_seed(0)
    b, s = table.b_T[:4], table.s_T[:4]
    noise = torch.randn(400_000, 4, generator=generator, dtype=torch.float64)
    reward = (noise * s).sum(1, keepdim=True)
    gradient = reward * noise * b / s
    torch.testing.assert_close(gradient.mean(0), b, atol=0.02, rtol=0.03)  # E[R·ε]·b/s = b: s takes no part

    def ratio(weight: torch.Tensor) -> float:
        total = (gradient * weight).sum(1)
        return (total.mean() / total.std()).abs().item()

    best = ratio(weights.signal(b, s))
    assert best > max(ratio(weights.noise(b, s)), ratio(weights.guard(b, s)), ratio(weights.none(b, s)))
    for drawn in torch.rand(50, 4, generator=generator, dtype=torch.float64):
        assert best > ratio(drawn) - 0.01
