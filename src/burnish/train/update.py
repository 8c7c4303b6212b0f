"""One optimiser update from rollouts and advantages: evaluate → unit → objective (+ divergence) → step.

The loss is a sum over rollouts divided by one fixed denominator, so it does not depend on how the batch is
cut into micro-batches. Rollouts whose advantage is zero have no gradient and are not evaluated.

Axes: B rollouts, T trained decisions, U units.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from burnish.core import corrections, critic, diagnostics, objectives, ratios, units
from burnish.recipes.schema import Algorithm, Ratio

NUMBERS = ("loss", "clip_fraction", "approximate_kl", "effective_sample_size", "ratio_drift", "divergence")


@dataclass(frozen=True)
class Credit:
    """What the update needs to know of the rewards.

    Attributes:
        advantage_B: float32 [B], or [B, T] with a critic; 0 where the reward is missing.
        unit_T: unit of each decision, int64 [T] or [B, T].
        keep_BT: decisions that are trained, bool [B, T].
        denominator: rollouts the loss is averaged over, whether or not they have a gradient.
        return_BT: what the critic should have said, float32 [B, T]; None without one.
        policy_weight: 0 while the critic alone learns.
        longest: decisions of the longest possible rollout; None: T.
        weight_T: weight of each decision in the loss, float32 [T]; None: all alike.
        at_start: whether the weights are still those that sampled, so that no drift has a gradient.
    """

    advantage_B: Tensor
    unit_T: Tensor
    keep_BT: Tensor
    denominator: int
    return_BT: Tensor | None = None
    policy_weight: float = 1.0
    longest: int | None = None
    weight_T: Tensor | None = None
    at_start: bool = False

    def shares(self, group_B: Tensor, count: int) -> list[Credit]:
        """This credit cut into `count` parts by whole groups; a part sees only its own rollouts."""
        if count == 1:
            return [self]
        parts = []
        for part in range(count):
            mine_B = group_B % count == part
            mine = mine_B if self.advantage_B.ndim == 1 else mine_B[:, None]
            advantage_B = torch.where(mine, self.advantage_B, torch.zeros_like(self.advantage_B))
            portion = max(1, round(self.denominator * mine_B.float().mean().item()))
            parts.append(
                replace(
                    self, advantage_B=advantage_B, keep_BT=self.keep_BT & mine_B[:, None], denominator=portion
                )
            )
        return parts


def accumulate(
    policy: Any, rollouts: Any, credit: Credit, algorithm: Algorithm, rows: int
) -> dict[str, float]:
    """Adds the gradient of the whole batch to the parameters; returns the loss and diagnostics.

    Args:
        policy: whose parameters receive gradients.
        rollouts: B rollouts from `policy.sample`.
        credit: advantages, units and mask.
        algorithm: ratio, objective and divergence.
        rows: stacked timesteps in one forward-backward: a micro-batch is `rows // T` rollouts.
    """
    objective = algorithm.objective
    low, high, options = objective.clip_low, objective.upper, objective.options
    beta = 0.0 if algorithm.divergence.in_reward else algorithm.divergence.beta
    divergence = algorithm.divergence.name if beta else "none"
    drifts = objective.name == "nft" and not credit.at_start
    everyone = divergence != "none" or credit.return_BT is not None or drifts
    weighty = credit.advantage_B.view(len(credit.advantage_B), -1).any(1)
    active = credit.keep_BT.any(1) if everyone else weighty
    which = active.nonzero().flatten()
    loss, distance, value, log_ratios, cut = 0.0, 0.0, 0.0, [], []
    steps = credit.keep_BT.shape[1]
    for part in which.split(policy.micro(rows, steps)) if len(which) else ():
        keep_BT = credit.keep_BT[part]
        log_ratio_BT, divergence_BT, drift_BT, value_BT = _measured(
            policy, rollouts, part, rows, divergence, algorithm.ratio, keep_BT
        )
        place = log_ratio_BT.device
        keep_BT, advantage = keep_BT.to(place), credit.advantage_B[part].to(place)
        unit = (credit.unit_T if credit.unit_T.ndim == 1 else credit.unit_T[part]).to(place)
        if objective.name in objectives.BEFORE_POOLING:
            limit = objectives.BEFORE_POOLING[objective.name]
            limited_BT = limit(log_ratio_BT, advantage, low=low, high=high)
            cut.append((limited_BT != log_ratio_BT)[keep_BT])
            log_ratio_BT = limited_BT
        log_ratio_BU, mask_BU = units.pool(log_ratio_BT, unit, keep_BT)
        if algorithm.correction.name != "none":
            weigh = corrections.CORRECTIONS[algorithm.correction.name]
            weight_BT = weigh(
                rollouts.log_weight_BT[part].to(place),
                rollouts.mask_BT[part].to(place),
                algorithm.correction.cap,
            )
            advantage = advantage[:, None] if advantage.ndim == 1 else advantage
            advantage = advantage * weight_BT
        if advantage.ndim == 2:
            advantage = units.pool(advantage, unit, keep_BT)[0]
        if objective.name in objectives.PROXIMAL:
            drift_BU = units.pool(drift_BT, unit, keep_BT)[0]
            propose = objectives.PROXIMAL[objective.name]
            loss_BU = propose(log_ratio_BU, advantage, drift_BU=drift_BU, **options)
        else:
            loss_BU = objectives.OBJECTIVES[objective.name](log_ratio_BU, advantage, **options)
        if credit.weight_T is not None:
            weight_BT = credit.weight_T.to(place).expand_as(log_ratio_BT)
            loss_BU = loss_BU * units.pool(weight_BT, unit, keep_BT)[0]
        micro = credit.policy_weight * _mean(loss_BU, mask_BU, credit, objective.average)
        if divergence != "none":
            kept = objectives.reduce_mean(divergence_BT, keep_BT, denominator=credit.denominator)
            micro = micro + beta * kept
            distance += kept.item()
        if credit.return_BT is not None:
            settings = algorithm.advantage
            error_BT = critic.value_loss(
                value_BT,
                rollouts.value_BT[part].to(place),
                credit.return_BT[part].to(place),
                clip=settings.value_clip,
            )
            missed = objectives.reduce_mean(error_BT, keep_BT, denominator=credit.denominator)
            micro = micro + settings.value_weight * missed
            value += missed.item()
        micro.backward()
        loss += micro.item()
        detached = log_ratio_BU.detach()
        log_ratios.append(detached[mask_BU])
        if objective.name == "dppo":
            cut.append(objectives.dppo_mask(detached, advantage, drift_BU, **options)[mask_BU])
        elif objective.name not in (*objectives.BEFORE_POOLING, *objectives.PROXIMAL):
            cut.append(objectives.clip_mask(detached, advantage, low, high)[mask_BU])
    if not log_ratios:
        return dict.fromkeys(NUMBERS, 0.0)
    log_ratio = torch.cat(log_ratios)
    numbers = {
        "loss": loss,
        "clip_fraction": torch.cat(cut).float().mean().item() if cut else 0.0,
        "approximate_kl": float(diagnostics.approximate_kl(log_ratio)),
        "effective_sample_size": float(diagnostics.effective_sample_size(log_ratio)),
        "ratio_drift": float(diagnostics.ratio_drift(log_ratio)),
    }
    more = {} if credit.return_BT is None else {"value_loss": value}
    return {**numbers, "divergence": distance, **more}


def _measured(
    policy: Any, rollouts: Any, part: Tensor, rows: int, divergence: str, ratio: Ratio, keep_BT: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Log-ratios, divergences, drifts and the critic's values (0 without one), [b, T] each.

    Decisions of an image that are not kept are not computed; those of a text come in one forward anyway.
    """
    if policy.kind == "denoising":
        log_ratio_BT, divergence_BT, drift_BT = policy.measure(
            rollouts, part, rows, divergence, ratio, keep_BT
        )
        return log_ratio_BT, divergence_BT, drift_BT, torch.zeros_like(drift_BT)
    log_ratio_BT, divergence_BT, value_BT = policy.evaluate_valued(rollouts, part, divergence)
    old_BT = rollouts.log_prob_BT[part].to(log_ratio_BT.device)
    return log_ratio_BT, divergence_BT, ratios.total_variation(log_ratio_BT, old_BT), value_BT


def _mean(loss_BU: Tensor, mask_BU: Tensor, credit: Credit, average: str) -> Tensor:
    """The recipe's average of the batch, of which these rollouts are a part."""
    more: dict[str, int] = {"denominator": credit.denominator}
    if average == "decisions":
        ones = torch.ones(credit.keep_BT.shape)
        more["denominator"] = int(units.pool(ones, credit.unit_T, credit.keep_BT)[1].sum())
    if average == "constant":
        more["length"] = credit.longest or credit.keep_BT.shape[1]
    return objectives.REDUCTIONS[average](loss_BU, mask_BU, **more)
