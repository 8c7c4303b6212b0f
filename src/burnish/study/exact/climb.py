"""Sampled policy gradients on exact worlds: how well one update points, and how far many of them get.

Axes: S worlds, P prompts, K outcomes, G rollouts of a group, B = P·G, D parameters, L step lengths, T steps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from burnish.core.choice import Advantage
from burnish.engine.rng import generator
from burnish.study.exact.regimes import Regime, Scorer
from burnish.study.exact.shaping import over_batches
from burnish.study.exact.world import World, cosine, gradient, policy, progress, pull, shared

PARAMETERS, GROUP, STEPS = 48, 8, 30
LENGTHS = (1.0, 2.0, 3.0, 4.0, 6.0)
"""Step lengths that every method is tuned over. A length of 1 moves logits by about 0.14 a step."""


@dataclass(frozen=True)
class Setting:
    """S worlds of one regime with their scorer."""

    world: World
    scorer: Scorer


def draw(regime: Regime, worlds: int, *keys: str | int) -> Setting:
    """Worlds of a regime, a function of the keys."""
    random = generator(regime.name, "world", *keys)
    base, truth, scorer = regime.make(worlds, random)
    return Setting(shared(base, truth, PARAMETERS, random), scorer)


def sample(policy_SPK: Tensor, group: int, random: torch.Generator) -> Tensor:
    """Outcomes of `group` rollouts of each prompt, [S, P, G]; like policies draw alike."""
    shape = (*policy_SPK.shape[:2], group)
    drawn = torch.rand(shape, generator=random, dtype=policy_SPK.dtype)
    return torch.searchsorted(policy_SPK.cumsum(-1), drawn).clamp(max=policy_SPK.shape[-1] - 1)


def groups(prompts: int, size: int) -> Tensor:
    """Group of each rollout, [B]."""
    return torch.arange(prompts).repeat_interleave(size)


def credit(advantage: Advantage, reward_SPG: Tensor) -> Tensor:
    """Advantages of each world's batch, [S, P, G]."""
    _, prompts, size = reward_SPG.shape
    return over_batches(advantage, reward_SPG.flatten(1), groups(prompts, size)).view_as(reward_SPG)


def estimate(world: World, policy_SPK: Tensor, outcome_SPG: Tensor, advantage_SPG: Tensor) -> Tensor:
    """Mean over rollouts of A·∇θ log π, [S, D]: the gradient of every clipped objective at ratio 1."""
    _, prompts, size = outcome_SPG.shape
    credit_SPK = torch.zeros_like(policy_SPK).scatter_add(-1, outcome_SPG, advantage_SPG)
    return pull(world, policy_SPK, credit_SPK) / (prompts * size)


def batch(setting: Setting, group: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Outcomes at θ = 0 and one scoring of them, [S, P, G] each."""
    outcome = sample(policy(setting.world, setting.world.start()), group, random)
    return outcome, setting.scorer.score(outcome, random)


def alignment(setting: Setting, advantage: Advantage, *keys: str | int, group: int = GROUP) -> Tensor:
    """Cosine between the gradient of one batch and the exact gradient of the true J at θ = 0, [S]."""
    world, now = setting.world, policy(setting.world, setting.world.start())
    outcome, reward = batch(setting, group, generator("alignment", *keys))
    return cosine(estimate(world, now, outcome, credit(advantage, reward)), gradient(world, now))


def climb(setting: Setting, advantage: Advantage, length_S: Tensor, *keys: str | int) -> Tensor:
    """True progress over T updates of fixed length, [S, T + 1].

    Every update is the sampled gradient scaled to `length`, as gradient clipping and Adam nearly do: methods
    differ in direction alone. The keys fix the draws, so methods meet the same luck.
    """
    world, random = setting.world, generator("climb", *keys)
    theta, now = world.start(), policy(world, world.start())
    path = [progress(world, now)]
    for _ in range(STEPS):
        outcome = sample(now, GROUP, random)
        reward = setting.scorer.score(outcome, random)
        step = estimate(world, now, outcome, credit(advantage, reward))
        theta = theta + length_S[:, None] * step / step.norm(dim=-1, keepdim=True).clamp(min=1e-12)
        now = policy(world, theta)
        path.append(progress(world, now))
    return torch.stack(path, 1)


def tune(setting: Setting, advantage: Advantage, *keys: str | int) -> float:
    """The length of `LENGTHS` with the best mean progress at the end, over these worlds."""
    many, scorer = len(LENGTHS), setting.scorer
    wide = Setting(
        setting.world.repeated(many), replace(scorer, table_SPK=scorer.table_SPK.repeat(many, 1, 1))
    )
    lengths = torch.tensor(LENGTHS, dtype=torch.float64).repeat_interleave(len(setting.world.base_SPK))
    ends = climb(wide, advantage, lengths, *keys)[:, -1].view(many, -1).mean(1)
    return LENGTHS[int(ends.argmax())]
