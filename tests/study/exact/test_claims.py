from __future__ import annotations

import pytest
import torch

from burnish.core import advantages
from burnish.study.exact import claims
from burnish.study.exact.clamping import bound


@pytest.fixture(scope="module")
def found():
    return {(each.reward, each.gamma): each for each in claims.directions(12, 3)}


def test_a_solver_finds_the_closed_form(found):
    assert min(each.solver for each in found.values()) > 1 - 1e-6


def test_linear_is_the_best_for_its_trust_region(found):
    for (_, gamma), each in found.items():
        assert each.gain <= 1 + 1e-12
        if gamma == 0:
            assert each.gain == pytest.approx(1.0)
            assert each.against == 0
            assert each.paper == pytest.approx(1.0)


def test_two_values_leave_gamma_nothing_to_do_within_a_prompt(found):
    for gamma in claims.GAMMAS:
        assert found["0 or 1", gamma].gain == pytest.approx(1.0)
        assert found["0 or 1", gamma].softmax == pytest.approx(1.0)
    assert found["normal", 2.0].gain < 0.99


def test_trust_regions_go_with_a_power_of_the_spread():
    shares = {each.name: each.share_P for each in claims.regions()}
    assert shares["prompt std (grpo)"] == pytest.approx([0.25] * 4)
    for gamma in claims.GAMMAS:
        weights = [std ** (2 + 2 * gamma) for std in claims.STDS]
        expected = [weight / sum(weights) for weight in weights]
        assert shares[f"γ = {gamma:g}"] == pytest.approx(expected, rel=1e-6)


def test_the_natural_gradient_gains_most_for_its_divergence():
    gains = {name: torch.tensor(values) for name, values in claims.shared_gains(5).items()}
    assert gains["natural gradient"].tolist() == pytest.approx([1.0] * 5)
    assert all((values <= 1 + 1e-9).all() for values in gains.values())
    assert gains["metric, γ = 2"].mean() < gains["metric, γ = 0.25"].mean()


@pytest.mark.parametrize("size", [2, 8, 12])
def test_no_group_holds_more_than_its_bound(size: int):
    lone = torch.zeros(size, dtype=torch.float64)
    lone[0] = 1000.0
    group = torch.zeros(size, dtype=torch.long)
    assert advantages.grpo(lone, group, eps=0.0).max().item() == pytest.approx(bound(size))
    other = torch.randn(size, generator=torch.Generator().manual_seed(0)).double() ** 3
    assert advantages.grpo(other, group, eps=0.0).abs().max() <= bound(size)
