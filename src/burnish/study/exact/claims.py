"""What the theory says when the advantages are known exactly: no sampling, no noise.

Each function returns plain numbers for a table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from burnish.engine.rng import generator
from burnish.study.exact import ascent
from burnish.study.exact.climb import draw
from burnish.study.exact.regimes import REGIMES
from burnish.study.exact.world import fisher, gradient, natural_gradient, policy, pull, true_advantage

GAMMAS = (0.0, 0.25, 0.5, 1.0, 2.0)
REWARDS = ("normal", "one of eight", "0 or 1")
CHI = 1e-2
"""Budget Σ(δπ)²/π of the steps whose divergence is measured."""
STDS = (0.01, 0.1, 0.5, 1.0)
"""Reward std of the four prompts whose trust regions are compared."""


@dataclass(frozen=True)
class Direction:
    """One γ on one kind of reward, means over random policies.

    Attributes:
        gamma: γ.
        reward: kind of reward.
        solver: lowest cosine between the closed form and a numerical solution.
        paper: cosine of π·A/w, which forgets that probabilities sum to 1, with the solution.
        softmax: cosine of the natural step on the shaped advantage with the solution.
        plain: cosine of an ordinary gradient step on the logits with the solution.
        against: probability of outcomes that the solution moves against the sign of their advantage.
        gain: first-order gain at equal Σ(δπ)²/π, as a share of the linear direction's.
        kl: KL of the solution's step over half its Σ(δπ)²/π, which is its limit for short steps.
    """

    gamma: float
    reward: str
    solver: float
    paper: float
    softmax: float
    plain: float
    against: float
    gain: float
    kl: float


def directions(policies: int, solved: int, outcomes: int = 8) -> list[Direction]:
    """Every γ on every kind of reward, on random policies; the first `solved` also go to the solver."""
    found = []
    for reward in REWARDS:
        problems = [_problem(reward, outcomes, number) for number in range(policies)]
        for gamma in GAMMAS:
            rows = [_compare(pi, A, gamma) for pi, A in problems]
            means = torch.tensor(rows, dtype=torch.float64).mean(0).tolist()
            worst = min(agreement_with_solver(pi, A, gamma) for pi, A in problems[:solved])
            found.append(Direction(gamma, reward, worst, *means))
    return found


def agreement_with_solver(policy_1K: Tensor, advantage_1K: Tensor, gamma: float) -> float:
    """Cosine between `constrained` and what SLSQP finds, in the metric's own coordinates δπ·√(w/π)."""
    pi, A = policy_1K[0].numpy(), advantage_1K[0].numpy()
    root = np.sqrt(pi * np.abs(A) ** gamma)  # δπ = root · z turns the budget into a ball
    goal, mass = root * A, root
    solved = minimize(
        lambda z: -goal @ z / np.linalg.norm(goal),
        x0=0.5 * goal / np.linalg.norm(goal),
        jac=lambda z: -goal / np.linalg.norm(goal),
        method="SLSQP",
        constraints=[
            {"type": "ineq", "fun": lambda z: 1 - z @ z, "jac": lambda z: -2 * z},
            {"type": "eq", "fun": lambda z: mass @ z, "jac": lambda z: mass},
        ],
        options={"maxiter": 500, "ftol": 1e-14},
    )
    free = ascent.power_metric(advantage_1K, gamma)
    closed = ascent.constrained(policy_1K, advantage_1K, free)[0].numpy()
    return _cosine(torch.from_numpy(root * solved.x), torch.from_numpy(closed))


@dataclass(frozen=True)
class Region:
    """How one metric divides the budget: share of Σ(δπ)²/π, and KL at the budget, of each prompt."""

    name: str
    share_P: list[float]
    kl_P: list[float]


