from __future__ import annotations

from math import log, nan, prod

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.core import objectives, ratios, units


def test_clip_by_hand() -> None:
    # Ratios 1.5, 1.1, 0.5, 0.9 with low = high = 0.2 are clipped to 1.2, 1.1, 0.8, 0.9.
    log_ratio = torch.tensor([[1.5, 1.1, 0.5, 0.9]] * 2).log()
    found = objectives.clip(log_ratio, torch.tensor([2.0, -2.0]), low=0.2)
    # A = 2: -min(3, 2.4), -2.2, -min(1, 1.6), -1.8. A = -2: -min(-3, -2.4), 2.2, -min(-1, -1.6), 1.8.
    expected = torch.tensor([[-2.4, -2.2, -1.0, -1.8], [3.0, 2.2, 1.6, 1.8]])
    torch.testing.assert_close(found, expected)
    cut = objectives.clip_mask(log_ratio, torch.tensor([2.0, -2.0]), 0.2)
    assert cut.tolist() == [[True, False, False, False], [False, False, True, False]]


def test_an_upper_range_of_its_own() -> None:
    log_ratio = torch.tensor([[1.25, 1.4, 0.7]]).log()
    advantage = torch.tensor([1.0])
    found = objectives.clip_higher(log_ratio, advantage, low=0.2, high=0.3)
    torch.testing.assert_close(found, torch.tensor([[-1.25, -1.3, -0.7]]))
    assert objectives.clip_mask(log_ratio, advantage, 0.2, 0.3).tolist() == [[False, True, False]]
    assert objectives.clip_mask(log_ratio, advantage, 0.2).tolist() == [[True, True, False]]
    torch.testing.assert_close(objectives.clip(log_ratio, advantage, low=0.2, high=0.3), found)


@pytest.mark.parametrize("high", [None, 0.1])
def test_clip_higher_wants_a_higher_range(high: float | None) -> None:
    with pytest.raises(ValueError, match=f"needs high of at least low=0.2; got {high}"):
        objectives.clip_higher(torch.zeros(1, 1), torch.ones(1), low=0.2, high=high)


def test_equal_ranges_are_plain_clip() -> None:
    torch.manual_seed(0)
    log_ratio, advantage = torch.randn(4, 5), torch.randn(4, 5)
    one = objectives.OBJECTIVES["clip"](log_ratio, advantage, low=0.1)
    two = objectives.OBJECTIVES["clip_higher"](log_ratio, advantage, low=0.1, high=0.1)
    assert torch.equal(one, two)


def test_advantage_per_rollout_or_per_unit() -> None:
    torch.manual_seed(0)
    log_ratio, advantage = torch.randn(3, 4), torch.randn(3)
    one = objectives.clip(log_ratio, advantage, low=0.1)
    two = objectives.clip(log_ratio, advantage[:, None].expand(3, 4), low=0.1)
    assert torch.equal(one, two)


def test_log_ratios_want_two_axes() -> None:
    with pytest.raises(ValueError, match=r"must be \[B, U\]; got shape \(3,\)"):
        objectives.clip(torch.zeros(3), torch.zeros(3), low=0.1)
    with pytest.raises(ValueError, match=r"must be \[B, U\]"):
        objectives.clip_mask(torch.zeros(3), torch.zeros(3), 0.1)


@pytest.mark.parametrize("name", ["clip", "dual_clip", "cispo", "sapo", "gmpo"])
@pytest.mark.parametrize("low", [0.2, 1e-4, 5e-5])
def test_gradient_at_ratio_one_is_the_policy_gradient(low: float, name: str) -> None:
    """At equal policies the loss's gradient is -A times that of the log-probability."""
    torch.manual_seed(0)
    noise, advantage = torch.randn(6, 4, 3), torch.randn(6)
    old = torch.randn(6, 4, 3)
    new = old.clone().requires_grad_()
    b, s = torch.full((6,), -0.1), torch.full((6,), 0.25)
    log_ratio = ratios.gaussian_log_ratio(noise, new, old, b, s)
    (slope,) = torch.autograd.grad(log_ratio.sum(), new, retain_graph=True)
    loss = objectives.OBJECTIVES[name](log_ratio[:, None], advantage, low=low)
    (found,) = torch.autograd.grad(loss.sum(), new)
    torch.testing.assert_close(found, -advantage[:, None, None] * slope)
    # Of the Gaussian itself: d/dv of eps*d - d^2/2 at d = 0 is eps*b/s, mean over 12 dimensions.
    torch.testing.assert_close(slope, noise * (-0.1 / 0.25) / 12)


