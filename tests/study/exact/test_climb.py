from __future__ import annotations

import pytest
import torch

from burnish.core import advantages
from burnish.engine.rng import generator
from burnish.study.exact import climb
from burnish.study.exact.calibration import dead_share, methods
from burnish.study.exact.regimes import REGIMES, half_dead
from burnish.study.exact.world import gradient, policy

CLEAN = REGIMES[0]


def test_outcomes_come_as_often_as_the_policy_says():
    probability = torch.tensor([[[0.2, 0.5, 0.3]]], dtype=torch.float64)
    drawn = climb.sample(probability, 40_000, generator("sample")).flatten()
    torch.testing.assert_close(
        torch.bincount(drawn) / 40_000, probability.flatten().float(), atol=0.01, rtol=0
    )


def test_leave_one_out_makes_the_estimate_unbiased():
    """Of `rloo` the mean over batches is the exact gradient; of `dr_grpo`, (G − 1)/G of it."""
    one = climb.draw(CLEAN, 1, "unbiased")
    world = one.world.repeated(4000)
    now = policy(world, world.start())
    random = generator("batches")
    outcome = climb.sample(now, 4, random)
    reward = world.truth_SPK.gather(-1, outcome)
    exact = gradient(world, now)[0]
    for advantage, factor in ((advantages.rloo, 1.0), (advantages.dr_grpo, 0.75)):
        found = climb.estimate(world, now, outcome, climb.credit(advantage, reward))
        error = found.mean(0) - factor * exact
        assert (error.abs() < 5 * found.std(0) / 4000**0.5).all()
        assert error.norm() < 0.1 * exact.norm()


def test_a_path_has_equal_steps_and_starts_at_zero(monkeypatch):
    monkeypatch.setattr(climb, "STEPS", 5)
    setting = climb.draw(CLEAN, 8, "path")
    path = climb.climb(setting, advantages.dr_grpo, torch.full((8,), 0.25).double(), "path")
    assert path.shape == (8, 6)
    assert path[:, 0].abs().max() < 1e-12
    assert path[:, -1].mean() > 0.02
    still = climb.climb(setting, advantages.dr_grpo, torch.zeros(8).double(), "path")
    assert still.abs().max() < 1e-12


def test_equal_directions_take_equal_paths(monkeypatch):
    """Scale is not seen, luck is shared: dr_grpo, batch_std, rloo and slas at γ = 0 are one method here."""
    monkeypatch.setattr(climb, "STEPS", 5)
    setting = climb.draw(REGIMES[2], 4, "equal")
    length = torch.full((4,), 0.5).double()
    linear = climb.climb(setting, advantages.batch_std, length, "equal")
    for other in (advantages.dr_grpo, advantages.rloo):
        torch.testing.assert_close(climb.climb(setting, other, length, "equal"), linear)
    assert (climb.climb(setting, advantages.grpo, length, "equal") != linear).any()


def test_tuning_takes_the_length_that_gets_furthest(monkeypatch):
    monkeypatch.setattr(climb, "STEPS", 4)
    monkeypatch.setattr(climb, "LENGTHS", (0.01, 1.0))
    assert climb.tune(climb.draw(CLEAN, 8, "tune"), advantages.dr_grpo, "tune") == 1.0


def test_the_share_of_dead_groups_by_hand():
    credit = torch.zeros(1, 16, 2)
    credit[0, 0], credit[0, 8] = 1.0, 3.0
    assert dead_share(credit).item() == pytest.approx(0.1)


def test_prompt_std_gives_dead_groups_half_of_the_credit_at_any_noise():
    for noise in (0.01, 0.3):
        setting = climb.draw(half_dead(noise), 50, "dead")
        _, reward = climb.batch(setting, 8, generator("dead"))
        share = {
            name: dead_share(climb.credit(advantage, reward)).mean().item()
            for name, advantage in methods(noise).items()
        }
        assert share["grpo"] == pytest.approx(0.5, abs=0.01)
        assert share["linear"] < 1.3 * noise**2 / (1 + 2 * noise**2)
        assert share["slas 2"] < share["slas ½"] < share["linear"]
