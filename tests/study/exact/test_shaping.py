from __future__ import annotations

import pytest
import torch

from burnish.core import advantages
from burnish.core.groups import centred
from burnish.engine.rng import generator
from burnish.study.exact import shaping
from burnish.study.exact.world import cosine

GROUP = torch.arange(3).repeat_interleave(4)


def test_shrinkage_by_hand():
    group = torch.tensor([0, 0, 1, 1, 2, 2])
    reward = torch.tensor([0.0, 2.0, 0.0, 0.5, 1.0, 1.0])  # sample variances 2, 1/8 and 0
    found = shaping.shrunk(reward, group, noise=0.5)
    assert found.tolist() == [-0.75, 0.75, 0.0, 0.0, 0.0, 0.0]  # 1 − ½/2 = ¾; all of 1/8 may be noise
    assert shaping.shrunk(reward, group, noise=0.0).tolist() == centred(reward, group).tolist()


def test_the_halves_of_slas_by_hand():
    group = torch.tensor([0, 0, 1, 1])
    reward = torch.tensor([0.0, 2.0, 0.0, 6.0], dtype=torch.float64)  # Δ = ∓1, ∓3; s = √2, 3√2
    between = shaping.between(reward, group, gamma=1.0)
    torch.testing.assert_close(between / between[1], torch.tensor([-1, 1, -9, 9]).double())
    within = shaping.within(reward, group, gamma=1.0)
    torch.testing.assert_close(within / within[1], torch.tensor([-1, 1, -3, 3]).double())


def test_recentred_sums_to_zero_where_slas_does_not():
    reward = torch.randn(12, generator=generator("r")).double()
    sums = [
        advantage.view(3, 4).sum(1).abs().max().item()
        for advantage in (
            shaping.recentred(reward, GROUP, gamma=1.0),
            advantages.slas(reward, GROUP, gamma=1.0),
        )
    ]
    assert sums[0] < 1e-12
    assert sums[1] > 1e-3


@pytest.mark.parametrize("name", [*shaping.METHODS, *shaping.PARTS])
def test_batches_do_not_see_each_other(name: str):
    advantage = {**shaping.METHODS, **shaping.PARTS}[name]
    reward = torch.randn(5, 12, generator=generator("batches")).double() * torch.logspace(-2, 2, 5)[:, None]
    found = shaping.over_batches(advantage, reward, GROUP)
    torch.testing.assert_close(found, torch.stack([advantage(row, GROUP) for row in reward]))


@pytest.mark.parametrize("other", [advantages.dr_grpo, advantages.rloo, advantages.slas])
def test_linear_stands_for_all_of_its_direction(other):
    more = {"gamma": 0.0} if other is advantages.slas else {}
    reward = torch.randn(12, generator=generator("one direction")).double()
    same = cosine(other(reward, GROUP, **more), shaping.METHODS["linear"](reward, GROUP))
    assert same.item() == pytest.approx(1.0, abs=1e-12)


def test_the_orders_of_slas_are_one_direction():
    reward = torch.randn(12, generator=generator("orders")).double()
    one, two = (
        advantages.slas(reward, GROUP, gamma=1.0, order=order) for order in ("scale_first", "power_first")
    )
    assert cosine(one, two).item() == pytest.approx(1.0, abs=1e-12)
