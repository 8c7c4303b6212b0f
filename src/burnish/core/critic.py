"""The critic's side of PPO: advantages from values, and the loss of the values.

Axes: B rollouts, T decisions.
"""

import torch
from torch import Tensor


def gae(
    reward_BT: Tensor, value_BT: Tensor, mask_BT: Tensor, *, gamma: float = 1.0, lam: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Generalised advantage estimation (Schulman et al., 1506.02438, eq. 16).

    δ_t = r_t + γ·V_{t+1} − V_t and A_t = Σ_l (γλ)^l δ_{t+l}; after the last decision the value is 0.

    Args:
        reward_BT: reward of each decision; whatever stands where masked, also NaN, is not read.
        value_BT: the critic's value before each decision; likewise.
        mask_BT: True for the decisions of a rollout, which come first.
        gamma: discount, in [0, 1].
        lam: λ, in [0, 1]: 0 is the one-step error, 1 the return minus the value.

    Returns:
        Advantages and returns A + V, float32 [B, T]; 0 where masked.
    """
    reward_BT = reward_BT.float().masked_fill(~mask_BT, 0.0)
    value_BT = value_BT.float().masked_fill(~mask_BT, 0.0)
    following_B = value_BT.new_zeros(len(value_BT))
    advantage_B = torch.zeros_like(following_B)
    advantage_BT = torch.zeros_like(value_BT)
    for t in reversed(range(value_BT.shape[1])):
        error_B = reward_BT[:, t] + gamma * following_B - value_BT[:, t]
        advantage_B = error_B + gamma * lam * advantage_B  # after the end: still 0
        following_B = value_BT[:, t]
        advantage_BT[:, t] = advantage_B
    return advantage_BT, advantage_BT + value_BT


def value_loss(value_BT: Tensor, old_value_BT: Tensor, return_BT: Tensor, *, clip: float) -> Tensor:
    """½·max((V − R)², (V_clip − R)²), [B, T], with V_clip within ±clip of the value that sampled.

    As PPO's reference implementation (1707.06347; openai/baselines) clips it.
    """
    clipped_BT = old_value_BT + (value_BT - old_value_BT).clamp(-clip, clip)
    return torch.maximum((value_BT - return_BT).square(), (clipped_BT - return_BT).square()) / 2


def whiten(advantage_BT: Tensor, mask_BT: Tensor, *, eps: float = 1e-8) -> Tensor:
    """Advantages of mean 0 and variance 1 over the unmasked decisions of the batch; 0 elsewhere.

    All exactly 0 where the unmasked ones are equal.
    """
    values = advantage_BT[mask_BT]
    if len(values) < 2 or values.min() == values.max():
        return torch.zeros_like(advantage_BT)
    scaled_BT = (advantage_BT - values.mean()) / (values.std(unbiased=False) + eps)
    return torch.where(mask_BT, scaled_BT, torch.zeros_like(scaled_BT))
