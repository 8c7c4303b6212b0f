from __future__ import annotations

from math import inf, nan

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.core import objectives, units


def test_maps_by_hand() -> None:
    assert units.decision(4).tolist() == [0, 1, 2, 3]
    assert units.sequence(4).tolist() == [0, 0, 0, 0]
    assert units.fixed_chunks([2, 1, 3]).tolist() == [0, 0, 1, 2, 2, 2]
    assert units.even_chunks(7, 3).tolist() == [0, 0, 0, 1, 1, 2, 2]
    assert units.even_chunks(4, 4).tolist() == [0, 1, 2, 3]
    assert units.even_chunks(4, 1).tolist() == [0, 0, 0, 0]


def test_maps_check_their_arguments() -> None:
    for sizes in ([], [2, 0], [3, -1]):
        with pytest.raises(ValueError, match="must be whole numbers of at least 1"):
            units.fixed_chunks(sizes)
    for count in (0, 5):
        with pytest.raises(ValueError, match=f"{count} chunks of 4 decisions: use 1 to 4 chunks"):
            units.even_chunks(4, count)


def test_relative_l1_by_hand() -> None:
    # First rollout: |(3, -1) - (1, 1)|_1 / 4 = 4/4 = 1, then |(1, 1) - (2, 1)|_1 / 2 = 1/2.
    # Second: |(2, 2) - (1, 2)|_1 / 4 = 1/4, then |(1, 2) - (1, 0.5)|_1 / 3 = 1/2. Means 5/8 and 1/2.
    first = torch.tensor([[3.0, -1.0], [1.0, 1.0], [2.0, 1.0]])
    second = torch.tensor([[2.0, 2.0], [1.0, 2.0], [1.0, 0.5]])
    found = units.relative_l1(torch.stack([first, second]))
    torch.testing.assert_close(found, torch.tensor([0.625, 0.5]))
    found = units.relative_l1(torch.stack([first, second])[..., None].bfloat16())
    torch.testing.assert_close(found, torch.tensor([0.625, 0.5]))


@pytest.mark.parametrize(
    ("values", "largest", "expected"),
    [
        ([1, 5, 2, 6], 4, [4]),  # small enough: left whole
        ([3], 0, [1]),  # one decision cannot be cut
        # Differences + + + + - - -: five decisions rise, three fall. The five have first differences
        # 1 1 1 1 1, second differences all 0, one sign: split at the midpoint into 3 and 2.
        ([1, 2, 3, 4, 5, 4, 3, 2], 4, [3, 2, 3]),
        # All fall: split at the midpoint of nine, 5 and 4; the 5 is uniform again: 3 and 2.
        ([8, 7, 6, 5, 4, 3, 2, 1, 0], 4, [3, 2, 4]),
        # Squares always rise: halves.
        ([1, 4, 9, 16, 25, 36, 49, 64], 4, [4, 4]),
        # Signs + (first) + - + -: the first decision belongs with the change after it.
        ([1, 3, 2, 5, 4], 4, [2, 1, 1, 1]),
        # Largest 2: rises of 1 2 4 2 1 in six decisions, halves of three. Differences of the first half
        # (1, 1, 2): second differences 0, 1: signs - - +, so 2 and 1. Of the second half (4, 2, 1):
        # -2, -1, one sign: midpoint, 2 and 1.
        ([0, 1, 3, 7, 9, 10], 2, [2, 1, 2, 1]),
        # All rise: halves of five. Second differences in the first, 0 1 3 6 7, are 1 1 -2: signs + + + + -,
        # so 4 and 1. In the second, 9 12 16 21 27, they are 1 1 1: one sign, midpoint, 3 and 2.
        ([0, 1, 3, 6, 7, 9, 12, 16, 21, 27], 4, [4, 1, 3, 2]),
        # 1/k over 16 steps falls smoothly, its second differences all rise: midpoint at every order.
        ([1 / k for k in range(1, 17)], 4, [4, 4, 4, 4]),
    ],
)
def test_dynamic_chunks_by_hand(values: list[float], largest: int, expected: list[int]) -> None:
    assert units.dynamic_chunks(torch.tensor(values, dtype=torch.float32), largest=largest) == expected


@settings(max_examples=80)
@given(st.lists(st.floats(0, 2), min_size=1, max_size=40), st.integers(1, 6))
def test_dynamic_chunks_cover_all_decisions(values: list[float], largest: int) -> None:
    sizes = units.dynamic_chunks(torch.tensor(values), largest=largest)
    assert sum(sizes) == len(values)
    assert min(sizes) >= 1
    assert max(sizes) <= max(largest, 1)


def test_dynamic_chunks_want_a_vector() -> None:
    for wrong in (torch.zeros(0), torch.zeros(2, 3)):
        with pytest.raises(ValueError, match="one number a decision"):
            units.dynamic_chunks(wrong)


