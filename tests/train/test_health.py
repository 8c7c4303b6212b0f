from __future__ import annotations

import torch

from burnish.policies.denoising.policy import Rollouts
from burnish.train import health


def rollouts(noise: torch.Tensor) -> Rollouts:
    empty = torch.empty(0)
    return Rollouts(noise, noise, noise, empty, empty, empty, empty, {}, noise, empty)


def test_ratio_drift_is_judged_against_the_clip_range() -> None:
    assert health.ratio_is_one(0.0, 1e-4).ok
    assert health.ratio_is_one(9e-6, 1e-4).ok
    bad = health.ratio_is_one(4e-5, 1e-4)
    assert not bad.ok
    assert "use float32" in bad.message


def test_shared_transition_noise_is_seen() -> None:
    same = torch.ones(3, 2, 4)
    assert not health.noise_differs(rollouts(same), 3).ok
    assert health.noise_differs(rollouts(torch.randn(3, 2, 4)), 3).ok
    assert health.noise_differs(rollouts(same), 1).ok


def test_constant_and_missing_rewards_are_seen() -> None:
    assert health.reward_varies({"reward_std": 0.2, "dead_groups": 0.5}).ok
    for spread, dead in ((0.0, 1.0), (float("nan"), 1.0), (0.3, 1.0)):
        finding = health.reward_varies({"reward_std": spread, "dead_groups": dead})
        assert not finding.ok
        assert "check it on a folder" in finding.message


def test_weights_that_do_not_move_are_seen() -> None:
    before = {"a": torch.zeros(2), "b": torch.zeros(2)}
    assert health.weights_moved(before, {"a": torch.ones(2), "b": torch.zeros(2)}, True).ok
    assert not health.weights_moved(before, before, True).ok
    assert health.weights_moved(before, before, False).ok


def test_ledger() -> None:
    assert health.ledger_balances({"issued": 10, "trained": 7, "skipped": 3}).ok
    assert not health.ledger_balances({"issued": 10, "trained": 7, "skipped": 2}).ok


def test_hacking_alarm_needs_a_clear_rise_and_a_clear_fall() -> None:
    errors = {"reward_se": 0.03, "se": 0.02}
    start = {"step": 0, "reward": 0.5, "held_out": 0.4, **errors}

    def later(reward: float, held_out: float) -> health.Finding:
        return health.not_hacking([start, {"step": 9, "reward": reward, "held_out": held_out, **errors}])

    assert health.not_hacking([start]).ok
    assert later(0.7, 0.45).ok
    assert later(0.7, 0.37).ok  # within two standard errors
    assert later(0.55, 0.30).ok  # the rise may be luck
    assert later(0.4, 0.30).ok  # both fall: bad, but not hacking
    alarm = later(0.7, 0.30)
    assert not alarm.ok
    assert "gaming the reward" in alarm.message
