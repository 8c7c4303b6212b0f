from __future__ import annotations

from math import e, log, nan

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.core import diagnostics, objectives


def test_approximate_kl_by_hand() -> None:
    # Ratios 1 and e: 0 and e - 1 - 1; mean (e - 2)/2.
    assert diagnostics.approximate_kl(torch.tensor([0.0, 1.0])).item() == pytest.approx((e - 2) / 2)
    # Near 1, x^2/2 survives in float32.
    assert diagnostics.approximate_kl(torch.tensor([1e-3])).item() == pytest.approx(5.0017e-7, rel=1e-3)


def test_approximate_kl_estimates_the_divergence() -> None:
    old = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    new = torch.tensor([0.4, 0.4, 0.2], dtype=torch.float64)
    counts = (old * 1000).long()
    log_ratio = (new / old).log().repeat_interleave(counts)
    kl = (old * (old / new).log()).sum().item()
    assert diagnostics.approximate_kl(log_ratio).item() == pytest.approx(kl, rel=1e-9)


def test_effective_sample_size_by_hand() -> None:
    # Ratios 1, 1, 2: 16/(3*6) = 8/9.
    found = diagnostics.effective_sample_size(torch.tensor([0.0, 0.0, log(2)]))
    assert found.item() == pytest.approx(8 / 9)
    assert diagnostics.effective_sample_size(torch.zeros(5)).item() == 1.0
    # One ratio outweighs all others: one of four, without overflow.
    found = diagnostics.effective_sample_size(torch.tensor([[500.0, 0.0], [0.0, -500.0]]))
    assert found.item() == 0.25


@settings(max_examples=50)
@given(st.lists(st.floats(-50, 50), min_size=1, max_size=20), st.floats(-100, 100))
def test_effective_sample_size_bounds_and_scale(values: list[float], shift: float) -> None:
    log_ratio = torch.tensor(values, dtype=torch.float64)
    found = diagnostics.effective_sample_size(log_ratio).item()
    assert 1 / len(values) - 1e-12 <= found <= 1 + 1e-12
    assert diagnostics.effective_sample_size(log_ratio + shift).item() == pytest.approx(found, rel=1e-9)
    assert diagnostics.approximate_kl(log_ratio).item() >= -1e-15


def test_ratio_drift_by_hand() -> None:
    found = diagnostics.ratio_drift(torch.tensor([[log(1.25), log(0.5)], [0.0, log(1.4)]]))
    assert found.item() == pytest.approx(0.5)
    assert diagnostics.ratio_drift(torch.zeros(3)).item() == 0
    assert diagnostics.ratio_drift(torch.tensor([1e-9])).item() == pytest.approx(1e-9, rel=1e-6)


def test_clip_fraction_by_hand() -> None:
    cut = objectives.clip_mask(torch.tensor([[1.5, 1.0], [0.5, 1.5]]).log(), torch.tensor([1.0, -1.0]), 0.2)
    assert diagnostics.clip_fraction(cut).item() == 0.5


def test_dead_group_fraction_by_hand() -> None:
    # Group 4 alive, 9 equal, 2 alone, 3 one value and a missing one: three of four are dead.
    reward = torch.tensor([1.0, 2.0, 0.1, 0.1, 0.1, 5.0, 7.0, nan])
    group = torch.tensor([4, 4, 9, 9, 9, 2, 3, 3])
    assert diagnostics.dead_group_fraction(reward, group).item() == 0.75
    assert diagnostics.dead_group_fraction(torch.full((2,), nan), torch.tensor([0, 0])).item() == 1
    # A member at the mean does not make its group dead.
    assert diagnostics.dead_group_fraction(torch.tensor([1.0, 2.0, 3.0]), torch.zeros(3).long()).item() == 0
