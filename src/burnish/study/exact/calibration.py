"""Half of the prompts have nothing to learn: whom does each advantage listen to?

Axes: S worlds, P prompts, G rollouts of a group.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from torch import Tensor

from burnish.core import advantages
from burnish.core.choice import Advantage
from burnish.engine.rng import generator
from burnish.study.analysis import Mean, mean_of
from burnish.study.exact.climb import alignment, batch, credit, draw
from burnish.study.exact.regimes import PROMPTS, half_dead
from burnish.study.exact.shaping import POWERS, shrunk

NOISES = (0.02, 0.1, 0.25, 0.5, 0.75, 1.0)
SIZES = (4, 8, 12, 16, 24)
AT_SIZE, AT_NOISE = 8, 0.25
"""The group size at which noise varies, and the noise at which the group size does."""


@dataclass(frozen=True)
class Reading:
    """One advantage at one noise and group size, over S worlds.

    Attributes:
        method: name.
        noise: its standard deviation over the signal's.
        size: rollouts of a group.
        share: of the squared advantages, what groups without signal receive.
        cosine: between one batch's gradient and the exact gradient of the true objective.
    """

    method: str
    noise: float
    size: int
    share: Mean
    cosine: Mean


def methods(noise: float) -> dict[str, Advantage]:
    """Those that are compared; `shrunk` is told the noise."""
    return {"grpo": advantages.grpo, **POWERS, "shrunk": partial(shrunk, noise=noise**2)}


def readings(worlds: int) -> list[Reading]:
    """Every noise at one group size, and every group size at one noise."""
    places = {(noise, AT_SIZE) for noise in NOISES} | {(AT_NOISE, size) for size in SIZES}
    found = []
    for noise, size in sorted(places):
        setting = draw(half_dead(noise), worlds, "calibration")
        for name, advantage in methods(noise).items():
            cosine = alignment(setting, advantage, "calibration", size, group=size)
            _, reward = batch(setting, size, generator("alignment", "calibration", size))
            share = dead_share(credit(advantage, reward))
            found.append(Reading(name, noise, size, mean_of(share.tolist()), mean_of(cosine.tolist())))
    return found


def dead_share(advantage_SPG: Tensor) -> Tensor:
    """Share of the squared advantages in the first half of the prompts, [S]."""
    square_SP = advantage_SPG.square().sum(-1)
    return square_SP[:, : PROMPTS // 2].sum(-1) / square_SP.sum(-1).clamp(min=1e-300)