def regions(outcomes: int = 8) -> list[Region]:
    """Four prompts whose rewards have the same shape and the spreads of `STDS`."""
    pi, A = _problem("normal", outcomes, 0)
    std = (pi * A.square()).sum().sqrt()
    policy_PK = pi.expand(len(STDS), -1)
    advantage_PK = A / std * torch.tensor(STDS, dtype=A.dtype)[:, None]
    metrics = {"prompt std (grpo)": ascent.prompt_metric(policy_PK, advantage_PK)}
    metrics |= {f"γ = {gamma:g}": ascent.power_metric(advantage_PK, gamma) for gamma in GAMMAS}
    found = []
    for name, free in metrics.items():
        step = ascent.constrained(policy_PK, advantage_PK, free)
        step = ascent.at_budget(policy_PK, step, CHI)
        share = ascent.chi_square(policy_PK, step) / CHI
        found.append(Region(name, share.tolist(), ascent.kl(policy_PK, step).tolist()))
    return found


def shared_gains(worlds: int) -> dict[str, list[float]]:
    """First-order gain at equal KL on shared parameters, over that of the natural gradient, [worlds] each.

    Credit is exact. `metric` rows solve the weighted problem in θ, F_w⁺∇J; `gradient` rows are gradient steps
    on the shaped advantage.
    """
    world = draw(REGIMES[0], worlds, "claims").world
    now = policy(world, world.start())
    A, g = true_advantage(world, now), gradient(world, now)
    F = fisher(world, now, torch.ones_like(now))
    spread = (now * A.square()).sum(-1, keepdim=True).sqrt()
    found = {"natural gradient": natural_gradient(world, now), "gradient, γ = 0": g}
    found["gradient, prompt std (grpo)"] = pull(world, now, now * A / spread)
    for gamma in GAMMAS[1:]:
        found[f"gradient, γ = {gamma:g}"] = pull(world, now, now * A * A.abs() ** gamma)
    for gamma in GAMMAS[1:]:
        weighted = fisher(world, now, A.abs().clamp(min=1e-9) ** -gamma)
        found[f"metric, γ = {gamma:g}"] = torch.linalg.solve(weighted, g)
    best = _per_kl(found["natural gradient"], g, F)
    return {name: (_per_kl(step, g, F) / best).tolist() for name, step in found.items()}


def _per_kl(step_SD: Tensor, gradient_SD: Tensor, fisher_SDE: Tensor) -> Tensor:
    length = torch.einsum("sd,sde,se->s", step_SD, fisher_SDE, step_SD).sqrt()
    return (step_SD * gradient_SD).sum(-1) / length


def _problem(reward: str, outcomes: int, number: int) -> tuple[Tensor, Tensor]:
    """A random policy [1, K] and its exact advantages [1, K]."""
    random = generator("claims", reward, number)
    weight = -torch.rand(1, outcomes, generator=random, dtype=torch.float64).clamp(min=1e-6).log() + 0.02
    pi = weight / weight.sum()
    value = torch.randn(1, outcomes, generator=random, dtype=torch.float64)
    if reward == "one of eight":
        value = torch.nn.functional.one_hot(torch.tensor([0]), outcomes) + 0.1 * value
    elif reward == "0 or 1":
        value = (torch.arange(outcomes) < 3).double()[None]
    return pi, value - (pi * value).sum()


def _compare(pi: Tensor, A: Tensor, gamma: float) -> list[float]:
    free = ascent.power_metric(A, gamma)
    exact = ascent.constrained(pi, A, free)
    linear = ascent.at_budget(pi, pi * A, CHI)
    step = ascent.at_budget(pi, exact, CHI / 100)
    return [
        *(
            _cosine(kind(pi, A, free)[0], exact[0])
            for kind in (ascent.unconstrained, ascent.softmax_step, ascent.plain_step)
        ),
        float(pi[(exact * A < -1e-15)].sum()),
        float(ascent.gain(ascent.at_budget(pi, exact, CHI), A) / ascent.gain(linear, A)),
        float(ascent.kl(pi, step).sum() / (CHI / 200)),
    ]


def _cosine(one: Tensor, other: Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(one, other, dim=0))
