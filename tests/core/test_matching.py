from __future__ import annotations

import pytest
import torch
from torch import Tensor

from burnish.core import matching, objectives, ratios
from burnish.core.transitions import Schedule

KINDS = ("velocity", "epsilon", "v_prediction")


def draws(count: int, seed: int = 0, shape: tuple[int, ...] = (5, 2, 3)) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(count)]


def mean(value: Tensor) -> Tensor:
    return value.flatten(1).mean(1)


def level(kind: str, sigma: float = 0.6) -> tuple[float, float]:
    schedule = Schedule(torch.zeros(1), torch.tensor([sigma, 0.1], dtype=torch.float64), kind)  # type: ignore[arg-type]
    return float(schedule.alpha_T1[0]), float(schedule.sigma_T1[0])


def restored(x: Tensor, v: Tensor, alpha: float, sigma: float, kind: str) -> Tensor:
    """x̂_0 from a prediction."""
    return {
        "velocity": x - sigma * v,
        "epsilon": (x - sigma * v) / alpha,
        "v_prediction": alpha * x - sigma * v,
    }[kind]


def test_copies_and_targets_by_hand() -> None:
    x_0, noise = torch.tensor([[2.0]]), torch.tensor([[-1.0]])
    assert matching.noised(x_0, noise, 0.75, 0.25).item() == 1.25
    expected = {"velocity": -3.0, "epsilon": -1.0, "v_prediction": -0.75 - 0.5}
    for kind, value in expected.items():
        assert matching.target(x_0, noise, 0.75, 0.25, kind).item() == value
    with pytest.raises(ValueError, match="prediction='score' is unknown; use velocity"):
        matching.target(x_0, noise, 0.75, 0.25, "score")


@pytest.mark.parametrize("kind", KINDS)
def test_a_perfect_prediction_restores_the_image(kind: str) -> None:
    x_0, noise = draws(2)
    alpha, sigma = level(kind)
    x = matching.noised(x_0, noise, alpha, sigma)
    v = matching.target(x_0, noise, alpha, sigma, kind)
    torch.testing.assert_close(restored(x, v, alpha, sigma, kind), x_0)


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
def test_the_gaussian_ratio_of_copies_is_the_change_of_the_matching_loss(power: float) -> None:
    """AWM: log ρ = −w(σ)·(‖v − v*‖² − ‖v_old − v*‖²), for any v, not only near v_old."""
    v, v_old, v_star = draws(3)
    sigma = torch.tensor([0.1, 0.3, 0.5, 0.8, 1.0], dtype=torch.float64)
    s = matching.deviation(sigma, power)
    noise = (v_star - v_old) / s.view(-1, 1, 1)
    log_ratio, drift = ratios.RATIOS["matching"](noise, v, v_old, torch.ones_like(s), s)
    weight = sigma**power
    torch.testing.assert_close(log_ratio, -weight * (mean((v - v_star) ** 2) - mean((v_old - v_star) ** 2)))
    torch.testing.assert_close(drift, weight * mean((v - v_old) ** 2))


def test_awm_starts_as_matching_weighted_by_the_advantage() -> None:
    """At v = v_old the clipped objective's gradient is that of Σ A·w·‖v − v*‖²."""
    v_old, v_star = draws(2)
    sigma, advantage = torch.linspace(0.2, 1, 5).double(), torch.tensor([1.0, -2.0, 0.5, 0.0, 3.0]).double()
    s = matching.deviation(sigma, 1.0)
    v = v_old.clone().requires_grad_()
    log_ratio, _ = ratios.exact((v_star - v_old) / s.view(-1, 1, 1), v, v_old, torch.ones_like(s), s)
    objectives.clip(log_ratio[:, None], advantage, low=1e-4).sum().backward()
    ours, v.grad = v.grad, None
    (advantage * sigma * mean((v - v_star) ** 2)).sum().backward()
    torch.testing.assert_close(ours, v.grad)


