from __future__ import annotations

from collections.abc import Callable
from math import cos, pi, sin, sqrt

import numpy as np
import pytest
import torch
from scipy.stats import norm

from burnish.core import transitions

LEVELS = torch.tensor([1.0, 0.8, 0.55, 0.3, 0.05, 0.0], dtype=torch.float64)


def _rows(table: transitions.Table) -> list[tuple[float, float, float]]:
    return list(zip(table.a_T.tolist(), table.b_T.tolist(), table.s_T.tolist(), strict=True))


def _sde(t: float, following: float, noise: float, x: float, v: float, eps: float) -> float:
    dt = following - t
    return x + (v + noise**2 / (2 * t) * (x + (1 - t) * v)) * dt + noise * sqrt(-dt) * eps


def _flow(t: float, following: float, second: float, eta: float, x: float, v: float, eps: float) -> float:
    noise = eta * sqrt(t / (1 - (second if t == 1 else t)))
    return _sde(t, following, noise, x, v, eps)


def _dance(t: float, following: float, second: float, eta: float, x: float, v: float, eps: float) -> float:
    return _sde(t, following, eta, x, v, eps)


def _cps(t: float, following: float, second: float, eta: float, x: float, v: float, eps: float) -> float:
    clean, noise = x - t * v, x + (1 - t) * v
    kept, fresh = cos(eta * pi / 2), sin(eta * pi / 2)
    return (1 - following) * clean + following * kept * noise + following * fresh * eps


def _ode(t: float, following: float, second: float, eta: float, x: float, v: float, eps: float) -> float:
    return x + v * (following - t)


FORMULAS = {"flow_sde": _flow, "dance_sde": _dance, "cps": _cps, "ode": _ode}


