"""A part of a batch in place of the whole, so that a gradient costs less and keeps its mean.

A rollout's gradient is proportional to its advantage. One of hardly any advantage costs as much as any other
and adds hardly anything, and super-linear shaping makes most of them so. Drawn with chances in proportion to
|A| and weighed with the inverse of the chance, fewer rollouts give the same gradient in the mean, and of all
chances that draw as many, these give it the least variance where the gradients are otherwise alike
(Hansen and Hurwitz, 1943; Horvitz and Thompson, 1952).

Axes: B rollouts.
"""

import torch
from torch import Tensor


def chances(size_B: Tensor, share: float) -> Tensor:
    """min(1, c·|size|) with c such that they add up to `share` of the rollouts whose size is not 0, [B].

    Args:
        size_B: [B], finite.
        share: in (0, 1].

    Returns:
        float64 in [0, 1]; 0 exactly where the size is 0.

    Raises:
        ValueError: a share out of range.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share={share} must be above 0 and at most 1")
    size_B = size_B.detach().double().abs()
    wanted = share * int(size_B.count_nonzero())
    relative_B = size_B / size_B.max().clamp(min=torch.finfo(torch.float64).smallest_normal)
    size_B = torch.where(size_B > 0, relative_B.clamp(min=1e-200), 0.0)  # no quotient overflows
    descending_B, order_B = size_B.sort(descending=True)
    rest_B = descending_B.flip(0).cumsum(0).flip(0)  # the sizes from each one on
    certain_B = descending_B * (wanted - torch.arange(len(size_B))) >= rest_B  # c·size ≥ 1 for these
    certain_B = certain_B.long().cumprod(0).bool() & (descending_B > 0)
    left = int(certain_B.sum())
    scale = (wanted - left) / rest_B[left] if left < len(size_B) and rest_B[left] > 0 else 0.0
    chance_B = torch.where(certain_B, 1.0, descending_B * scale)
    return torch.zeros_like(size_B).scatter(0, order_B, chance_B)


def draw(size_B: Tensor, share: float, generator: torch.Generator | None = None) -> Tensor:
    """Weights of a drawn subset: 1/chance for its members and 0 for the others; each has the mean 1, [B].

    Systematic: one random number places a comb of spacing 1 over the running sum of the chances, so the
    subset has `share` of the members to within one, and neighbours (a group) are thinned evenly.

    Args:
        size_B: chances are in proportion to its absolute value, [B].
        share: of the members whose size is not 0, in (0, 1].
        generator: source of the random number.
    """
    chance_B = chances(size_B, share)
    start = torch.rand((), generator=generator, dtype=torch.float64)
    teeth_B = torch.floor(chance_B.cumsum(0) - start)
    before_B = torch.cat([torch.floor(-start)[None], teeth_B[:-1]])
    drawn_B = (teeth_B > before_B) | (chance_B >= 1)
    return torch.where(drawn_B & (chance_B > 0), 1 / chance_B.clamp(min=1e-300), 0.0)
