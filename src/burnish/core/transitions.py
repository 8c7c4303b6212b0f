"""Every sampler is one affine row a step: x' = a·x + b·v + s·ε, with v the predicted velocity.

Rectified flow: x_t = (1−t)·x_0 + t·ε, v = ε − x_0, noise levels t from 1 down to 0, dt = t' − t < 0.
Flow-SDE and Dance-SDE share a and b and differ in the noise level σ_t; the ODE is s = 0.

Diffusion: x_t = α·x_0 + σ·ε with α² + σ² = 1; the network predicts ε or v = α·ε − σ·x_0.

Axes: T steps; `sigma_T1` holds the T + 1 noise levels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import log, pi
from typing import Literal

import torch
from torch import Tensor


@dataclass(frozen=True)
class Schedule:
    """The noise levels of one sampling run, from noise to data.

    Attributes:
        time_T: what the network is told at each step.
        sigma_T1: standard deviation of the noise in x, float64 [T + 1]; for a flow, t itself.
        prediction: what the network returns: `velocity` ε − x_0 of a flow (α = 1 − σ), or `epsilon` or
            `v_prediction` of a diffusion (α = √(1 − σ²)).
    """

    time_T: Tensor
    sigma_T1: Tensor
    prediction: Literal["velocity", "epsilon", "v_prediction"] = "velocity"

    @property
    def alpha_T1(self) -> Tensor:
        """Share of the data in x, float64 [T + 1]."""
        sigma_T1 = self.sigma_T1.double()
        return 1 - sigma_T1 if self.prediction == "velocity" else (1 - sigma_T1.square()).clamp(min=0).sqrt()


@dataclass(frozen=True)
class Table:
    """The rows of one sampler, float64 [T] each: x' = a·x + b·v + s·ε."""

    a_T: Tensor
    b_T: Tensor
    s_T: Tensor

    def window(self, start: int, stop: int, plain: "Table") -> "Table":
        """These rows inside [start, stop), those of `plain` (the ODE) elsewhere (MixGRPO, 2507.21802).

        Raises:
            ValueError: an empty window, or one outside the steps.
        """
        steps = len(self.a_T)
        if not 0 <= start < stop <= steps:
            raise ValueError(f"window [{start}, {stop}) does not lie in the {steps} steps")
        inside = (torch.arange(steps) >= start) & (torch.arange(steps) < stop)
        rows = ((self.a_T, plain.a_T), (self.b_T, plain.b_T), (self.s_T, plain.s_T))
        return Table(*(torch.where(inside, mine, other) for mine, other in rows))


