"""Whose credit, how large: advantages from the rewards of groups.

Every function takes `reward_B` (float [B], NaN or infinite where the reward is missing) and `group_B`
(integer [B]) and returns float [B]. A missing reward, a group of one, and a group of equal rewards have
advantage exactly 0 (`reinforce_pp`, which does not look at groups: a missing reward alone).

Notation: r reward, r̄ mean of its group, Δ = r − r̄.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from burnish.core.groups import centred, group_count, group_std


def batch_scale(value_B: Tensor, reward_B: Tensor) -> Tensor:
    """Root mean square of centred values over all rollouts with a reward: a scalar.

    Centred values have mean zero, so this is their batch standard deviation.
    """
    present = reward_B.isfinite()
    return (value_B.square().sum() / present.sum().clamp(min=1)).sqrt()


def grpo(reward_B: Tensor, group_B: Tensor, *, eps: float = 1e-4) -> Tensor:
    """Δ / (std of the group + eps).

    GRPO (Shao et al., 2402.03300, §4.1.2), as DanceGRPO (2505.07818) and Flow-GRPO (2505.05470) use it.
    The standard deviation is the sample one (n − 1).
    """
    return centred(reward_B, group_B) / (group_std(reward_B, group_B) + eps)


def dr_grpo(reward_B: Tensor, group_B: Tensor) -> Tensor:
    """Δ itself, without any scale (Dr.GRPO, Liu et al., 2503.20783)."""
    return centred(reward_B, group_B)


def batch_std(reward_B: Tensor, group_B: Tensor, *, eps: float = 1e-4) -> Tensor:
    """Δ / (std of Δ over the batch + eps): groups that hardly differ keep small advantages."""
    delta_B = centred(reward_B, group_B)
    return delta_B / (batch_scale(delta_B, reward_B) + eps)


def slas(
    reward_B: Tensor, group_B: Tensor, *, gamma: float = 0.5, order: str = "scale_first", eps: float = 1e-4
) -> Tensor:
    """Super-linear advantage shaping: sign(Δ)·|Δ|^(1+γ) with batch-level scale (SLAS, 2605.10937).

    The steepest ascent of the expected advantage under the Fisher–Rao metric weighted by |A|^(−γ).
    `scale_first` divides Δ by its batch std and then takes the power; `power_first` takes the power and
    then divides by the batch std of the result. γ = 0 is `batch_std` in either order.

    Raises:
        ValueError: gamma below 0, or an unknown order.
    """
    if gamma < 0:
        raise ValueError(f"gamma={gamma} must be at least 0")
    if order == "scale_first":
        scaled_B = batch_std(reward_B, group_B, eps=eps)
        return scaled_B.sign() * scaled_B.abs() ** (1 + gamma)
    if order == "power_first":
        delta_B = centred(reward_B, group_B)
        shaped_B = delta_B.sign() * delta_B.abs() ** (1 + gamma)
        return shaped_B / (batch_scale(shaped_B, reward_B) + eps)
    raise ValueError(f"order={order!r} is unknown; use 'scale_first' or 'power_first'")


def rloo(reward_B: Tensor, group_B: Tensor) -> Tensor:
    """Reward minus the mean of the *others* in the group: G/(G−1)·Δ (RLOO, Ahmadian et al., 2402.14740)."""
    count_B = group_count(reward_B, group_B)
    return centred(reward_B, group_B) * count_B / (count_B - 1).clamp(min=1)


def reinforce_pp(reward_B: Tensor, group_B: Tensor, *, eps: float = 1e-4) -> Tensor:
    """Reward minus the mean of the batch, over its std (REINFORCE++, 2501.03262).

    Prompts are not told apart: an easy one earns credit for all of its rollouts, and groups of one and of
    equal rewards are not zero here, unless the whole batch is equal.
    """
    return batch_std(reward_B, torch.zeros_like(group_B), eps=eps)


def remax(reward_B: Tensor, baseline_B: Tensor) -> Tensor:
    """Reward minus that of the prompt's most likely rollout (ReMax, Li et al., 2310.10505).

    Args:
        reward_B: [B].
        baseline_B: reward of the greedy rollout of each rollout's prompt, [B]; missing: advantage 0.
    """
    return (reward_B - baseline_B).nan_to_num(0.0, 0.0, 0.0)


def gdpo(
    advantage: Callable[[Tensor, Tensor], Tensor],
    reward_BK: Tensor,
    weight_K: Tensor,
    group_B: Tensor,
    *,
    eps: float = 1e-4,
) -> Tensor:
    """Several rewards without one drowning the others: a weighted sum of advantages (GDPO, 2601.05242).

    Every reward k gets an advantage of its own; Σ_k w_k·A_k is then divided by its batch std, so that the
    number of rewards does not change the scale of a step.

    Args:
        advantage: from rewards [B] and groups [B] to advantages [B], such as `grpo`.
        reward_BK: one column a reward; a rollout with any reward missing has advantage 0.
        weight_K: weights of the rewards.
        group_B: group of each rollout.
    """
    present_B = reward_BK.isfinite().all(1)
    reward_BK = torch.where(present_B[:, None], reward_BK, torch.nan)
    columns = [
        weight * advantage(column, group_B) for weight, column in zip(weight_K, reward_BK.T, strict=True)
    ]
    total_B = torch.stack(columns).sum(0)
    return total_B / (batch_scale(total_B, reward_BK[:, 0]) + eps)


def process(advantage: Callable[[Tensor, Tensor], Tensor], reward_BS: Tensor, group_B: Tensor) -> Tensor:
    """Rewards of steps: each step's advantage is the sum over itself and what follows (2402.03300, §4.1.3).

    The steps of all rollouts of a group are compared with each other as rollouts otherwise are.

    Args:
        advantage: from rewards [N] and groups [N] to advantages [N], such as `grpo`.
        reward_BS: reward of each step; missing where a rollout has no such step.
        group_B: group of each rollout.

    Returns:
        Advantage of each step, [B, S]; 0 after a rollout's last.
    """
    group_N = group_B[:, None].expand_as(reward_BS).flatten()
    shaped_BS = advantage(reward_BS.flatten(), group_N).view_as(reward_BS)
    return shaped_BS.flip(1).cumsum(1).flip(1)


ADVANTAGES: dict[str, Callable[..., Tensor]] = {
    "grpo": grpo,
    "dance_grpo": grpo,
    "dr_grpo": dr_grpo,
    "batch_std": batch_std,
    "slas": slas,
    "rloo": rloo,
    "reinforce_pp": reinforce_pp,
}


def clamp(advantage_B: Tensor, largest: float) -> Tensor:
    """Advantages limited to ±largest."""
    return torch.clamp(advantage_B, -largest, largest)
