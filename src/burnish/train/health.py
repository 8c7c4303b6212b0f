"""The invariants that speak up: each returns one finding, in words a user can act on.

A finding is `(check, ok, message)`; every run logs them as `health` events.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

RATIO_SHARE = 0.1
"""Share of the clip range that numerical noise may take before it is reported."""


class Finding(NamedTuple):
    """One check's verdict."""

    check: str
    ok: bool
    message: str


def ratio_is_one(drift: float, clip_low: float) -> Finding:
    """Sampling and training agree: before the first update every importance ratio is 1."""
    ok = drift <= RATIO_SHARE * clip_low
    message = f"largest |ratio − 1| before the update is {drift:.1e}; the clip range is {clip_low:.0e}"
    if not ok:
        message += ": use float32, or the same sampling.rows for sampling and training"
    return Finding("ratio is one before the update", ok, message)


def noise_differs(rollouts: Any, group_size: int) -> Finding:
    """Rollouts of a group draw different noise."""
    if group_size < 2:
        return Finding("noise differs in a group", True, "groups of one")
    drawn = rollouts.choice_BT[:group_size]
    ok = any(not torch.equal(drawn[0], other) for other in drawn[1:])
    message = (
        "rollouts of a group draw distinct noise" if ok else "the rollouts of a group share all their noise"
    )
    return Finding("noise differs in a group", ok, message)


def reward_varies(metrics: dict[str, Any]) -> Finding:
    """Rewards are finite and not constant, and not every group is dead."""
    spread, dead = metrics["reward_std"], metrics["dead_groups"]
    ok = spread == spread and spread > 0 and dead < 1
    message = f"standard deviation {spread:.3g}, groups without signal {dead:.0%}"
    if not ok:
        message += ": the reward cannot rank these images; check it on a folder of samples"
    return Finding("reward varies", ok, message)


def weights_moved(before: dict[str, Tensor], after: dict[str, Tensor], credit: bool) -> Finding:
    """The optimiser reaches the weights: a step with credit changes some of them."""
    moved = sum(not torch.equal(before[name], after[name].detach()) for name in before)
    ok = moved > 0 or not credit
    message = f"{moved} of {len(before)} trained tensors moved in the first step"
    if not ok:
        message += ": nothing is trained; check model.lora.targets and train.lr"
    return Finding("weights move", ok, message)


def ledger_balances(counters: dict[str, int]) -> Finding:
    """Every rollout issued was trained or skipped; none was lost."""
    ok = counters["issued"] == counters["trained"] + counters["skipped"]
    message = "issued {issued} = trained {trained} + skipped {skipped}".format(**counters)
    return Finding("no rollout lost", ok, message)


def not_hacking(history: list[dict[str, float]]) -> Finding:
    """The training reward does not rise while the held-out score falls.

    `history` holds one entry an evaluation: `reward` (training, recent mean) with `reward_se`, and `held_out`
    with `se`. The alarm sounds when, against the first entry, the reward is up and the held-out score is
    down, each by more than twice its standard error. `evaluation.held_out` watches with a test instead.
    """
    if len(history) < 2:
        return Finding("no sign of reward hacking", True, "too early to say")
    first, last = history[0], history[-1]
    rise, fall = last["reward"] - first["reward"], first["held_out"] - last["held_out"]
    clear = rise > 2 * max(first["reward_se"], last["reward_se"])
    ok = not (clear and fall > 2 * max(first["se"], last["se"]))
    message = (
        f"training reward {first['reward']:.3f} → {last['reward']:.3f}, "
        f"held-out {first['held_out']:.3f} → {last['held_out']:.3f}"
    )
    if not ok:
        message += ": the model is gaming the reward; stop earlier, add a divergence, or mend the reward"
    return Finding("no sign of reward hacking", ok, message)
