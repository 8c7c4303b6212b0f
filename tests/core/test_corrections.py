from __future__ import annotations

from math import exp, inf, isnan, log, nan

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.core import corrections

NAMES = list(corrections.CORRECTIONS)
LOG_WEIGHT = torch.tensor([[0.5, 3.0, 1.0], [0.25, 2.0, nan]]).log()
MASK = torch.tensor([[True, True, True], [True, True, False]])
# Products: 1.5 and 0.5.


@pytest.mark.parametrize(
    ("name", "cap", "expected"),
    [
        ("none", 2.0, [[1, 1, 1], [1, 1, 0]]),
        ("truncate", 2.5, [[0.5, 2.5, 1], [0.25, 2, 0]]),
        ("mask", 2.5, [[0.5, 0, 1], [0, 2, 0]]),  # 0.25 is below 1/2.5
        ("sequence_truncate", 1.25, [[1.25] * 3, [0.5, 0.5, 0]]),
        ("sequence_truncate", 2.0, [[1.5] * 3, [0.5, 0.5, 0]]),
        ("sequence_mask", 1.25, [[0, 0, 0], [0.5, 0.5, 0]]),
        ("sequence_mask", 2.0, [[1.5] * 3, [0.5, 0.5, 0]]),
    ],
)
def test_corrections_by_hand(name: str, cap: float, expected: list[list[float]]) -> None:
    found = corrections.CORRECTIONS[name](LOG_WEIGHT, MASK, cap)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float32))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("cap", [1.0, 2.0, 1e4])
def test_equal_policies_need_no_correction(name: str, cap: float) -> None:
    found = corrections.CORRECTIONS[name](torch.zeros(2, 3), MASK, cap)
    assert found.tolist() == MASK.float().tolist()


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40)
@given(
    values=st.lists(st.floats(-300, 300), min_size=6, max_size=6),
    kept=st.lists(st.booleans(), min_size=6, max_size=6),
    cap=st.floats(1, 100),
)
def test_weights_are_constants_from_zero_to_the_cap(
    name: str, values: list[float], kept: list[bool], cap: float
) -> None:
    mask = torch.tensor(kept).view(2, 3)
    log_weight = torch.tensor(values).view(2, 3).requires_grad_()
    found = corrections.CORRECTIONS[name](log_weight, mask, cap)
    assert not found.requires_grad
    assert found.isfinite().all()
    assert (found >= 0).all()
    assert (found <= cap * (1 + 1e-6)).all()
    assert not found[~mask].any()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("masked", [nan, inf, -inf])
def test_what_is_masked_is_not_read(name: str, masked: float) -> None:
    log_weight = torch.tensor([[0.1, -0.2, masked]])
    mask = torch.tensor([[True, True, False]])
    found = corrections.CORRECTIONS[name](log_weight, mask, 2.0)
    alone = corrections.CORRECTIONS[name](log_weight[:, :2], mask[:, :2], 2.0)
    assert torch.equal(found[:, :2], alone)
    assert found[0, 2] == 0


def test_one_token_is_its_sequence() -> None:
    log_weight, mask = torch.randn(50, 1), torch.ones(50, 1).bool()
    for name in ("truncate", "mask"):
        token = corrections.CORRECTIONS[name](log_weight, mask, 1.5)
        whole = corrections.CORRECTIONS[f"sequence_{name}"](log_weight, mask, 1.5)
        likely = log_weight >= -log(1.5)  # tokens are masked below 1/cap too
        torch.testing.assert_close(token[likely], whole[likely])


def test_a_large_cap_leaves_the_weight_unbiased() -> None:
    """Σ rollout · w · f is the training policy's mean of f, exactly, over a small vocabulary."""
    train = torch.tensor([0.5, 0.3, 0.2])
    rollout = torch.tensor([0.2, 0.3, 0.5])
    value = torch.tensor([1.0, -2.0, 7.0])
    log_weight = (train / rollout).log()[:, None]
    weight = corrections.truncate(log_weight, torch.ones(3, 1).bool(), 1e4)[:, 0]
    torch.testing.assert_close((rollout * weight * value).sum(), (train * value).sum())


def test_mismatch_by_hand() -> None:
    # Weights 0.5, 2 and 4: logs -a, a, 2a with a = log 2.
    found = corrections.mismatch(
        torch.tensor([[0.5, 2.0], [4.0, nan]]).log(), torch.tensor([[1, 1], [1, 0]]) > 0
    )
    assert found["kl"] == pytest.approx((6.5 - 3 - 2 * log(2)) / 3, rel=1e-6)
    assert found["perplexity_ratio"] == pytest.approx(exp(-2 * log(2) / 3), rel=1e-6)
    assert found["chi2"] == pytest.approx((0.25 + 4 + 16) / 3 - 1, rel=1e-6)
    assert found["ess"] == pytest.approx(6.5**2 / (3 * 20.25), rel=1e-6)
    assert found["largest"] == pytest.approx(2 * log(2), rel=1e-6)


def test_mismatch_of_equal_engines_and_of_nothing() -> None:
    found = corrections.mismatch(torch.zeros(2, 3), MASK)
    assert found == {"kl": 0, "perplexity_ratio": 1, "chi2": 0, "ess": 1, "largest": 0}
    nothing = corrections.mismatch(torch.zeros(2, 3), torch.zeros(2, 3).bool())
    assert nothing.keys() == found.keys()
    assert all(isnan(value) for value in nothing.values())


def test_mismatch_estimates_the_divergences() -> None:
    rollout = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    train = torch.tensor([0.4, 0.4, 0.2], dtype=torch.float64)
    log_weight = (train / rollout).log().repeat_interleave((rollout * 1000).round().long())[None]
    found = corrections.mismatch(log_weight, torch.ones_like(log_weight).bool())
    assert found["kl"] == pytest.approx((rollout * (rollout / train).log()).sum().item(), rel=1e-9)
    assert found["chi2"] == pytest.approx(((train - rollout).square() / rollout).sum().item(), rel=1e-9)
    assert found["ess"] == pytest.approx(1 / (1 + found["chi2"]), rel=1e-9)
