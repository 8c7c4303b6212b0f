"""Which decisions share one importance ratio: the decision, the chunk, or the whole sequence.

A unit map `unit_T` gives every decision t the number of its unit: [0, 1, 2] decisions, [0, 0, 1] a chunk of
two and one of one, [0, 0, 0] the sequence. Chunks: Chunk-GRPO / GCPO (2510.21583).

Axes: B rollouts, T decisions, U units.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor


def decision(steps: int) -> Tensor:
    """Every decision its own unit, [T]."""
    return torch.arange(steps)


def sequence(steps: int) -> Tensor:
    """All decisions one unit, [T] (GSPO's granularity, 2507.18071)."""
    return torch.zeros(steps, dtype=torch.long)


def fixed_chunks(sizes: Sequence[int]) -> Tensor:
    """Consecutive chunks of the given sizes, [Σ sizes].

    Raises:
        ValueError: a size below 1.
    """
    if not sizes or min(sizes) < 1:
        raise ValueError(f"chunk sizes {list(sizes)} must be whole numbers of at least 1")
    return torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(list(sizes)))


def even_chunks(steps: int, count: int) -> Tensor:
    """`count` chunks of sizes that differ by at most one, the longer ones first, [T]."""
    if not 1 <= count <= steps:
        raise ValueError(f"{count} chunks of {steps} decisions: use 1 to {steps} chunks")
    return fixed_chunks([steps // count + (i < steps % count) for i in range(count)])


def relative_l1(latents_BT1: Tensor) -> Tensor:
    """L1rel(t) = ‖x_t − x_{t−1}‖₁ / ‖x_t‖₁ averaged over rollouts, [T].

    Args:
        latents_BT1: consecutive latents [B, T + 1, …]; x_t is the one a step starts from.
    """
    flat = latents_BT1.flatten(2).float()
    change_BT = (flat[:, :-1] - flat[:, 1:]).abs().sum(-1)
    return (change_BT / flat[:, :-1].abs().sum(-1)).mean(0)


def dynamic_chunks(l1rel_T: Tensor, *, largest: int = 4) -> list[int]:
    """Chunk sizes that follow the temporal dynamics (GCPO, adaptive rule).

    Runs of equal sign of the first difference of L1rel form chunks; where the sign is uniform, the stretch
    is split at its midpoint; chunks longer than `largest` are cut again by the next higher difference.

    Args:
        l1rel_T: relative L1 change at each decision, [T].
        largest: a chunk of at most this many decisions is left whole.

    Returns:
        Sizes, summing to T.
    """
    if l1rel_T.ndim != 1 or not len(l1rel_T):
        raise ValueError(f"L1rel must be one number a decision, [T]; got shape {tuple(l1rel_T.shape)}")
    return _cut(l1rel_T.double().cpu(), 1, largest)


def _cut(change_T: Tensor, order: int, largest: int) -> list[int]:
    steps = len(change_T)
    if steps <= largest or steps < 2:
        return [steps]
    signs = (change_T.diff(n=order) > 0).tolist() if order < steps else [True]
    signs = [signs[0]] * (steps - len(signs)) + signs  # steps without a difference join the first that has
    starts = [0, *(t for t in range(1, steps) if signs[t] != signs[t - 1])]
    if len(starts) == 1:
        starts = [0, (steps + 1) // 2]
    pieces = pairwise([*starts, steps])
    return [size for start, stop in pieces for size in _cut(change_T[start:stop], order + 1, largest)]


def segments(boundary_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """Decisions up to and including each boundary share a unit: steps of a chain of thought, int64 [B, T].

    Args:
        boundary_BT: True for a decision that ends its segment, such as a line's end.
        mask_BT: True where a decision counts; others join the last unit.
    """
    ended_BT = (boundary_BT & mask_BT).long()
    unit_BT = ended_BT.cumsum(1) - ended_BT
    last_B1 = unit_BT.masked_fill(~mask_BT, 0).amax(1, keepdim=True)
    return torch.minimum(unit_BT, last_B1)


def pool(log_ratio_BT: Tensor, unit_T: Tensor, mask_BT: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Mean log-ratio of each unit over its unmasked decisions (GCPO: the 1/cs_j root of the product).

    Args:
        log_ratio_BT: [B, T].
        unit_T: unit of each decision, [T] or [B, T].
        mask_BT: True where a decision counts; None for all.

    Returns:
        `log_ratio_BU` [B, U] and `mask_BU` [B, U], False (and 0) for units without a decision.
    """
    if log_ratio_BT.ndim != 2:
        raise ValueError(f"log-ratios must be [B, T]; got shape {tuple(log_ratio_BT.shape)}")
    unit_BT = unit_T.expand_as(log_ratio_BT)
    weight_BT = torch.ones_like(log_ratio_BT) if mask_BT is None else mask_BT.to(log_ratio_BT)
    shape = (len(log_ratio_BT), int(unit_T.max()) + 1)
    value = log_ratio_BT if mask_BT is None else log_ratio_BT.masked_fill(~mask_BT, 0.0)
    total_BU = log_ratio_BT.new_zeros(shape).scatter_add(1, unit_BT, value)
    count_BU = log_ratio_BT.new_zeros(shape).scatter_add(1, unit_BT, weight_BT)
    return total_BU / count_BU.clamp(min=1), count_BU > 0


def chunk_weights(l1rel_T: Tensor, unit_T: Tensor) -> Tensor:
    """w_j = mean of L1rel over unit j, divided by the sum over units, [U] (GCPO, weighted sampling)."""
    mean_U = pool(l1rel_T[None], unit_T)[0][0]
    return mean_U / mean_U.sum()


def sample_units(
    unit_T: Tensor,
    fraction: float,
    *,
    weights_U: Tensor | None = None,
    batch: int,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draws a share of each rollout's units without replacement.

    Args:
        unit_T: unit of each decision, [T].
        fraction: share of units, in (0, 1]; at least one is drawn.
        weights_U: relative chances [U]; None for uniform. A unit of weight 0 is never drawn.
        batch: rollouts B.
        generator: source of randomness.

    Returns:
        keep_BT: True for the decisions of drawn units, bool [B, T].

    Raises:
        ValueError: a fraction or weights out of range.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction={fraction} must be above 0 and at most 1")
    units = int(unit_T.max()) + 1
    count = max(1, round(units * fraction))
    chances = torch.ones(units) if weights_U is None else weights_U.float()
    if chances.shape != (units,) or not chances.isfinite().all() or chances.min() < 0 or not chances.any():
        raise ValueError(
            f"weights {chances.tolist()} must be {units} finite numbers of at least 0, not all 0"
        )
    count = min(count, int(chances.count_nonzero()))  # multinomial would fill up with impossible units
    drawn_BK = torch.multinomial(chances.expand(batch, -1), count, generator=generator)
    keep_BU = torch.zeros(batch, units, dtype=torch.bool).scatter_(1, drawn_BK, True)
    return keep_BU[:, unit_T]