def test_pool_by_hand() -> None:
    log_ratio = torch.tensor([[1.0, 3.0, 5.0], [2.0, nan, 7.0]])
    mask = torch.tensor([[True, True, True], [True, False, False]])
    value, present = units.pool(log_ratio, torch.tensor([0, 0, 1]), mask)
    # First: (1 + 3)/2 = 2 and 5; second: 2 alone, and a unit without a decision.
    assert value.tolist() == [[2, 5], [2, 0]]
    assert present.tolist() == [[True, True], [True, False]]


def test_pool_takes_a_map_for_each_rollout() -> None:
    unit = torch.tensor([[0, 0, 1], [0, 1, 1]])
    value, present = units.pool(torch.tensor([[1.0, 3.0, 5.0], [2.0, 4.0, 8.0]]), unit)
    assert value.tolist() == [[2, 5], [2, 6]]
    assert present.all()


def test_segments_by_hand() -> None:
    boundary = torch.tensor([[0, 1, 0, 0, 1, 0], [1, 1, 0, 1, 1, 1], [0, 0, 0, 0, 0, 0]]).bool()
    mask = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0], [1, 1, 0, 0, 0, 0]]).bool()
    found = units.segments(boundary, mask)
    assert found.dtype == torch.long
    assert found.tolist() == [[0, 0, 1, 1, 1, 2], [0, 1, 2, 2, 2, 2], [0, 0, 0, 0, 0, 0]]
    ended = units.segments(torch.tensor([[False, True, False]]), torch.tensor([[True, True, False]]))
    assert ended.tolist() == [[0, 0, 0]]  # padding after the last boundary opens no unit


@settings(max_examples=60)
@given(st.integers(0, 999), st.integers(1, 10))
def test_pool_of_segments_is_the_mean_of_each(seed: int, steps: int) -> None:
    """Against a walk over the decisions, rollouts of several lengths."""
    generator = torch.Generator().manual_seed(seed)
    boundary = torch.rand(3, steps, generator=generator) > 0.6
    mask = torch.arange(steps) < torch.randint(0, steps + 1, (3, 1), generator=generator)
    log_ratio = torch.randn(3, steps, dtype=torch.float64, generator=generator)
    value, present = units.pool(log_ratio.masked_fill(~mask, nan), units.segments(boundary, mask), mask)
    for i in range(3):
        pieces: list[list[float]] = [[]]
        for t in range(int(mask[i].sum())):
            pieces[-1].append(log_ratio[i, t].item())
            if boundary[i, t]:
                pieces.append([])
        expected = [sum(piece) / len(piece) for piece in pieces if piece]
        assert present[i].sum() == len(expected)
        assert present[i, : len(expected)].all()
        assert value[i, : len(expected)].tolist() == pytest.approx(expected)


def test_segments_of_every_and_of_no_boundary_are_the_decision_and_the_sequence() -> None:
    everywhere = torch.ones(2, 5).bool()
    assert torch.equal(units.segments(everywhere, everywhere), units.decision(5).expand(2, 5))
    assert torch.equal(units.segments(~everywhere, everywhere), units.sequence(5).expand(2, 5))


