"""Matching: decisions are noised copies of the finished image, scored by how well the network restores it.

A copy is x_t = α·x_0 + σ·ε, and v* is what the network should predict there. Read as a draw from a Gaussian
around the prediction, v* ~ N(v, s²), its log-ratio is the change of the matching loss,

    log ρ = −w·(‖v − v*‖² − ‖v_old − v*‖²)  with w = 1/(2s²), norms averaged over dimensions,

which is `ratios.gaussian_log_ratio` with b = 1 and ε = (v* − v_old)/s. So a copy is a decision like any
other, and Advantage Weighted Matching (AWM, 2509.25050) is any objective on such decisions.

Axes: T noise levels, N copies.
"""

from torch import Tensor

LEAST = 1e-5
"""Smallest error that DiffusionNFT's loss is divided by."""


def noised(x_0: Tensor, noise: Tensor, alpha: float, sigma: float) -> Tensor:
    """x_t = α·x_0 + σ·ε."""
    return alpha * x_0 + sigma * noise


def target(x_0: Tensor, noise: Tensor, alpha: float, sigma: float, prediction: str) -> Tensor:
    """What the network should predict at `noised`: ε − x_0 of a flow, ε, or v = α·ε − σ·x_0.

    Raises:
        ValueError: an unknown kind of prediction.
    """
    if prediction == "velocity":
        return noise - x_0
    if prediction == "epsilon":
        return noise
    if prediction == "v_prediction":
        return alpha * noise - sigma * x_0
    raise ValueError(f"prediction={prediction!r} is unknown; use velocity, epsilon or v_prediction")


def deviation(sigma_T: Tensor, power: float) -> Tensor:
    """s of the matching loss weighted by w(σ) = σ^power, [T]: AWM's uniform weight is power 0."""
    return (2 * sigma_T.double() ** power).rsqrt()


def data_deviation(alpha_T: Tensor, sigma_T: Tensor, prediction: str) -> Tensor:
    """s by which (v* − v)/s is √2 times the error of the restored x_0, [T].

    x̂_0 − x_0 = σ·(v* − v) of a flow and of a v-prediction, (σ/α)·(v* − v) of a noise prediction.
    """
    error_T = sigma_T.double() / (alpha_T.double() if prediction == "epsilon" else 1.0)
    return 1 / (2**0.5 * error_T)


def contrast(
    noise: Tensor, prediction_new: Tensor, prediction_old: Tensor, b: Tensor, s: Tensor, *, beta: float = 1.0
) -> tuple[Tensor, Tensor]:
    """What DiffusionNFT compares: matching by v⁺ = v_old + β(v − v_old) and by v⁻ = v_old − β(v − v_old).

    L± = ‖x̂_0(v±) − x_0‖² / sg(mean |x̂_0(v±) − x_0|): matching losses of the restored image, each divided by
    its own error (2509.16117, the loss of v⁺ and v⁻ and its adaptive weight, as in the public code, 1/β
    included). With r the probability that the image is good,

        r·L⁺ + (1 − r)·L⁻ = drift − (2r − 1)·gain,  gain = (L⁻ − L⁺)/2,  drift = (L⁺ + L⁻)/2:

    the gain takes the place of a log-ratio (0 for equal predictions) and the drift holds the policy near the
    old one (its gradient is 0 there).

    Args:
        noise: (v* − v_old)/s of each copy, [N, …], with s from `data_deviation`.
        prediction_new: v under the current weights, [N, …].
        prediction_old: v under those that sampled, [N, …].
        b: 1, [N].
        s: from `data_deviation`, [N].
        beta: how far the two implicit predictions reach, above 0.

    Returns:
        Gain and drift over β, [N] each, both with gradient.
    """
    scale = (b / s).view(-1, *[1] * (noise.ndim - 1))
    move = beta * scale * (prediction_new - prediction_old)
    better, worse = (_relative((noise - sign * move) / 2**0.5) for sign in (1, -1))
    return (worse - better) / (2 * beta), (worse + better) / (2 * beta)


def _relative(error: Tensor) -> Tensor:
    """‖e‖² / sg(mean |e|), means over dimensions, [N]."""
    error = error.flatten(1)
    return error.square().mean(1) / error.detach().abs().mean(1).clamp(min=LEAST)
