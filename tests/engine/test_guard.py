from __future__ import annotations

from math import inf, nan, sqrt

import pytest
import torch

from burnish.engine.guard import NonFiniteGuard, clip_and_check
from burnish.errors import BurnishError, NonFiniteError


def test_finite_values_pass_and_cost_nothing() -> None:
    guard = NonFiniteGuard(budget=0)
    assert guard.check(1.0, -2.5, 0.0, 3e38)
    assert guard.check()
    assert guard.skipped == 0


@pytest.mark.parametrize("bad", [nan, inf, -inf])
def test_budget_is_spent_by_updates_not_by_values(bad: float) -> None:
    guard = NonFiniteGuard(budget=2)
    assert not guard.check(1.0, bad)
    assert not guard.check(bad, bad, bad)
    assert guard.check(1.0)
    assert guard.skipped == 2
    with pytest.raises(NonFiniteError, match=r"3 updates had a non-finite .* \(budget 2\); no parameter"):
        guard.check(bad)


def test_without_budget_the_first_stops_the_run() -> None:
    with pytest.raises(BurnishError, match=r"1 updates had .* \(budget 0\)"):
        NonFiniteGuard(budget=0).check(nan)


def test_the_message_names_step_and_culprits() -> None:
    guard = NonFiniteGuard(budget=0)
    assert guard.check(loss=0.5, grad_norm=1.0, step=6)
    with pytest.raises(NonFiniteError, match=r"The last at step 7: loss is nan, grad_norm is inf\. Lower"):
        guard.check(loss=nan, grad_norm=inf, reward=0.5, step=7)


def _parameters() -> list[torch.nn.Parameter]:
    one, two = torch.nn.Parameter(torch.zeros(2)), torch.nn.Parameter(torch.zeros(1))
    one.grad, two.grad = torch.tensor([2.0, 3.0]), torch.tensor([6.0])
    return [one, two]


def test_clip_by_hand() -> None:
    # Norm of (2, 3, 6) is 7: scaled to norm 1, and the norm before is returned.
    parameters = _parameters()
    assert clip_and_check(iter(parameters), 1.0) == pytest.approx(7.0)
    gradient = torch.cat([p.grad for p in parameters if p.grad is not None])
    torch.testing.assert_close(gradient, torch.tensor([2.0, 3.0, 6.0]) / 7)


def test_small_gradients_are_left_alone() -> None:
    parameters = _parameters()
    assert clip_and_check(parameters, 10.0) == pytest.approx(7.0)
    assert parameters[0].grad is not None
    assert parameters[0].grad.tolist() == [2, 3]


@pytest.mark.parametrize("bad", [nan, inf])
def test_bad_gradients_show_in_the_norm_and_stop_at_the_guard(bad: float) -> None:
    parameters = _parameters()
    assert parameters[0].grad is not None
    parameters[0].grad[0] = bad
    norm = clip_and_check(parameters, 1.0)
    assert not NonFiniteGuard(budget=1).check(norm)


def test_parameters_without_gradients() -> None:
    parameter = torch.nn.Parameter(torch.zeros(3))
    assert clip_and_check([parameter], 1.0) == 0
    parameter.grad = torch.full((3,), 2.0)
    assert clip_and_check([torch.nn.Parameter(torch.zeros(1)), parameter], 1.0) == pytest.approx(2 * sqrt(3))