def _levels(sigma_T1: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """t, t' and dt, float64 [T] each."""
    sigma_T1 = sigma_T1.double()
    if sigma_T1.ndim != 1 or len(sigma_T1) < 2 or not (sigma_T1.diff() < 0).all():
        raise ValueError(f"noise levels must fall, T + 1 of them; got {sigma_T1.tolist()}")
    return sigma_T1[:-1], sigma_T1[1:], sigma_T1.diff()


def ode(sigma_T1: Tensor, eta: float = 0.0) -> Table:
    """Euler's step of the probability-flow ODE: x' = x + v·dt. `eta` is not used."""
    _, _, dt = _levels(sigma_T1)
    return Table(torch.ones_like(dt), dt, torch.zeros_like(dt))


def _sde(sigma_T1: Tensor, noise_T: Tensor) -> Table:
    """The reverse SDE with the flow's marginals (Flow-GRPO, 2505.05470, eq. 9; DanceGRPO, 2505.07818).

    x' = x + [v + σ²/(2t)·(x + (1−t)·v)]·dt + σ·√(−dt)·ε
    """
    t, _, dt = _levels(sigma_T1)
    half = noise_T.square() / (2 * t)
    return Table(1 + half * dt, (1 + half * (1 - t)) * dt, noise_T * (-dt).sqrt())


def flow_sde(sigma_T1: Tensor, eta: float = 0.7) -> Table:
    """Flow-GRPO's noise: σ_t = η·√(t/(1−t)); at t = 1 the second level replaces t in the denominator."""
    t, _, _ = _levels(sigma_T1)
    denominator = torch.where(t >= 1, 1 - sigma_T1.double()[1], 1 - t)
    return _sde(sigma_T1, eta * (t / denominator).sqrt())


def dance_sde(sigma_T1: Tensor, eta: float = 0.3) -> Table:
    """DanceGRPO's noise: σ_t = η."""
    return _sde(sigma_T1, torch.full_like(sigma_T1[:-1], eta, dtype=torch.float64))


def cps(sigma_T1: Tensor, eta: float = 0.7) -> Table:
    """Coefficient-preserving sampling: the noise level of x' is exactly t' (2509.05952).

    x' = (1−t')·x̂_0 + t'·cos(ηπ/2)·ε̂ + t'·sin(ηπ/2)·ε with x̂_0 = x − t·v and ε̂ = x + (1−t)·v.
    """
    t, following, _ = _levels(sigma_T1)
    angle = torch.tensor(eta * pi / 2, dtype=torch.float64)
    kept = following * torch.cos(angle)
    return Table(1 - following + kept, -(1 - following) * t + kept * (1 - t), following * torch.sin(angle))


def ddim(schedule: Schedule, eta: float = 1.0) -> Table:
    """DDIM for diffusion models (2010.02502, eq. 12 and 16); `eta` 0 is the ODE, 1 the ancestral sampler.

    x' = α'·x̂_0 + √(σ'² − s²)·ε̂ + s·ε with s = η·(σ'/σ)·√(1 − α²/α'²).
    """
    sigma_T1, alpha_T1 = schedule.sigma_T1.double(), schedule.alpha_T1
    sigma, sigma_next, alpha, alpha_next = sigma_T1[:-1], sigma_T1[1:], alpha_T1[:-1], alpha_T1[1:]
    if schedule.prediction == "epsilon":
        if not (alpha > 0).all():
            raise ValueError("a noise prediction says nothing of x_0 where no data is left in x")
        data, noise = (1 / alpha, -sigma / alpha), (torch.zeros_like(alpha), torch.ones_like(alpha))
    elif schedule.prediction == "v_prediction":
        data, noise = (alpha, -sigma), (sigma, alpha)
    else:
        raise ValueError("DDIM is for diffusion models; a flow takes flow_sde, dance_sde or cps")
    s = eta * sigma_next / sigma * (1 - (alpha / alpha_next).square()).clamp(min=0).sqrt()
    kept = (sigma_next.square() - s.square()).clamp(min=0).sqrt()
    return Table(alpha_next * data[0] + kept * noise[0], alpha_next * data[1] + kept * noise[1], s)


FLOW: dict[str, Callable[..., Table]] = {"ode": ode, "flow_sde": flow_sde, "dance_sde": dance_sde, "cps": cps}
"""Transitions of rectified flows, by name; each takes the noise levels [T + 1] and η."""


def table(name: str, schedule: Schedule, eta: float = 0.0) -> Table:
    """The rows of the transition `name` on a model's own schedule.

    Raises:
        ValueError: the transition is not made for this kind of model.
    """
    if schedule.prediction == "velocity":
        if name not in FLOW:
            raise ValueError(f"{name} is for diffusion models; a flow takes {', '.join(FLOW)}")
        return FLOW[name](schedule.sigma_T1, eta)
    if name not in ("ddim", "ode"):
        raise ValueError(f"{name} is for flows; a diffusion model takes ddim")
    return ddim(schedule, eta if name == "ddim" else 0.0)


def log_prob(following: Tensor, x: Tensor, prediction: Tensor, a: float, b: float, s: float) -> Tensor:
    """Log-density of x' under N(a·x + b·v, s²), mean over the latent dimensions, [N].

    Raises:
        ValueError: s is 0: a deterministic step is no decision.
    """
    if s <= 0:
        raise ValueError("a step with s = 0 is deterministic and has no density; score stochastic steps only")
    z = (following - (a * x + b * prediction)) / s
    density = -z.square() / 2 - log(s) - 0.5 * log(2 * pi)
    return density.flatten(1).mean(1)


def unnormalised_log_prob(following: Tensor, x: Tensor, prediction: Tensor, a: float, b: float) -> Tensor:
    """−(x' − mean)², mean over dimensions, [N]: what public code of CPS scores in place of the Gaussian."""
    return -(following - (a * x + b * prediction)).square().flatten(1).mean(1)