@settings(max_examples=60)
@given(
    st.lists(st.floats(-1, 1), min_size=1, max_size=12),
    st.floats(-3, 3).filter(lambda a: abs(a) > 1e-3),
    st.floats(1e-4, 0.5),
    st.floats(0, 0.5),
)
def test_gradient_is_zero_exactly_where_clipped(
    values: list[float], advantage: float, low: float, more: float
) -> None:
    log_ratio = torch.tensor([values], dtype=torch.float64, requires_grad=True)
    credit = torch.tensor([advantage], dtype=torch.float64)
    objectives.clip_higher(log_ratio, credit, low=low, high=low + more).sum().backward()
    cut = objectives.clip_mask(log_ratio.detach(), credit, low, low + more)
    assert log_ratio.grad is not None
    assert torch.equal(log_ratio.grad == 0, cut)
    free = torch.where(cut, 0.0, -advantage * log_ratio.detach().exp())
    torch.testing.assert_close(log_ratio.grad, free)


def test_clip_is_never_below_the_plain_surrogate() -> None:
    torch.manual_seed(0)
    log_ratio, advantage = torch.randn(50, 4), torch.randn(50)
    loss = objectives.clip(log_ratio, advantage, low=0.2)
    assert (loss >= -(log_ratio.exp() * advantage[:, None]) - 1e-6).all()


def test_reduce_mean_by_hand() -> None:
    loss = torch.tensor([[1.0, 3.0], [5.0, nan], [nan, nan]])
    mask = torch.tensor([[True, True], [True, False], [False, False]])
    # (2 + 5)/2 over the rollouts with a unit; /4 as told.
    assert objectives.reduce_mean(loss, mask).item() == 3.5
    assert objectives.reduce_mean(loss, mask, denominator=4).item() == 1.75


def test_reduce_mean_of_nothing_is_zero() -> None:
    nothing = torch.full((2, 3), nan, requires_grad=True)
    value = objectives.reduce_mean(nothing, torch.zeros(2, 3, dtype=torch.bool))
    value.backward()
    assert value.item() == 0
    assert nothing.grad is not None
    assert nothing.grad.tolist() == [[0, 0, 0]] * 2


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7])
def test_micro_batches_add_up(size: int) -> None:
    torch.manual_seed(0)
    base = torch.randn(7, 4, dtype=torch.float64) * 0.2
    advantage = torch.randn(7, dtype=torch.float64)
    mask = torch.rand(7, 4) > 0.3
    mask[3] = False
    rollouts = int(mask.any(1).sum())
    whole, parts = base.clone().requires_grad_(), base.clone().requires_grad_()
    loss = objectives.reduce_mean(objectives.clip(whole, advantage, low=0.1), mask)
    loss.backward()
    total = 0.0
    for part in torch.arange(7).split(size):
        unit = objectives.clip(parts[part], advantage[part], low=0.1)
        micro = objectives.reduce_mean(unit, mask[part], denominator=rollouts)
        micro.backward()
        total += micro.item()
    assert total == pytest.approx(loss.item(), rel=1e-12)
    torch.testing.assert_close(parts.grad, whole.grad, rtol=1e-12, atol=0)


def test_each_rollout_weighs_the_same_whatever_its_units() -> None:
    loss = torch.ones(2, 4, requires_grad=True)
    mask = torch.tensor([[True, False, False, False], [True] * 4])
    objectives.reduce_mean(loss, mask).backward()
    assert loss.grad is not None
    assert loss.grad.sum(1).tolist() == [0.5, 0.5]


