from __future__ import annotations

from math import inf

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.core import ratios, transitions


def test_gaussian_log_ratio_by_hand() -> None:
    # b/s = 2: d = (2*0.5, 2*(-1)) = (1, -2); eps*d - d^2/2 = 3 - 0.5 = 2.5 and -2*1 - 2 = -4; mean -0.75.
    found = ratios.gaussian_log_ratio(
        torch.tensor([[3.0, 1.0]]),
        torch.tensor([[1.5, 0.0]]),
        torch.tensor([[1.0, 1.0]]),
        torch.tensor([1.0]),
        torch.tensor([0.5]),
    )
    assert found.tolist() == [-0.75]


@settings(max_examples=40)
@given(
    seed=st.integers(0, 999),
    a=st.floats(0.2, 2),
    b=st.floats(-1, -0.01),
    s=st.floats(0.01, 1),
    change=st.floats(0, 0.5),
)
def test_is_the_difference_of_two_log_densities(
    seed: int, a: float, b: float, s: float, change: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    x, old, noise, move = (torch.randn(3, 4, 5, generator=generator, dtype=torch.float64) for _ in range(4))
    new = old + change * move
    following = a * x + b * old + s * noise
    difference = transitions.log_prob(following, x, new, a, b, s) - transitions.log_prob(
        following, x, old, a, b, s
    )
    rows = torch.full((3,), b, dtype=torch.float64), torch.full((3,), s, dtype=torch.float64)
    found = ratios.gaussian_log_ratio(noise, new, old, *rows)
    torch.testing.assert_close(found, difference, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_equal_predictions_give_exactly_zero(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    noise, prediction = torch.randn(4, 7, 3).to(dtype), torch.randn(4, 7, 3).to(dtype)
    b, s = torch.rand(4, dtype=torch.float64) - 2, torch.rand(4, dtype=torch.float64) + 1e-3
    found = ratios.gaussian_log_ratio(noise, prediction, prediction.clone(), b, s)
    assert found.tolist() == [0.0] * 4


def test_each_row_has_its_own_coefficients() -> None:
    torch.manual_seed(0)
    noise, new, old = (torch.randn(3, 2, 2, dtype=torch.float64) for _ in range(3))
    b = torch.tensor([-0.1, -0.2, -0.3], dtype=torch.float64)
    s = torch.tensor([0.5, 0.4, 0.3], dtype=torch.float64)
    together = ratios.gaussian_log_ratio(noise, new, old, b, s)
    alone = [
        ratios.gaussian_log_ratio(noise[i, None], new[i, None], old[i, None], b[[i]], s[[i]])
        for i in range(3)
    ]
    torch.testing.assert_close(together, torch.cat(alone))


def test_small_changes_keep_their_digits_in_float32() -> None:
    """The direct form agrees with float64 to 1e-4 relative where clip ranges are 1e-4 and below."""
    torch.manual_seed(0)
    noise, old, move = (torch.randn(8, 4096, dtype=torch.float64) for _ in range(3))
    new = old + 1e-3 * move
    b, s = torch.full((8,), -0.05, dtype=torch.float64), torch.full((8,), 0.2, dtype=torch.float64)
    exact = ratios.gaussian_log_ratio(noise, new, old, b, s)
    single = ratios.gaussian_log_ratio(noise.float(), new.float(), old.float(), b.float(), s.float())
    assert (single.double() - exact).abs().max() < 1e-9


def test_expected_ratio_is_one() -> None:
    torch.manual_seed(0)
    noise = torch.randn(200_000, 1)
    new, old = torch.full_like(noise, 0.3), torch.zeros_like(noise)
    one = torch.ones(len(noise))
    ratio = ratios.gaussian_log_ratio(noise, new, old, one, one).exp()
    assert ratio.mean().item() == pytest.approx(1.0, abs=4 * 0.31 / 200_000**0.5)


def test_shapes_must_agree() -> None:
    one = torch.ones(2)
    with pytest.raises(ValueError, match="must have one shape"):
        ratios.gaussian_log_ratio(torch.zeros(2, 3), torch.zeros(2, 1), torch.zeros(2, 3), one, one)
    with pytest.raises(ValueError, match=r"one shape: \(2, 3\) is not \(2, 1\)"):
        ratios.log_ratio(torch.zeros(2, 3), torch.zeros(2, 1))


def test_token_log_ratio_by_hand_and_limited() -> None:
    new = torch.tensor([[-1.0, -0.5, 0.0, -inf, -3.0]])
    old = torch.tensor([[-2.0, -0.5, -100.0, -1.0, -inf]])
    assert ratios.log_ratio(new, old).tolist() == [[1, 0, 20, -20, 20]]
    assert ratios.log_ratio(new, old, limit=0.5).tolist() == [[0.5, 0, 0.5, -0.5, 0.5]]
    assert ratios.log_ratio(new, old).exp().isfinite().all()


def rows(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """b and s of `count` steps, float64."""
    return -torch.linspace(0.05, 0.3, count).double(), torch.linspace(0.4, 0.1, count).double()


def test_exact_has_the_divergence_beside_the_ratio() -> None:
    # As in the first test: d = (1, -2), so the mean of d²/2 is (0.5 + 2)/2.
    log_ratio, drift = ratios.exact(
        torch.tensor([[3.0, 1.0]]),
        torch.tensor([[1.5, 0.0]], requires_grad=True),
        torch.tensor([[1.0, 1.0]]),
        torch.tensor([1.0]),
        torch.tensor([0.5]),
    )
    assert (log_ratio.item(), drift.item()) == (-0.75, 1.25)
    assert log_ratio.requires_grad
    assert not drift.requires_grad


def test_guard_takes_off_the_bias_and_the_step_s_scale() -> None:
    torch.manual_seed(0)
    noise, new, old = (torch.randn(4, 3, 2, dtype=torch.float64) for _ in range(3))
    b, s = rows(4)
    log_ratio, drift = ratios.exact(noise, new, old, b, s)
    guarded, same = ratios.guard(noise, new, old, b, s)
    torch.testing.assert_close(guarded, s * (log_ratio + drift))
    assert torch.equal(same, drift)


def test_the_guarded_log_ratio_has_mean_zero_and_the_exact_one_less() -> None:
    torch.manual_seed(0)
    noise = torch.randn(200_000, 1, dtype=torch.float64)
    new, old = torch.full_like(noise, 0.3), torch.zeros_like(noise)
    one = torch.ones(len(noise), dtype=torch.float64)
    error = 4 * 0.3 / len(noise) ** 0.5
    assert ratios.guard(noise, new, old, one, one)[0].mean().item() == pytest.approx(0, abs=error)
    assert ratios.exact(noise, new, old, one, one)[0].mean().item() == pytest.approx(-0.045, abs=error)


@pytest.mark.parametrize("name", list(ratios.RATIOS))
def test_every_ratio_is_exactly_one_for_equal_predictions(name: str) -> None:
    torch.manual_seed(0)
    noise, prediction = torch.randn(4, 7, 3), torch.randn(4, 7, 3)
    b, s = (value.float() for value in rows(4))
    assert ratios.RATIOS[name](noise, prediction, prediction.clone(), b, s)[0].tolist() == [0.0] * 4


def test_total_variation_of_the_sampled_token() -> None:
    old, new = torch.tensor([[0.5, 0.1, 0.9]]), torch.tensor([[0.6, 0.4, 0.2]])
    found = ratios.total_variation((new.log() - old.log()).requires_grad_(), old.log())
    torch.testing.assert_close(found, torch.tensor([[0.1, 0.3, 0.7]]))
    assert not found.requires_grad