@pytest.mark.parametrize("name", list(FORMULAS))
@pytest.mark.parametrize("eta", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("levels", [LEVELS, LEVELS[1:], LEVELS[[0, 5]]])
def test_rows_are_the_formula(name: str, eta: float, levels: torch.Tensor) -> None:
    formula: Callable[..., float] = FORMULAS[name]
    table = transitions.FLOW[name](levels, eta)
    points = np.random.default_rng(0).normal(size=(5, 3))
    t = levels.tolist()
    for step, (a, b, s) in enumerate(_rows(table)):
        for x, v, eps in points:
            expected = formula(t[step], t[step + 1], t[1], eta, x, v, eps)
            assert a * x + b * v + s * eps == pytest.approx(expected, rel=1e-12, abs=1e-13)


def test_rows_are_float64_also_from_float32_levels() -> None:
    for function in transitions.FLOW.values():
        table = function(LEVELS.float())
        assert {table.a_T.dtype, table.b_T.dtype, table.s_T.dtype} == {torch.float64}
        assert len(table.a_T) == len(table.b_T) == len(table.s_T) == 5


def test_flow_sde_at_the_start_by_hand() -> None:
    # t = 1, t' = 0.75, eta = 0.5: noise = 0.5*sqrt(1/0.25) = 1; a = 1 - 0.25/2, b = -0.25, s = sqrt(0.25).
    table = transitions.flow_sde(torch.tensor([1.0, 0.75, 0.5]), 0.5)
    assert _rows(table)[0] == (0.875, -0.25, 0.5)
    # t = 0.75: noise^2 = 0.25*3 = 0.75, half = 0.5; a = 1 - 0.5/4, b = -(1 + 0.5/4)/4, s = sqrt(0.75/4).
    assert _rows(table)[1] == pytest.approx((0.875, -0.28125, sqrt(0.1875)), rel=1e-15)


def test_dance_sde_by_hand() -> None:
    # t = 0.5, t' = 0.25, noise 1: half = 1; a = 1 - 0.25, b = -1.5*0.25, s = sqrt(0.25).
    assert _rows(transitions.dance_sde(torch.tensor([0.5, 0.25]), 1.0)) == [(0.75, -0.375, 0.5)]


def test_without_noise_the_sde_is_the_ode() -> None:
    plain = _rows(transitions.ode(LEVELS))
    assert [row[2] for row in plain] == [0] * 5
    for name in ("flow_sde", "dance_sde", "cps"):
        for row, expected in zip(_rows(transitions.FLOW[name](LEVELS, 0.0)), plain, strict=True):
            assert row == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("eta", [0.3, 0.7, 1.0])
def test_cps_preserves_the_coefficients(eta: float) -> None:
    """With x = (1-t) x0 + t e and the true velocity, x' = (1-t') x0 + noise of variance t'^2."""
    for t, following, (a, b, s) in zip(
        LEVELS[:-1], LEVELS[1:], _rows(transitions.cps(LEVELS, eta)), strict=True
    ):
        clean = a * (1 - t) - b  # v = e - x0
        noise = a * t + b
        assert clean.item() == pytest.approx(1 - following.item(), abs=1e-14)
        assert (noise**2 + s**2).item() == pytest.approx(following.item() ** 2, abs=1e-14)


@pytest.mark.parametrize("name", ["flow_sde", "dance_sde"])
def test_sde_keeps_the_marginals_for_small_steps(name: str) -> None:
    """Gaussian data N(m, 0): mean (1-t) m and std t survive many small steps with the true velocity."""
    levels = torch.linspace(0.95, 0.3, 4001, dtype=torch.float64)
    mean, variance, m = 0.05 * 2.0, 0.95**2, 2.0
    for t, (a, b, s) in zip(levels[:-1].tolist(), _rows(transitions.FLOW[name](levels, 0.7)), strict=True):
        slope, offset = 1 / t, -m / t  # v = (x - (1-t) m)/t - m = x/t - m/t
        mean = a * mean + b * (slope * mean + offset)
        variance = (a + b * slope) ** 2 * variance + s**2
    assert mean == pytest.approx(0.7 * m, rel=2e-3)
    assert sqrt(variance) == pytest.approx(0.3, rel=2e-3)


def test_window_mixes_sde_and_ode() -> None:
    full, plain = transitions.dance_sde(LEVELS, 0.3), transitions.ode(LEVELS)
    mixed = full.window(1, 3, plain)
    for step in range(5):
        source = full if step in (1, 2) else plain
        assert _rows(mixed)[step] == _rows(source)[step]
    assert _rows(full.window(0, 5, plain)) == _rows(full)


@pytest.mark.parametrize(("start", "stop"), [(0, 0), (2, 1), (-1, 2), (0, 6)])
def test_window_must_lie_in_the_steps(start: int, stop: int) -> None:
    with pytest.raises(ValueError, match=rf"window \[{start}, {stop}\) does not lie in the 5 steps"):
        transitions.ode(LEVELS).window(start, stop, transitions.ode(LEVELS))


@pytest.mark.parametrize("levels", [[1.0], [0.0, 1.0], [1.0, 0.5, 0.5], [1.0, float("nan")], [[1.0, 0.0]]])
def test_noise_levels_must_fall(levels: list[float]) -> None:
    for function in transitions.FLOW.values():
        with pytest.raises(ValueError, match="noise levels must fall"):
            function(torch.tensor(levels))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
@pytest.mark.parametrize("s", [0.013, 0.3, 1.7])
def test_log_prob_is_the_normal_density(dtype: torch.dtype, tolerance: float, s: float) -> None:
    torch.manual_seed(0)
    x, v, noise = (torch.randn(3, 4, 8, 8, dtype=dtype) for _ in range(3))
    a, b = 0.93, -0.11
    following = a * x + b * v + s * noise
    found = transitions.log_prob(following, x, v, a, b, s)
    assert found.dtype == dtype
    mean = a * x.numpy().astype(np.float64) + b * v.numpy().astype(np.float64)
    expected = norm.logpdf(following.numpy().astype(np.float64), mean, s).mean((1, 2, 3))
    np.testing.assert_allclose(found.double().numpy(), expected, rtol=tolerance, atol=tolerance)


def test_log_prob_by_hand() -> None:
    # z = 0 and 2: densities -log s - log(2 pi)/2 and 2 less; mean 1 less. log 0.5 = -0.6931..., 0.9189....
    found = transitions.log_prob(
        torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 1.0]]), torch.zeros(1, 2), 1.0, 1.0, 0.5
    )
    assert found.item() == pytest.approx(0.69314718 - 0.91893853 - 1.0, rel=1e-6)