def test_clip_range_as_small_as_in_use() -> None:
    """5e-5 around 1 is some hundred float32 steps wide: both sides are told apart."""
    log_ratio = torch.tensor([[4e-5, 6e-5, -4e-5, -6e-5]])
    up = objectives.clip_mask(log_ratio, torch.tensor([1.0]), 5e-5)
    down = objectives.clip_mask(log_ratio, torch.tensor([-1.0]), 5e-5)
    assert up.tolist() == [[False, True, False, False]]
    assert down.tolist() == [[False, False, False, True]]
    assert objectives.clip(torch.tensor([[log(1.1)]]), torch.tensor([1.0]), low=5e-5).item() == pytest.approx(
        -1.00005, rel=1e-6
    )


def test_dual_clip_by_hand() -> None:
    # A = -2: plain clip gives 2·5 = 10 at ratio 5, the bound 3·2 = 6; at ratio 2 it stays 4. A = 2: as clip.
    log_ratio = torch.tensor([[5.0, 2.0], [5.0, 2.0]]).log()
    found = objectives.dual_clip(log_ratio, torch.tensor([-2.0, 2.0]), low=0.2)
    torch.testing.assert_close(found, torch.tensor([[6.0, 4.0], [-2.4, -2.4]]))


def test_dual_clip_stops_the_gradient_beyond_its_bound() -> None:
    log_ratio = torch.tensor([[5.0, 2.0]]).log().requires_grad_()
    objectives.dual_clip(log_ratio, torch.tensor([-1.0]), low=0.2).sum().backward()
    assert log_ratio.grad is not None
    torch.testing.assert_close(log_ratio.grad, torch.tensor([[0.0, 2.0]]))


def test_cispo_by_hand_keeps_a_gradient_of_bounded_weight() -> None:
    # Ratios 1.5, 1.1, 0.5 within [0.8, 1.2]: weights 1.2, 1.1, 0.8, times -A, whatever the sign of A.
    for sign in (1.0, -1.0):
        log_ratio = torch.tensor([[1.5, 1.1, 0.5]]).log().requires_grad_()
        objectives.cispo(log_ratio, torch.tensor([2.0 * sign]), low=0.2).sum().backward()
        torch.testing.assert_close(log_ratio.grad, -2.0 * sign * torch.tensor([[1.2, 1.1, 0.8]]))
    above = objectives.cispo(torch.tensor([[1.5]]).log(), torch.ones(1), low=0.2, high=4.0)
    assert above.item() == pytest.approx(-1.5 * log(1.5))


def test_sapo_by_hand() -> None:
    # σ(0) = 1/2: -(4/τ)·A/2. At ratio 2, A = 1: -4·σ(1) = -4·0.7310586; A = -1, τ 1.05: +(4/1.05)·σ(1.05).
    log_ratio = torch.tensor([[1.0, 2.0], [1.0, 2.0]]).log()
    found = objectives.sapo(log_ratio, torch.tensor([1.0, -1.0]))
    expected = torch.tensor([[-2.0, -2.9242343], [4 / 1.05 / 2, 4 / 1.05 * 0.7407749]])
    torch.testing.assert_close(found, expected)


@settings(max_examples=60)
@given(st.floats(-3, 3), st.floats(-2, 2))
def test_sapos_gate_never_exceeds_the_plain_gradient(x: float, advantage: float) -> None:
    """Its gradient in log ρ is ρ·A times a gate 4σ(1 − σ) that is at most 1 and 1 only at ρ = 1."""
    log_ratio = torch.tensor([[x]], dtype=torch.float64, requires_grad=True)
    objectives.sapo(log_ratio, torch.tensor([advantage], dtype=torch.float64)).sum().backward()
    assert log_ratio.grad is not None
    plain = abs(advantage) * torch.tensor(x, dtype=torch.float64).exp().item()
    assert abs(log_ratio.grad.item()) <= plain * (1 + 1e-9)


def _gmpo(log_ratio: torch.Tensor, advantage: torch.Tensor, low: float, high: float | None) -> torch.Tensor:
    """As a trainer calls it: one unit a rollout."""
    limited = objectives.BEFORE_POOLING["gmpo"](log_ratio, advantage, low=low, high=high)
    pooled, _ = units.pool(limited, units.sequence(log_ratio.shape[1]))
    return objectives.OBJECTIVES["gmpo"](pooled, advantage, low=low, high=high)