def _loss(log_ratio: torch.Tensor, unit: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    pooled, present = units.pool(log_ratio, unit, mask)
    advantage = torch.tensor([1.0, -0.5, 2.0], dtype=torch.float64)
    return objectives.reduce_mean(objectives.clip(pooled, advantage, low=0.2), present)


@pytest.mark.parametrize("masked", [False, True])
def test_singleton_chunks_are_the_decision_level(masked: bool) -> None:
    torch.manual_seed(0)
    base = torch.randn(3, 6, dtype=torch.float64) * 0.2
    mask = torch.rand(3, 6) > 0.4 if masked else None
    kept = torch.ones(3, 6, dtype=torch.bool) if mask is None else mask
    one, two = base.clone().requires_grad_(), base.clone().requires_grad_()
    advantage = torch.tensor([1.0, -0.5, 2.0], dtype=torch.float64)
    plain = objectives.reduce_mean(objectives.clip(one, advantage, low=0.2), kept)
    chunked = _loss(two, units.fixed_chunks([1] * 6), mask)
    plain.backward()
    chunked.backward()
    assert plain.item() == chunked.item()
    torch.testing.assert_close(one.grad, two.grad, rtol=0, atol=0)


@pytest.mark.parametrize("masked", [False, True])
def test_one_chunk_is_the_sequence(masked: bool) -> None:
    torch.manual_seed(1)
    base = torch.randn(3, 5, dtype=torch.float64) * 0.3
    mask = torch.tensor([[1, 0, 1, 1, 0], [0, 0, 0, 0, 1], [1, 1, 1, 1, 1]]).bool() if masked else None
    kept = torch.ones(3, 5) if mask is None else mask
    one, two = base.clone().requires_grad_(), base.clone().requires_grad_()
    mean = (one * kept).sum(1, keepdim=True) / kept.sum(1, keepdim=True)
    advantage = torch.tensor([1.0, -0.5, 2.0], dtype=torch.float64)
    plain = objectives.clip(mean, advantage, low=0.2).mean()
    sequence = _loss(two, units.fixed_chunks([5]), mask)
    assert torch.equal(units.fixed_chunks([5]), units.sequence(5))
    plain.backward()
    sequence.backward()
    torch.testing.assert_close(plain, sequence)
    torch.testing.assert_close(one.grad, two.grad)


def test_a_decision_weighs_one_over_units_times_size_at_ratio_one() -> None:
    log_ratio = torch.zeros(1, 6, requires_grad=True)
    pooled, present = units.pool(log_ratio, units.fixed_chunks([2, 1, 3]))
    objectives.reduce_mean(objectives.clip(pooled, torch.tensor([1.0]), low=0.1), present).backward()
    expected = torch.tensor([[1 / 6, 1 / 6, 1 / 3, 1 / 9, 1 / 9, 1 / 9]])
    torch.testing.assert_close(log_ratio.grad, -expected)


def test_masked_decisions_give_no_gradient_even_where_nan() -> None:
    log_ratio = torch.tensor([[0.1, nan, inf, -0.2]], requires_grad=True)
    mask = torch.tensor([[True, False, False, True]])
    value, _ = units.pool(log_ratio, units.sequence(4), mask)
    value.sum().backward()
    assert log_ratio.grad is not None
    assert log_ratio.grad.tolist() == [[0.5, 0, 0, 0.5]]


def test_pool_of_everything_masked() -> None:
    mask = torch.zeros(2, 3, dtype=torch.bool)
    value, present = units.pool(torch.full((2, 3), nan), units.decision(3), mask)
    assert value.tolist() == [[0, 0, 0]] * 2
    assert not present.any()


def test_pool_wants_two_axes() -> None:
    with pytest.raises(ValueError, match=r"must be \[B, T\]; got shape \(3,\)"):
        units.pool(torch.zeros(3), units.decision(3))


def test_chunk_weights_by_hand() -> None:
    # Means (1 + 3)/2 = 2, 4 and (1 + 1 + 4)/3 = 2: of 8 in all.
    found = units.chunk_weights(torch.tensor([1.0, 3.0, 4.0, 1.0, 1.0, 4.0]), units.fixed_chunks([2, 1, 3]))
    torch.testing.assert_close(found, torch.tensor([0.25, 0.5, 0.25]))


@settings(max_examples=40)
@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=6),
    st.floats(0.01, 1),
    st.integers(1, 5),
    st.integers(0, 99),
)
def test_whole_units_are_drawn_and_their_number_is_right(
    sizes: list[int], fraction: float, batch: int, seed: int
) -> None:
    unit = units.fixed_chunks(sizes)
    keep = units.sample_units(unit, fraction, batch=batch, generator=torch.Generator().manual_seed(seed))
    again = units.sample_units(unit, fraction, batch=batch, generator=torch.Generator().manual_seed(seed))
    assert keep.shape == (batch, len(unit))
    assert keep.dtype == torch.bool
    assert torch.equal(keep, again)
    for row in keep:
        drawn = unit[row].unique()
        assert len(drawn) == max(1, round(len(sizes) * fraction))
        assert torch.equal(row, torch.isin(unit, drawn))


def test_draws_differ_between_rollouts_and_follow_the_weights() -> None:
    weights = torch.tensor([0.7, 0.2, 0.1])
    generator = torch.Generator().manual_seed(0)
    keep = units.sample_units(
        units.decision(3), 1 / 3, weights_U=weights, batch=4000, generator=generator
    ).float()
    assert keep.sum(1).tolist() == [1.0] * 4000
    assert (keep.mean(0) - weights).abs().max() < 0.03


def test_units_of_weight_zero_are_never_drawn() -> None:
    unit = units.fixed_chunks([1, 2, 1, 1])
    generator = torch.Generator().manual_seed(0)
    weights = torch.tensor([1e-30, 0.0, 1.0, 0.0])
    keep = units.sample_units(unit, 0.5, weights_U=weights, batch=500, generator=generator)
    assert keep.tolist() == [[True, False, False, True, False]] * 500
    # Fewer possible units than the share asks for: those, and no impossible one.
    keep = units.sample_units(unit, 1.0, weights_U=weights, batch=500, generator=generator)
    assert keep.tolist() == [[True, False, False, True, False]] * 500


def test_sample_units_checks_its_arguments() -> None:
    for fraction in (0.0, -0.5, 1.01, nan):
        with pytest.raises(ValueError, match="must be above 0 and at most 1"):
            units.sample_units(units.decision(3), fraction, batch=1)
    for weights in ([0, 0, 0], [1, nan, 1], [1, -1, 1], [1, inf, 1], [1, 1]):
        with pytest.raises(ValueError, match="must be 3 finite numbers of at least 0, not all 0"):
            units.sample_units(units.decision(3), 0.5, weights_U=torch.tensor(weights), batch=1)
