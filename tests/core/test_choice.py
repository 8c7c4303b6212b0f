"""The advantage that foretells another scoring: by hand, and in worlds where the right one is known."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from burnish.core import advantages
from burnish.core.choice import CANDIDATES, agreement, foretelling, noise_variance


def test_noise_is_half_the_squared_difference() -> None:
    assert noise_variance(torch.tensor([0.0, 0.0]), torch.tensor([2.0, 0.0])).item() == 1.0


def test_agreement_by_hand() -> None:
    group = torch.tensor([0, 0, 1, 1])
    first, second = torch.tensor([0.0, 2.0, 0.0, 0.0]), torch.tensor([0.0, 2.0, 0.0, 2.0])
    # Centred: (−1, 1, 0, 0) and (−1, 1, −1, 1): cosine 2 / (√2 · 2), and the same the other way round.
    assert agreement(advantages.dr_grpo, first, second, group).item() == pytest.approx(0.5**0.5)
    assert agreement(advantages.dr_grpo, second, second, group).item() == pytest.approx(1.0)


def scorings(kind: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two scorings of 256 groups of eight."""
    generator = torch.Generator().manual_seed(0)
    group_B = torch.arange(256).repeat_interleave(8)
    truth_B = torch.randn(2048, generator=generator).double()
    noise_2B = torch.randn(2, 2048, generator=generator).double()
    if kind == "few groups have a signal":
        truth_B = truth_B * (group_B < 32)
        noise_2B = noise_2B * 0.5
    elif kind == "noise differs by group":
        noise_2B = noise_2B * (0.05 + 4 * (group_B % 8) / 7)
    else:
        noise_2B = noise_2B * 0.0
    return truth_B + noise_2B[0], truth_B + noise_2B[1], group_B


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("no noise", "batch_std"), ("few groups have a signal", "slas"), ("noise differs by group", "grpo")],
)
def test_the_best_advantage_is_found(kind: str, expected: str) -> None:
    order = foretelling(*scorings(kind))
    assert next(iter(order)).startswith(expected)
    assert set(order) == set(CANDIDATES)
    assert list(order.values()) == sorted(order.values(), reverse=True)


@given(st.floats(0.1, 10), st.floats(-5, 5))
def test_units_and_origin_of_the_reward_do_not_matter(scale: float, origin: float) -> None:
    first_B, second_B, group_B = (value[:64] for value in scorings("noise differs by group"))
    plain = foretelling(first_B, second_B, group_B, {"batch_std": advantages.batch_std})
    other = foretelling(
        first_B * scale + origin, second_B * scale + origin, group_B, {"batch_std": advantages.batch_std}
    )
    assert other["batch_std"] == pytest.approx(plain["batch_std"], abs=1e-6)


def test_rewards_without_a_signal_agree_with_nothing() -> None:
    flat_B, group_B = torch.ones(8).double(), torch.arange(8) // 4
    assert set(foretelling(flat_B, flat_B, group_B).values()) == {0.0}
