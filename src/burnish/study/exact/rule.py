"""Which shaping the noise of a reward justifies: theory, and the rule of `core.choice` over many worlds.

Super-linear shaping is right exactly where E[A | d] bends upward: where the signal has heavier tails than the
noise.

Axes: B rollouts of one batch, N grid points; C components of a mixture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log, pi

import torch
from torch import Tensor

from burnish.core.choice import Advantage, foretelling

Mixture = Sequence[tuple[float, float]]
"""Weights (summing to 1) and standard deviations of normals with mean 0."""


def posterior_mean(observed_N: Tensor, signal: Mixture, noise: Mixture) -> tuple[Tensor, Tensor]:
    """E[A | d] and the density of d, both [N], for A and noise from mixtures of normals of mean 0.

    Each pair of components is linear shrinkage, τ²/(τ² + σ²)·d; which pair it was is weighed by how likely it
    makes d.
    """
    logs, shrinks = [], []
    for share, tau in signal:
        for part, sigma in noise:
            variance = tau**2 + sigma**2
            logs.append(log(share * part) - log(2 * pi * variance) / 2 - observed_N.square() / (2 * variance))
            shrinks.append(tau**2 / variance)
    log_CN = torch.stack(logs)
    shrink_N = log_CN.new_tensor(shrinks) @ log_CN.softmax(0)
    return shrink_N * observed_N, log_CN.logsumexp(0).exp()


def best_gamma(signal: Mixture, noise: Mixture, candidates: Tensor) -> tuple[float, Tensor]:
    """The γ whose sign(d)·|d|^(1+γ) correlates best with A, and the correlation of each candidate, [len].

    Integrals run over a grid that is fine near 0 and reaches 12 of the largest standard deviations.
    """
    widest = max(t**2 + s**2 for _, t in signal for _, s in noise) ** 0.5
    narrowest = min(t**2 + s**2 for _, t in signal for _, s in noise) ** 0.5
    edge = torch.logspace(-3, 0, 4001, dtype=torch.float64) * 12 * widest
    low = torch.linspace(0, 1, 2001, dtype=torch.float64)[1:] * 6 * narrowest
    d_N = torch.cat([edge, low]).unique()
    mean_N, density_N = posterior_mean(d_N, signal, noise)
    shaped_CN = d_N ** (1 + candidates[:, None])
    both_C = torch.trapezoid(shaped_CN * mean_N * density_N, d_N)
    size_C = torch.trapezoid(shaped_CN.square() * density_N, d_N)
    power = sum(share * tau**2 for share, tau in signal) / 2  # half: the grid holds positive d only
    correlation_C = both_C / (size_C * power).sqrt()
    return float(candidates[correlation_C.argmax()]), correlation_C


def choose(
    advantages: Mapping[str, Advantage], first_SB: Tensor, second_SB: Tensor, group_B: Tensor
) -> list[str]:
    """For each of S worlds the advantage that predicts another scoring best; the first of equals.

    Args:
        advantages: candidates by name, such as `shaping.POWERS`.
        first_SB: one scoring of each world's rollouts; many batches of one policy may stand side by side.
        second_SB: another scoring of the same rollouts.
        group_B: group of each rollout.
    """
    return [
        next(iter(foretelling(first_B, second_B, group_B, advantages)))
        for first_B, second_B in zip(first_SB, second_SB, strict=True)
    ]