def test_sign_aware_clip_by_hand() -> None:
    log_ratio = torch.tensor([[1.5, 1.1, 0.5]] * 2).log()
    found = objectives.sign_aware_clip(log_ratio, torch.tensor([2.0, -2.0]), low=0.2)
    torch.testing.assert_close(found.exp(), torch.tensor([[1.2, 1.1, 0.5], [1.5, 1.1, 0.8]]))
    found = objectives.sign_aware_clip(log_ratio, torch.tensor([0.0, -1.0]), low=0.4, high=0.05)
    torch.testing.assert_close(found.exp(), torch.tensor([[1.05, 1.05, 0.5], [1.5, 1.1, 0.6]]))


@settings(max_examples=60)
@given(
    st.lists(st.floats(-1, 1), min_size=1, max_size=8),
    st.floats(-3, 3),
    st.floats(0.01, 0.5),
    st.none() | st.floats(0.01, 0.8),
)
def test_gmpo_is_the_geometric_mean_of_pessimistic_ratios(
    values: list[float], advantage: float, low: float, high: float | None
) -> None:
    """The paper's formula token by token: min(ρ·sign, clip(ρ)·sign)·sign under an n-th root, times A."""
    log_ratio = torch.tensor([values], dtype=torch.float64)
    sign = 1 if advantage >= 0 else -1
    top = 1 + (low if high is None else high)
    each = [sign * min(sign * rho, sign * min(max(rho, 1 - low), top)) for rho in log_ratio[0].exp().tolist()]
    found = _gmpo(log_ratio, torch.tensor([advantage], dtype=torch.float64), low, high)
    assert found.item() == pytest.approx(-advantage * prod(each) ** (1 / len(each)), rel=1e-9)


def test_gmpos_gradient_at_ratio_one_is_grpos() -> None:
    torch.manual_seed(0)
    advantage = torch.randn(5)
    one, two = (torch.zeros(5, 4, requires_grad=True) for _ in range(2))
    objectives.reduce_mean(_gmpo(one, advantage, 0.2, None), torch.ones(5, 1).bool()).backward()
    objectives.reduce_mean(objectives.clip(two, advantage, low=0.2), torch.ones(5, 4).bool()).backward()
    torch.testing.assert_close(one.grad, two.grad)


def test_gmpo_gives_no_gradient_to_the_tokens_that_are_clipped_and_some_to_the_others() -> None:
    log_ratio = torch.tensor([[1.5, 1.0, 0.5], [1.5, 1.0, 0.5]]).log().requires_grad_()
    _gmpo(log_ratio, torch.tensor([1.0, -1.0]), 0.2, None).sum().backward()
    assert log_ratio.grad is not None
    assert (log_ratio.grad == 0).tolist() == [[True, False, False], [False, False, True]]


def test_reduce_tokens_and_constant_by_hand() -> None:
    loss = torch.tensor([[1.0, 3.0], [5.0, nan], [nan, nan]])
    mask = torch.tensor([[True, True], [True, False], [False, False]])
    # 9 over three units; 9 over two rollouts that may have four units each.
    assert objectives.reduce_tokens(loss, mask).item() == 3
    assert objectives.reduce_tokens(loss, mask, denominator=6).item() == 1.5
    assert objectives.reduce_constant(loss, mask, length=4).item() == 1.125
    assert objectives.reduce_constant(loss, mask, denominator=3, length=4).item() == 0.75


def _reduce(name: str, loss: torch.Tensor, mask: torch.Tensor, denominator: int | None) -> torch.Tensor:
    more = {"length": 10} if name == "constant" else {}
    return objectives.REDUCTIONS[name](loss, mask, denominator, **more)


