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


@settings(max_examples=40, deadline=None)
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
