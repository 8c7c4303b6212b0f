"""How much each decision counts in the loss: positive weights of mean 1 over the trained decisions.

Every function takes the rows `b_T` and `s_T` of the transitions (x' = a·x + b·v + s·ε, s above 0) and returns
float64 [T].
"""

from collections.abc import Callable

import torch
from torch import Tensor


def none(b_T: Tensor, s_T: Tensor) -> Tensor:
    """All alike."""
    return torch.ones_like(s_T, dtype=torch.float64)


def noise(b_T: Tensor, s_T: Tensor) -> Tensor:
    """By the noise that a step draws, s = σ_t·√Δt: steps that explore more learn more.

    TempFlow-GRPO's noise-aware weighting (2508.04324); its public code takes 1.73·s, here the mean is 1.
    """
    return _of_mean_one(s_T.double())


def guard(b_T: Tensor, s_T: Tensor) -> Tensor:
    """By 1/|b|: the gradient of GRPO-Guard's ratio is proportional to b, and so it is equal over steps.

    GRPO-Guard's re-weighting (2510.22319) is 1/Δt; for the flow SDE b = −(1 + η²/2)·Δt, so the two agree up
    to the mean (save at t = 1, where b = −Δt). 1/|b| says the same of every transition.
    """
    return _of_mean_one(1 / b_T.double().abs())


def signal(b_T: Tensor, s_T: Tensor) -> Tensor:
    """By s²/|b|: what a step's gradient tells, over the variance of its noise (ours).

    The gradient of a step's log-ratio is (b/s)·ε·∂v, so its noise has the variance (b/s)². Where a reward R
    is nearly linear in the noise, E[A·ε] = s·∂R/∂x, and the gradient's mean is b·∂R/∂x, whatever s is. Of all
    weighted sums of gradients that point one way, weights of mean over variance have the best ratio of signal
    to noise: s²/|b| times |∂R/∂x|, which is taken to be the same at every step. Late steps draw little noise,
    and their gradients are large and nearly all noise.
    """
    return _of_mean_one(s_T.double().square() / b_T.double().abs())


def _of_mean_one(weight_T: Tensor) -> Tensor:
    return weight_T / weight_T.mean()


WEIGHTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "none": none,
    "noise": noise,
    "guard": guard,
    "signal": signal,
}