@pytest.mark.parametrize("s", [0.0, -0.1])
def test_deterministic_step_has_no_density(s: float) -> None:
    x = torch.zeros(1, 2)
    with pytest.raises(ValueError, match="s = 0 is deterministic and has no density"):
        transitions.log_prob(x, x, x, 1.0, -0.1, s)


def test_unnormalised_log_prob_by_hand() -> None:
    # Mean 2*1 - 0.5*2 = 1: -(3 - 1)^2 = -4 and -(0 - 1)^2 = -1.
    found = transitions.unnormalised_log_prob(
        torch.tensor([[3.0, 0.0]]), torch.ones(1, 2), torch.full((1, 2), 2.0), 2.0, -0.5
    )
    assert found.tolist() == [-2.5]


BARS = torch.tensor([0.05, 0.3, 0.7, 0.95, 0.999], dtype=torch.float64)
"""ᾱ = α² of five levels."""


def _diffusion(prediction: str) -> transitions.Schedule:
    return transitions.Schedule(torch.tensor([999.0, 700, 400, 100]), (1 - BARS).sqrt(), prediction)  # type: ignore[arg-type]


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("eta", [0.0, 0.4, 1.0])
def test_ddim_is_the_paper_and_the_diffusers_scheduler(prediction: str, eta: float) -> None:
    """2010.02502, eq. 12: √ᾱ'·x̂_0 + √(1 − ᾱ' − s²)·ε̂ + s·ε, s² = η²·(1−ᾱ')/(1−ᾱ)·(1 − ᾱ/ᾱ')."""
    bars = BARS.tolist()
    for t, (a, b, s) in enumerate(_rows(transitions.ddim(_diffusion(prediction), eta))):
        bar, following = bars[t], bars[t + 1]
        for x, out, eps in np.random.default_rng(0).normal(size=(5, 3)):
            if prediction == "epsilon":
                noise, clean = out, (x - sqrt(1 - bar) * out) / sqrt(bar)
            else:
                noise, clean = sqrt(bar) * out + sqrt(1 - bar) * x, sqrt(bar) * x - sqrt(1 - bar) * out
            spread = eta * sqrt((1 - following) / (1 - bar) * (1 - bar / following))
            expected = sqrt(following) * clean + sqrt(1 - following - spread**2) * noise + spread * eps
            assert a * x + b * out + s * eps == pytest.approx(expected, rel=1e-10, abs=1e-12)


def test_ddim_starts_from_pure_noise_with_v_prediction_only() -> None:
    sigma = torch.tensor([1.0, 0.8, 0.1], dtype=torch.float64)
    times = torch.tensor([999.0, 500.0])
    rows = _rows(transitions.ddim(transitions.Schedule(times, sigma, "v_prediction"), 0.0))
    assert rows[0] == pytest.approx((0.8, -0.6, 0.0))  # x is ε and −v is x_0
    with pytest.raises(ValueError, match="no data is left"):
        transitions.ddim(transitions.Schedule(times, sigma, "epsilon"))


def test_each_kind_of_model_has_its_transitions() -> None:
    flow = transitions.Schedule(LEVELS[:-1], LEVELS)
    assert _rows(transitions.table("cps", flow, 0.5)) == _rows(transitions.cps(LEVELS, 0.5))
    diffusion = _diffusion("epsilon")
    assert _rows(transitions.table("ode", diffusion, 0.9)) == _rows(transitions.ddim(diffusion, 0.0))
    for name, schedule, words in (("ddim", flow, "a flow takes"), ("cps", diffusion, "takes ddim")):
        with pytest.raises(ValueError, match=words):
            transitions.table(name, schedule, 0.5)
    with pytest.raises(ValueError, match="for diffusion models"):
        transitions.ddim(flow)
