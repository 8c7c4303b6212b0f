"""Softmax policies over a few outcomes: every expectation is a sum, every gradient exact.

Axes: S worlds (one a seed), P prompts, K outcomes of a prompt, N = P·K, D parameters.

The logits are base + feature · θ. With one parameter an outcome (`tabular`) prompts do not touch each other,
and the relative size of their advantages is no more than a learning rate for each. With fewer parameters than
outcomes (`shared`) they compete for one θ, as they do in a network, and relative size decides who is heard.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class World:
    """S policies over the same number of prompts and outcomes, and what the outcomes are truly worth.

    Attributes:
        feature_ND: how a parameter moves a logit, one set of rows for all worlds.
        row_SN: which row is whose: a permutation for each world, so that their networks differ.
        base_SPK: logits at θ = 0.
        truth_SPK: true reward of each outcome.
    """

    feature_ND: Tensor
    row_SN: Tensor
    base_SPK: Tensor
    truth_SPK: Tensor

    def start(self) -> Tensor:
        """θ = 0, [S, D]."""
        return self.feature_ND.new_zeros(len(self.base_SPK), self.feature_ND.shape[-1])

    def repeated(self, times: int) -> World:
        """The same worlds so many times over, [times · S]."""
        row, base, truth = self.row_SN, self.base_SPK, self.truth_SPK
        return World(
            self.feature_ND, row.repeat(times, 1), base.repeat(times, 1, 1), truth.repeat(times, 1, 1)
        )


def tabular(base_SPK: Tensor, truth_SPK: Tensor) -> World:
    """A parameter for each outcome of each prompt."""
    worlds, prompts, outcomes = base_SPK.shape
    size = prompts * outcomes
    eye = torch.eye(size, dtype=base_SPK.dtype)
    return World(eye, torch.arange(size).repeat(worlds, 1), base_SPK, truth_SPK)


def shared(base_SPK: Tensor, truth_SPK: Tensor, parameters: int, generator: torch.Generator) -> World:
    """`parameters` parameters, seen through random features of expected squared length 1."""
    worlds, prompts, outcomes = base_SPK.shape
    size, dtype = prompts * outcomes, base_SPK.dtype
    feature_ND = torch.randn(size, parameters, generator=generator, dtype=dtype) / parameters**0.5
    row_SN = torch.rand(worlds, size, generator=generator).argsort(1)
    return World(feature_ND, row_SN, base_SPK, truth_SPK)


def policy(world: World, theta_SD: Tensor) -> Tensor:
    """π(outcome | prompt), [S, P, K]."""
    return (world.base_SPK + moved(world, theta_SD)).softmax(-1)


def moved(world: World, theta_SD: Tensor) -> Tensor:
    """Change of the logits by θ, [S, P, K]."""
    return (theta_SD @ world.feature_ND.T).gather(1, world.row_SN).view_as(world.base_SPK)


def objective(world: World, policy_SPK: Tensor) -> Tensor:
    """J: expected true reward, mean over prompts, [S]."""
    return (policy_SPK * world.truth_SPK).sum(-1).mean(-1)


def progress(world: World, policy_SPK: Tensor) -> Tensor:
    """Share of the way from J at θ = 0 to the best outcome of every prompt, [S]; 1 is perfect."""
    first = objective(world, world.base_SPK.softmax(-1))
    best = world.truth_SPK.amax(-1).mean(-1)
    return (objective(world, policy_SPK) - first) / (best - first)


def true_advantage(world: World, policy_SPK: Tensor) -> Tensor:
    """A = R − E[R | prompt], [S, P, K]."""
    return world.truth_SPK - (policy_SPK * world.truth_SPK).sum(-1, keepdim=True)


def pull(world: World, policy_SPK: Tensor, credit_SPK: Tensor) -> Tensor:
    """Σ credit · ∇θ log π over prompts and outcomes, [S, D]: what credit for outcomes does to θ."""
    logit_SPK = credit_SPK - credit_SPK.sum(-1, keepdim=True) * policy_SPK
    logit_SN = logit_SPK.flatten(1)
    return torch.zeros_like(logit_SN).scatter(1, world.row_SN, logit_SN) @ world.feature_ND


def gradient(world: World, policy_SPK: Tensor) -> Tensor:
    """∇θ J, [S, D]."""
    return pull(world, policy_SPK, policy_SPK * world.truth_SPK) / policy_SPK.shape[1]


def fisher(world: World, policy_SPK: Tensor, weight_SPK: Tensor) -> Tensor:
    """Mean over prompts of Σ_k π · weight · ∇log π ∇log πᵀ, [S, D, D]; weight 1 is Fisher's matrix."""
    feature_SPKD = world.feature_ND[world.row_SN].view(*policy_SPK.shape, -1)
    mean_SPD = torch.einsum("spk,spkd->spd", policy_SPK, feature_SPKD)
    score = (feature_SPKD - mean_SPD[:, :, None]).flatten(1, 2)
    measure = (policy_SPK * weight_SPK).flatten(1) / policy_SPK.shape[1]
    return torch.einsum("sn,snd,sne->sde", measure, score, score)


def natural_gradient(world: World, policy_SPK: Tensor) -> Tensor:
    """F⁺ ∇θ J, [S, D], with the pseudo-inverse: directions that change no probability stay at 0."""
    everything = torch.ones_like(policy_SPK)
    inverse = torch.linalg.pinv(fisher(world, policy_SPK, everything), rtol=1e-9, hermitian=True)
    return torch.einsum("sde,se->sd", inverse, gradient(world, policy_SPK))


def cosine(one: Tensor, other: Tensor) -> Tensor:
    """Cosine over the last axis; 0 where either is 0."""
    length = one.norm(dim=-1) * other.norm(dim=-1)
    return (one * other).sum(-1) / length.clamp(min=torch.finfo(one.dtype).tiny)
