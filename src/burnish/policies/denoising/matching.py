"""Noised copies of the finished images as decisions, in place of the transitions that made them.

Any sampler may have drawn the images: only `final_B` is read. A copy is one decision at one of the trained
noise levels of the model's own schedule; see `core.matching`.

Axes: B rollouts, T trained noise levels.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from burnish.core import matching
from burnish.engine import rng
from burnish.policies.denoising.rollouts import Rollouts
from burnish.recipes.schema import Recipe

if TYPE_CHECKING:
    from burnish.policies.denoising.policy import DenoisingPolicy


class Copies(Rollouts):
    """B finished images with T noised copies of each.

    As `Rollouts`, where `latents_BT` are the copies x_t, `noise_BT` the targets v*, `b_T` is 1, `s_T` the
    scale of the matching loss, and `l1rel_T` is 0. `prediction_BT` holds the predictions v_old of the weights
    that sampled, or no column where those are the weights that are trained.
    """

    @property
    def choice_BT(self) -> Tensor:
        """Two rollouts are the same when their images are."""
        return self.final_B[:, None]

    def followed(self, which_N: Tensor, t_N: Tensor, prediction: Tensor) -> tuple[Tensor, Tensor]:
        """v_old and (v* − v_old)/s, [N, …] each."""
        asked = self.prediction_BT.shape[1] > 0
        v_old = self.prediction_BT[which_N, t_N] if asked else prediction
        s = self.s_T.to(v_old)[t_N].view(-1, *[1] * (v_old.ndim - 1))
        return v_old, (self.noise_BT[which_N, t_N] - v_old) / s


@torch.no_grad()
def copies(
    policy: DenoisingPolicy,
    parts: Iterator[Rollouts],
    count: int,
    recipe: Recipe,
    step: int,
    seed: tuple[int | str, ...],
) -> Iterator[Rollouts]:
    """The rollouts of each part with noised copies as their decisions.

    With one update a batch the weights that sampled are those that are trained, and are not asked twice. The
    noise is drawn for the whole batch and cut, so the parts do not change it.

    Args:
        policy: whose predictions are the old ones.
        parts: the batch, in order.
        count: rollouts of the whole batch.
        recipe: the trained levels and the ratio's own settings.
        step: training step.
        seed: keys of the noise.
    """
    first, last = recipe.trained_steps_at(step)
    schedule, ratio, rows = (
        policy.backbone.schedule(recipe.sampling.steps),
        recipe.algorithm.ratio,
        recipe.sampling.rows,
    )
    time_T, alpha_T, sigma_T = (
        values[first:last].double() for values in (schedule.time_T, schedule.alpha_T1, schedule.sigma_T1)
    )
    if ratio.name == "contrast":
        s_T = matching.data_deviation(alpha_T, sigma_T, schedule.prediction)
    else:
        s_T = matching.deviation(sigma_T, ratio.power)

    @cache
    def noise_B(t: int) -> Tensor:
        return rng.noise((count, *policy.backbone.latent_shape), *seed, "copy", first + t)

    start = 0
    for part in parts:
        which, start = slice(start, start + len(part)), start + len(part)
        x_0 = part.final_B
        condition = {key: value[part.prompt_B.to(value.device)] for key, value in part.condition.items()}
        copies_T, targets_T, asked_T = [], [], [x_0[:, None][:, :0]]
        for t in range(last - first):
            noise, level = noise_B(t)[which].to(x_0.device), (float(alpha_T[t]), float(sigma_T[t]))
            x = matching.noised(x_0, noise, *level)
            copies_T.append(x)
            targets_T.append(matching.target(x_0, noise, *level, schedule.prediction))
            if recipe.train.updates > 1:
                time_B = torch.full((len(x),), float(time_T[t]), device=x.device)
                asked_T.append(policy.predict(x, time_B, condition, rows)[:, None])
        yield Copies(
            latents_BT=torch.stack(copies_T, 1),
            prediction_BT=torch.cat(asked_T, 1),
            noise_BT=torch.stack(targets_T, 1),
            time_T=time_T,
            b_T=torch.ones_like(s_T),
            s_T=s_T,
            prompt_B=part.prompt_B,
            condition=part.condition,
            final_B=x_0,
            l1rel_T=torch.zeros_like(s_T),
        )
