from __future__ import annotations

import pytest
import torch

from burnish.engine.rng import generator
from burnish.study.exact.results import CANDIDATES, SIGNALS, tails
from burnish.study.exact.rule import best_gamma, choose, posterior_mean
from burnish.study.exact.shaping import POWERS


def test_a_normal_signal_is_shrunk_linearly():
    d = torch.tensor([-3.0, 0.5, 2.0], dtype=torch.float64)
    mean, density = posterior_mean(d, [(1.0, 2.0)], [(1.0, 1.0)])
    torch.testing.assert_close(mean, 0.8 * d)  # 4 / (4 + 1)
    expected = torch.distributions.Normal(0.0, 5.0**0.5).log_prob(d).exp()
    torch.testing.assert_close(density, expected)


def test_a_spike_and_a_slab_by_hand():
    # d = 2, noise 1: N(2; 0, 1) against N(2; 0, √5), each of weight ½; only the slab has signal, 4/5·2.
    spike, slab = torch.exp(torch.tensor(-2.0)), torch.exp(torch.tensor(-0.4)) / 5**0.5
    mean, _ = posterior_mean(torch.tensor([2.0]).double(), [(0.5, 0.0), (0.5, 2.0)], [(1.0, 1.0)])
    assert mean.item() == pytest.approx(1.6 * float(slab / (spike + slab)), rel=1e-6)


@pytest.mark.parametrize("heavy", [False, True])
@pytest.mark.parametrize("signal", SIGNALS)
def test_the_posterior_mean_keeps_the_signals_covariance(signal: str, heavy: bool):
    """E[d · E[A | d]] = E[d · A] = Var A = 1."""
    d = torch.linspace(-60, 60, 240_001, dtype=torch.float64)
    mean, density = posterior_mean(d, SIGNALS[signal], tails(0.7, heavy))
    assert torch.trapezoid(density, d).item() == pytest.approx(1.0, abs=1e-6)
    assert torch.trapezoid(d * mean * density, d).item() == pytest.approx(1.0, abs=1e-6)


def test_noise_of_both_kinds_has_the_same_variance():
    for noise in (0.3, 2.0):
        assert sum(share * s**2 for share, s in tails(noise, True)) == pytest.approx(noise**2)


def test_gamma_is_justified_by_tails_not_by_noise():
    def best(name: str, heavy: bool) -> tuple[float, float]:
        gamma, scores = best_gamma(SIGNALS[name], tails(1.0, heavy), CANDIDATES)
        return gamma, float(scores.max())

    gamma, correlation = best("normal", False)
    assert abs(gamma) < 0.011
    assert correlation == pytest.approx(0.5**0.5, abs=1e-6)  # √(τ²/(τ² + σ²))
    assert best("half of the prompts dead", False)[0] > 0.3
    assert best("one outcome in eight", False)[0] > 0.6
    assert best("normal", True)[0] < -0.2


def test_the_rule_takes_linear_without_noise_and_more_where_few_groups_have_signal():
    random = generator("rule")
    group = torch.arange(512).repeat_interleave(8)
    alive = (torch.arange(512) < 64).repeat_interleave(8)
    truth = torch.randn(2, 4096, generator=random).double() * torch.stack([torch.ones(4096), alive])
    noise = torch.tensor([[0.0], [0.5]]).double()
    first, second = (truth + noise * torch.randn(2, 4096, generator=random).double() for _ in range(2))
    clean, sparse = choose(POWERS, first, second, group)
    assert clean == "linear"
    assert sparse in ("slas ½", "slas 1", "slas 2")
