"""Drawing a part of the rollouts: chances worked by hand, means that stay, sizes that hold."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from burnish.core.subsets import chances, draw

sizes = st.lists(st.one_of(st.just(0.0), st.floats(-50, 50, allow_nan=False)), min_size=1, max_size=30)


def test_chances_by_hand() -> None:
    """Half of four is two: 6/10·2 = 1.2 is cut to 1, and the rest shares 1 in proportion 2 : 1 : 1."""
    found = chances(torch.tensor([1.0, -6.0, 2.0, 1.0]), 0.5)
    assert found.tolist() == pytest.approx([0.25, 1.0, 0.5, 0.25])


def test_chances_cut_again_what_the_first_cut_pushes_above_one() -> None:
    """Three of four: 100 is certain, then 10/12·2 is above 1 too, and two equal ones share one place."""
    found = chances(torch.tensor([1.0, 100.0, 10.0, 1.0]), 0.75)
    assert found.tolist() == pytest.approx([0.5, 1.0, 1.0, 0.5])


@given(sizes, st.floats(0.05, 1.0))
def test_chances_add_up_to_the_share_and_follow_the_sizes(values: list[float], share: float) -> None:
    size_B = torch.tensor(values, dtype=torch.float64)
    found = chances(size_B, share)
    assert float(found.sum()) == pytest.approx(share * int(size_B.count_nonzero()), rel=1e-9, abs=1e-9)
    assert bool(((found >= 0) & (found <= 1 + 1e-12)).all())
    assert bool((found[size_B == 0] == 0).all())
    order = size_B.abs().argsort()
    assert bool((found[order].diff() >= -1e-12).all())


def test_everyone_is_kept_at_a_share_of_one() -> None:
    assert draw(torch.tensor([3.0, 0.0, -0.1, 2.0]), 1.0).tolist() == [1.0, 0.0, 1.0, 1.0]


@given(sizes, st.floats(0.1, 1.0), st.integers(0, 2**31))
def test_as_many_are_drawn_as_asked(values: list[float], share: float, seed: int) -> None:
    size_B = torch.tensor(values)
    drawn = int((draw(size_B, share, torch.Generator().manual_seed(seed)) > 0).sum())
    assert abs(drawn - share * int(size_B.count_nonzero())) < 1 + 1e-6


def test_every_weight_has_the_mean_one() -> None:
    """Over the comb's whole range: 20,000 draws, chances of 0.04 and more."""
    size_B = torch.tensor([0.1, 0.5, -1.0, 2.0, 0.0, 3.0, -0.2])
    generator = torch.Generator().manual_seed(0)
    mean_B = torch.stack([draw(size_B, 0.5, generator) for _ in range(20_000)]).mean(0)
    wanted = torch.tensor([1.0, 1, 1, 1, 0, 1, 1], dtype=torch.float64)
    assert bool(((mean_B - wanted).abs() < 0.12).all())


def test_heavy_tails_lose_little_where_uniform_drawing_loses_much() -> None:
    """The variance of Σ A·g over draws of a quarter: |A|-chances against equal ones, g standard normal."""
    generator = torch.Generator().manual_seed(1)
    advantage_B = torch.randn(64, generator=generator, dtype=torch.float64)
    advantage_B = advantage_B.sign() * advantage_B.abs() ** 2.0
    gradient_B = torch.randn(64, generator=generator, dtype=torch.float64)
    whole = (advantage_B * gradient_B).sum()

    def variance(size_B: torch.Tensor) -> float:
        sums = [(draw(size_B, 0.25, generator) * advantage_B * gradient_B).sum() for _ in range(2000)]
        return float((torch.stack(sums) - whole).square().mean())

    assert variance(advantage_B) < 0.4 * variance(torch.ones(64))


def test_the_smallest_sizes_are_sizes() -> None:
    assert chances(torch.tensor([2e-311], dtype=torch.float64), 0.5).tolist() == [0.5]
    assert chances(torch.tensor([1e-310, 1.0], dtype=torch.float64), 1.0).tolist() == [1.0, 1.0]


def test_share_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"share=0\.0 must be above 0"):
        chances(torch.ones(3), 0.0)
