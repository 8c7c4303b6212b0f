from __future__ import annotations

from math import log

import pytest
import torch

from burnish.engine.rng import generator
from burnish.study.exact import world


def coin(theta: float = 0.0) -> tuple[world.World, torch.Tensor]:
    """One prompt, two outcomes worth 0 and 1."""
    made = world.tabular(torch.zeros(1, 1, 2).double(), torch.tensor([[[0.0, 1.0]]]).double())
    return made, torch.tensor([[0.0, theta]]).double()


def small(prompts: int = 3, outcomes: int = 4) -> tuple[world.World, torch.Tensor]:
    random = generator("small")
    base, truth = (torch.randn(2, prompts, outcomes, generator=random).double() for _ in range(2))
    made = world.shared(base, truth, 5, random)
    return made, torch.randn(2, 5, generator=random).double()


def test_a_coin_by_hand():
    made, theta = coin(log(3))
    now = world.policy(made, theta)
    torch.testing.assert_close(now, torch.tensor([[[0.25, 0.75]]]).double())
    assert world.objective(made, now).item() == pytest.approx(0.75)
    assert world.progress(made, now).item() == pytest.approx(0.5)  # from ½ half of the way to 1
    # dJ/dlogit = π(R − J): ¼·(−¾) and ¾·¼.
    torch.testing.assert_close(world.gradient(made, now), torch.tensor([[-0.1875, 0.1875]]).double())
    torch.testing.assert_close(world.true_advantage(made, now), torch.tensor([[[-0.75, 0.25]]]).double())


def test_the_gradient_is_the_slope_of_the_objective():
    made, theta = small()
    exact = world.gradient(made, world.policy(made, theta))
    for place in range(5):
        ends = []
        for sign in (1, -1):
            moved = theta.clone()
            moved[:, place] += sign * 1e-6
            ends.append(world.objective(made, world.policy(made, moved)))
        torch.testing.assert_close((ends[0] - ends[1]) / 2e-6, exact[:, place], rtol=1e-6, atol=1e-9)


def test_the_natural_gradient_of_a_table_is_the_advantage():
    """Fisher–Rao's steepest ascent π·A is what logits moved by A make of π, up to a constant a prompt."""
    base, truth = (torch.randn(2, 3, 4, generator=generator(n)).double() for n in ("b", "t"))
    made = world.tabular(base, truth)
    now = world.policy(made, made.start())
    natural = world.natural_gradient(made, now).view_as(truth)
    centred = natural - (now * natural).sum(-1, keepdim=True)
    torch.testing.assert_close(centred, world.true_advantage(made, now))


def test_fisher_is_the_curvature_of_the_divergence():
    made, theta = small()
    now = world.policy(made, theta)
    step = 1e-4 * torch.randn(2, 5, generator=generator("step")).double()
    after = world.policy(made, theta + step)
    kl = (now * (now / after).log()).sum(-1).mean(-1)
    quadratic = torch.einsum("sd,sde,se->s", step, world.fisher(made, now, torch.ones_like(now)), step) / 2
    torch.testing.assert_close(kl, quadratic, rtol=1e-3, atol=0)


def test_credit_for_every_outcome_of_a_prompt_alike_pulls_nowhere():
    made, theta = small()
    now = world.policy(made, theta)
    assert world.pull(made, now, now * 3.0).abs().max() < 1e-12


def test_worlds_have_networks_of_their_own_and_repeat_whole():
    made, theta = small()
    same = made.repeated(3)
    found = world.policy(same, theta.repeat(3, 1))
    torch.testing.assert_close(found[2:4], world.policy(made, theta))
    alike = world.shared(torch.zeros(2, 3, 4).double(), made.truth_SPK, 5, generator("x"))
    one, two = world.moved(alike, theta[:1].expand(2, -1))
    assert (one - two).abs().max() > 0.1


def test_cosine_of_nothing_is_0():
    assert world.cosine(torch.zeros(3), torch.ones(3)).item() == 0
    assert world.cosine(torch.tensor([1.0, 1.0]), torch.tensor([1.0, 0.0])).item() == pytest.approx(0.5**0.5)