@pytest.mark.parametrize("name", list(objectives.REDUCTIONS))
@settings(max_examples=30)
@given(seed=st.integers(0, 999), size=st.integers(1, 7))
def test_every_reduction_adds_up_over_micro_batches(name: str, seed: int, size: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    loss = torch.randn(7, 4, dtype=torch.float64, generator=generator)
    mask = torch.rand(7, 4, generator=generator) > 0.4
    mask[0, 0], mask[3] = True, False
    whole = _reduce(name, loss, mask, None)
    counted = int(mask.sum() if name == "decisions" else mask.any(1).sum())
    parts = [_reduce(name, loss[p], mask[p], counted) for p in torch.arange(7).split(size)]
    torch.testing.assert_close(torch.stack(parts).sum(), whole, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", list(objectives.REDUCTIONS))
def test_every_reduction_of_nothing_is_zero(name: str) -> None:
    nothing = torch.full((2, 3), nan, requires_grad=True)
    value = _reduce(name, nothing, torch.zeros(2, 3, dtype=torch.bool), None)
    value.backward()
    assert value.item() == 0
    assert nothing.grad is not None
    assert not nothing.grad.any()


def test_what_a_unit_weighs_under_each_reduction() -> None:
    """A rollout of one unit beside one of four, of at most ten."""
    mask = torch.tensor([[True, False, False, False], [True] * 4])
    expected = {"rollouts": (1 / 2, 1 / 8), "decisions": (1 / 5, 1 / 5), "constant": (1 / 20, 1 / 20)}
    assert expected.keys() == objectives.REDUCTIONS.keys()
    for name, (short, long) in expected.items():
        loss = torch.ones(2, 4, requires_grad=True)
        _reduce(name, loss, mask, None).backward()
        torch.testing.assert_close(loss.grad, mask * torch.tensor([[short], [long]]))


def test_dppo_stops_only_what_is_far_and_moves_on() -> None:
    # Ratios 1.5, 0.5 with A = 2 and -2, drift below and above the threshold 0.1.
    log_ratio = torch.tensor([[1.5, 1.5, 0.5, 0.5]] * 2).log().requires_grad_()
    drift, advantage = torch.tensor([[0.05, 0.2, 0.05, 0.2]] * 2), torch.tensor([2.0, -2.0])
    loss = objectives.dppo(log_ratio, advantage, drift_BU=drift, threshold=0.1)
    torch.testing.assert_close(loss, torch.tensor([[-3.0, -2.0, -1.0, -1.0], [3.0, 3.0, 1.0, 2.0]]))
    held = objectives.dppo_mask(log_ratio, advantage, drift, 0.1)
    assert held.tolist() == [[False, True, False, False], [False, False, False, True]]
    loss.sum().backward()
    expected = torch.tensor([[-3.0, 0.0, -1.0, -1.0], [3.0, 3.0, 1.0, 0.0]])  # −A·ρ where it is not held
    torch.testing.assert_close(log_ratio.grad, expected)


def test_dppo_without_a_threshold_is_the_plain_ratio() -> None:
    torch.manual_seed(0)
    log_ratio, advantage, drift = torch.randn(4, 5), torch.randn(4), torch.rand(4, 5) * 100
    found = objectives.dppo(log_ratio, advantage, drift_BU=drift, threshold=float("inf"))
    assert torch.equal(found, -log_ratio.exp() * advantage[:, None])


def test_dppo_keeps_an_exploded_ratio_out_of_the_loss() -> None:
    log_ratio = torch.tensor([[200.0, 0.0]], requires_grad=True)
    loss = objectives.dppo(log_ratio, torch.ones(1), drift_BU=torch.tensor([[9.0, 0.0]]), threshold=0.1)
    assert loss.tolist() == [[-1.0, -1.0]]
    loss.sum().backward()
    assert log_ratio.grad is not None
    assert log_ratio.grad.tolist() == [[0.0, -1.0]]


def test_nft_by_hand() -> None:
    # A clipped to ±5: 5·0.3 − 5·0.2 and 5·0.3 + 2·0.2.
    gain, drift = torch.full((2, 1), 0.2), torch.full((2, 1), 0.3)
    found = objectives.nft(gain, torch.tensor([7.0, -2.0]), drift_BU=drift, largest=5.0)
    torch.testing.assert_close(found, torch.tensor([[0.5], [1.9]]))
