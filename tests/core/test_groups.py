from __future__ import annotations

from math import inf, nan, sqrt

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.core.groups import centred, group_count, group_mean, group_std

REWARD = torch.tensor([1.0, 3.0, 10.0, nan, 4.0, 8.0, nan])
GROUP = torch.tensor([7, 7, -2, 7, 7, -2, 5])


def test_statistics_by_hand() -> None:
    # Group 7: {1, 3, 4}, mean 8/3; group -2: {10, 8}, mean 9; group 5: nothing, mean 0.
    assert group_count(REWARD, GROUP).tolist() == [3, 3, 2, 3, 3, 2, 0]
    expected = torch.tensor([8 / 3, 8 / 3, 9, 8 / 3, 8 / 3, 9, 0])
    torch.testing.assert_close(group_mean(REWARD, GROUP), expected)
    # Squares of group 7: 25/9 + 1/9 + 16/9 = 42/9, over n - 1 = 2: 7/3. Group -2: (1 + 1)/1 = 2.
    expected = torch.tensor([sqrt(7 / 3), sqrt(7 / 3), sqrt(2), sqrt(7 / 3), sqrt(7 / 3), sqrt(2), 0])
    torch.testing.assert_close(group_std(REWARD, GROUP), expected)
    expected = torch.tensor([-5 / 3, 1 / 3, 1, 0, 4 / 3, -1, 0])
    torch.testing.assert_close(centred(REWARD, GROUP), expected)


def test_one_member_has_no_spread() -> None:
    group = torch.tensor([0, 1, 1])
    reward = torch.tensor([5.0, nan, 2.0])
    assert group_std(reward, group).tolist() == [0, 0, 0]
    assert centred(reward, group).tolist() == [0, 0, 0]


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e-30, -123456.789, 1e36])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("count", [2, 3, 7, 11])
def test_equal_values_are_exactly_zero_although_their_mean_rounds(
    value: float, dtype: torch.dtype, count: int
) -> None:
    reward = torch.full((count,), value, dtype=dtype)
    assert centred(reward, torch.zeros(count, dtype=torch.long)).tolist() == [0.0] * count


def test_infinite_values_are_missing() -> None:
    reward = torch.tensor([1.0, inf, 3.0, -inf])
    group = torch.zeros(4, dtype=torch.long)
    assert group_count(reward, group).tolist() == [2] * 4
    assert group_mean(reward, group).tolist() == [2] * 4
    assert centred(reward, group).tolist() == [-1, 0, 1, 0]
    torch.testing.assert_close(group_std(reward, group), torch.full((4,), sqrt(2)))


def test_empty_and_all_missing() -> None:
    nothing, no_group = torch.zeros(0), torch.zeros(0, dtype=torch.long)
    for function in (group_count, group_mean, group_std, centred):
        assert function(nothing, no_group).shape == (0,)
        missing = function(torch.full((4,), nan), torch.tensor([0, 0, 1, 2]))
        assert missing.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("value", "group"),
    [
        (torch.zeros(3), torch.zeros(2, dtype=torch.long)),
        (torch.zeros(2, 2), torch.zeros(2, 2, dtype=torch.long)),
    ],
)
def test_shapes_are_checked(value: torch.Tensor, group: torch.Tensor) -> None:
    for function in (group_count, group_mean, group_std, centred):
        with pytest.raises(ValueError, match="must be vectors of one length"):
            function(value, group)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.integers(-3, 3), st.one_of(st.just(nan), st.floats(-100, 100))), min_size=1, max_size=20
    )
)
def test_agrees_with_a_plain_loop(rows: list[tuple[int, float]]) -> None:
    group = torch.tensor([g for g, _ in rows])
    value = torch.tensor([v for _, v in rows], dtype=torch.float64)
    mean, std, count = group_mean(value, group), group_std(value, group), group_count(value, group)
    for i, (g, _) in enumerate(rows):
        mine = torch.tensor([v for h, v in rows if h == g and v == v], dtype=torch.float64)
        assert count[i] == len(mine)
        assert mean[i].item() == pytest.approx(mine.mean().item() if len(mine) else 0.0, abs=1e-10)
        assert std[i].item() == pytest.approx(mine.std().item() if len(mine) > 1 else 0.0, abs=1e-10)