def reference_nft(
    x: Tensor,
    x_0: Tensor,
    v: Tensor,
    v_old: Tensor,
    advantage: Tensor,
    kind: str,
    beta: float,
    largest: float,
) -> Tensor:
    """DiffusionNFT as its paper and public code write it, [N]."""
    alpha, sigma = level(kind)
    r = 0.5 + 0.5 * (advantage / largest).clamp(-1, 1)
    losses = []
    for implicit in ((1 - beta) * v_old + beta * v, (1 + beta) * v_old - beta * v):
        error = restored(x, implicit, alpha, sigma, kind) - x_0
        losses.append(mean(error**2) / mean(error.detach().abs()).clamp(min=1e-5))
    return largest / beta * (r * losses[0] + (1 - r) * losses[1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("beta", [0.1, 1.0])
def test_nft_is_the_contrast_of_two_implicit_predictions(kind: str, beta: float) -> None:
    x_0, epsilon, v_old, v = draws(4)
    advantage = torch.tensor([1.0, -2.0, 0.5, 0.0, 9.0]).double()
    alpha, sigma = level(kind)
    x = matching.noised(x_0, epsilon, alpha, sigma)
    v_star = matching.target(x_0, epsilon, alpha, sigma, kind)
    levels = (torch.full((5,), value, dtype=torch.float64) for value in (alpha, sigma))
    s = matching.data_deviation(*levels, kind)
    v = v.requires_grad_()
    gain, drift = matching.contrast(
        (v_star - v_old) / s.view(-1, 1, 1), v, v_old, torch.ones_like(s), s, beta=beta
    )
    ours = objectives.nft(gain[:, None], advantage, drift_BU=drift[:, None], largest=5.0)[:, 0]
    expected = reference_nft(x, x_0, v, v_old, advantage, kind, beta, 5.0)
    torch.testing.assert_close(ours, expected)
    (one,) = torch.autograd.grad(ours.sum(), v)
    (two,) = torch.autograd.grad(expected.sum(), v)
    torch.testing.assert_close(one, two)


def test_the_first_step_of_nft_by_hand() -> None:
    """At v_old the drift is flat and the gain's slope in d is ε/(n·dims), n = mean |ε|/√2, for every β.

    ε = (1, −3): n = 2/√2, slope (1, −3)·√2/4; s = 1, so d = v − v_old.
    """
    noise, v_old, one = torch.tensor([[1.0, -3.0]]), torch.tensor([[0.4, 0.2]]), torch.ones(1)
    for beta in (0.1, 1.0, 2.0):
        v = v_old.clone().requires_grad_()
        gain, drift = matching.contrast(noise, v, v_old, one, one, beta=beta)
        assert gain.item() == 0
        (slope,) = torch.autograd.grad(gain, v, retain_graph=True)
        torch.testing.assert_close(slope, torch.tensor([[1.0, -3.0]]) * 2**0.5 / 4)
        (flat,) = torch.autograd.grad(drift, v)
        assert flat.abs().max() < 1e-7


def test_nft_moves_towards_good_images_and_away_from_bad_ones() -> None:
    noise, v_old, one = torch.tensor([[1.0, -3.0]]), torch.zeros(1, 2), torch.ones(1)
    for advantage, sign in ((2.0, 1), (-2.0, -1)):
        v = v_old.clone().requires_grad_()
        gain, drift = matching.contrast(noise, v, v_old, one, one)
        loss = objectives.nft(gain[:, None], torch.tensor([advantage]), drift_BU=drift[:, None], largest=5.0)
        loss.backward()
        assert torch.equal((-v.grad).sign(), sign * noise.sign())  # v* − v_old = ε·s


def test_the_drift_of_nft_holds_the_policy_at_the_old_one() -> None:
    noise, v_old, one = torch.tensor([[1.0, -3.0]]), torch.zeros(1, 2), torch.ones(1)
    v = torch.tensor([[0.2, 0.1]], requires_grad=True)
    gain, drift = matching.contrast(noise, v, v_old, one, one)
    objectives.nft(gain[:, None], torch.zeros(1), drift_BU=drift[:, None], largest=5.0).backward()
    assert (v.grad * v.detach()).sum() > 0  # the step goes back
