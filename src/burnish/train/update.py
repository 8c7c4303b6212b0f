"""One optimiser update from rollouts and advantages: evaluate → unit → objective (+ divergence) → step.

The loss is a sum over rollouts divided by one fixed denominator, so it does not depend on how the batch is
cut into micro-batches. Rollouts whose advantage is zero have no gradient and are not evaluated.

Axes: B rollouts, T trained decisions, U units.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from burnish.core import diagnostics, objectives, units
from burnish.policies.denoising.policy import DenoisingPolicy, Rollouts
from burnish.recipes.schema import Algorithm

NUMBERS = ("loss", "clip_fraction", "approximate_kl", "effective_sample_size", "ratio_drift", "divergence")


@dataclass(frozen=True)
class Credit:
    """What the update needs to know of the rewards.

    Attributes:
        advantage_B: float32 [B]; 0 where the reward is missing.
        unit_T: unit of each decision, int64 [T].
        keep_BT: decisions that are trained, bool [B, T].
        denominator: rollouts the loss is averaged over, whether or not they have a gradient.
    """

    advantage_B: Tensor
    unit_T: Tensor
    keep_BT: Tensor
    denominator: int

    def shares(self, group_B: Tensor, count: int) -> list[Credit]:
        """This credit cut into `count` parts by whole groups; a part sees only its own rollouts."""
        if count == 1:
            return [self]
        parts = []
        for part in range(count):
            mine_B = group_B % count == part
            advantage_B = torch.where(mine_B, self.advantage_B, torch.zeros_like(self.advantage_B))
            portion = max(1, round(self.denominator * mine_B.float().mean().item()))
            parts.append(
                replace(
                    self, advantage_B=advantage_B, keep_BT=self.keep_BT & mine_B[:, None], denominator=portion
                )
            )
        return parts


def unit_of(algorithm: Algorithm, steps: int, l1rel_T: Tensor) -> Tensor:
    """The unit of each of the `steps` trained decisions, int64 [steps]."""
    unit = algorithm.unit
    if unit.name == "decision":
        return units.decision(steps)
    if unit.name == "sequence":
        return units.sequence(steps)
    return units.fixed_chunks(unit.sizes if isinstance(unit.sizes, list) else units.dynamic_chunks(l1rel_T))


def accumulate(
    policy: DenoisingPolicy, rollouts: Rollouts, credit: Credit, algorithm: Algorithm, rows: int
) -> dict[str, float]:
    """Adds the gradient of the whole batch to the parameters; returns the loss and diagnostics.

    Args:
        policy: whose parameters receive gradients.
        rollouts: B rollouts from `policy.sample`.
        credit: advantages, units and mask.
        algorithm: objective and divergence.
        rows: stacked timesteps in one forward-backward: a micro-batch is `rows // T` rollouts.
    """
    objective = algorithm.objective
    low, high = objective.clip_low, objective.clip_high
    beta, divergence = algorithm.divergence.beta, algorithm.divergence.name
    active = credit.advantage_B != 0 if divergence == "none" else credit.keep_BT.any(1)
    which = active.nonzero().flatten()
    loss, distance, log_ratios, cut = 0.0, 0.0, [], []
    for part in which.split(max(1, rows // len(credit.unit_T))) if len(which) else ():
        log_ratio_BT, divergence_BT = policy.evaluate(rollouts, part, rows, divergence)
        keep_BT = credit.keep_BT[part].to(log_ratio_BT.device)
        advantage_B = credit.advantage_B[part].to(log_ratio_BT.device)
        log_ratio_BU, mask_BU = units.pool(log_ratio_BT, credit.unit_T.to(log_ratio_BT.device), keep_BT)
        loss_BU = objectives.OBJECTIVES[objective.name](log_ratio_BU, advantage_B, low=low, high=high)
        micro = objectives.reduce_mean(loss_BU, mask_BU, denominator=credit.denominator)
        if divergence != "none":
            kept = objectives.reduce_mean(divergence_BT, keep_BT, denominator=credit.denominator)
            micro = micro + beta * kept
            distance += kept.item()
        micro.backward()
        loss += micro.item()
        detached = log_ratio_BU.detach()
        log_ratios.append(detached[mask_BU])
        cut.append(objectives.clip_mask(detached, advantage_B, low, high)[mask_BU])
    if not log_ratios:
        return dict.fromkeys(NUMBERS, 0.0)
    log_ratio = torch.cat(log_ratios)
    numbers = {
        "loss": loss,
        "clip_fraction": torch.cat(cut).float().mean().item(),
        "approximate_kl": float(diagnostics.approximate_kl(log_ratio)),
        "effective_sample_size": float(diagnostics.effective_sample_size(log_ratio)),
        "ratio_drift": float(diagnostics.ratio_drift(log_ratio)),
    }
    return {**numbers, "divergence": distance}
