"""The steepest ascent of expected advantage under a weighted Fisher–Rao metric (SLAS, 2605.10937).

Maximise Σ δπ·A subject to Σ w·(δπ)²/π ≤ ε². The paper's δπ ∝ π·A/w leaves out that probabilities sum to 1
(Σ_k δπ = 0 for every prompt). With that constraint the solution is π·(A − λ)/w, with one λ a prompt (ours).

Axes: P prompts, K outcomes; one budget ε² for all prompts together.
"""

from __future__ import annotations

import torch
from torch import Tensor

NEAR = 1e-12
"""Below this share of the largest, an advantage counts as 0, where |A|^(−γ) has no value."""


def power_metric(advantage_PK: Tensor, gamma: float) -> Tensor:
    """1/w = |A|^γ: the freedom that SLAS's metric w = |A|^(−γ) gives an outcome, [P, K]."""
    return advantage_PK.abs() ** gamma


def prompt_metric(policy_PK: Tensor, advantage_PK: Tensor) -> Tensor:
    """1/w = 1/std of the prompt: under this metric dividing by the std is steepest ascent, [P, K].

    Spread counts *against* a prompt here; where rewards hardly differ, the policy is free to move.
    """
    std_P1 = (policy_PK * advantage_PK.square()).sum(-1, keepdim=True).sqrt()
    free = torch.where(std_P1 > NEAR * std_P1.amax(), 1 / std_P1, 0.0)
    return free.expand_as(advantage_PK)


def unconstrained(policy_PK: Tensor, advantage_PK: Tensor, free_PK: Tensor) -> Tensor:
    """π·A/w, the paper's direction: it need not sum to 0, [P, K]."""
    return policy_PK * advantage_PK * free_PK


def softmax_step(policy_PK: Tensor, advantage_PK: Tensor, free_PK: Tensor) -> Tensor:
    """π·(A/w − E[A/w]): what a softmax makes of the shaped advantage under a natural step, [P, K]."""
    shaped_PK = advantage_PK * free_PK
    return policy_PK * (shaped_PK - (policy_PK * shaped_PK).sum(-1, keepdim=True))


def plain_step(policy_PK: Tensor, advantage_PK: Tensor, free_PK: Tensor) -> Tensor:
    """What an ordinary gradient step on the logits makes of it: likely outcomes count once more, [P, K]."""
    logit_PK = softmax_step(policy_PK, advantage_PK, free_PK)
    return policy_PK * (logit_PK - (policy_PK * logit_PK).sum(-1, keepdim=True))


def constrained(policy_PK: Tensor, advantage_PK: Tensor, free_PK: Tensor) -> Tensor:
    """π·(A − λ)/w with λ = Σπ(A/w)/Σ(π/w): the solution with Σ_k δπ = 0, [P, K].

    It is the stationary point of the Lagrangian, and the only one, as the problem is convex.
    """
    mass_P1 = (policy_PK * free_PK).sum(-1, keepdim=True)
    shift_P1 = (policy_PK * advantage_PK * free_PK).sum(-1, keepdim=True) / mass_P1.clamp(min=1e-300)
    return policy_PK * (advantage_PK - shift_P1) * free_PK


def gain(direction_PK: Tensor, advantage_PK: Tensor) -> Tensor:
    """Σ δπ·A: what the step adds to the expected reward, to first order."""
    return (direction_PK * advantage_PK).sum()


def chi_square(policy_PK: Tensor, direction_PK: Tensor) -> Tensor:
    """Σ_k (δπ)²/π of each prompt, [P]: its trust region under Fisher–Rao."""
    return (direction_PK.square() / policy_PK).sum(-1)


def kl(policy_PK: Tensor, direction_PK: Tensor) -> Tensor:
    """KL(π ‖ π + δπ) of each prompt, [P].

    Raises:
        ValueError: a step so long that a probability is not positive.
    """
    after_PK = policy_PK + direction_PK
    if (after_PK <= 0).any():
        raise ValueError("the step takes a probability to 0 or below; scale it down")
    return (policy_PK * (policy_PK / after_PK).log()).sum(-1)


def at_budget(policy_PK: Tensor, direction_PK: Tensor, chi: float) -> Tensor:
    """The direction scaled so that Σ (δπ)²/π over all prompts is `chi`."""
    return direction_PK * (chi / chi_square(policy_PK, direction_PK).sum()).sqrt()
