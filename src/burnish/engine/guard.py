"""Non-finite values never reach a parameter: they are counted, and too many stop the run."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch

from burnish.errors import NonFiniteError


class NonFiniteGuard:
    """Decides whether an update may be applied.

    Args:
        budget: updates that may be skipped before the run stops.
    """

    def __init__(self, budget: int):
        self.budget, self.skipped = budget, 0

    def check(self, *values: float, step: int | None = None, **named: float) -> bool:
        """True if all values are finite; otherwise counts a skipped update.

        Values may be given by name (`loss=…, grad_norm=…`); names and `step` only serve the message.

        Raises:
            NonFiniteError: the budget is spent.
        """
        bad = [str(value) for value in values if not math.isfinite(value)]
        bad += [f"{name} is {value}" for name, value in named.items() if not math.isfinite(value)]
        if not bad:
            return True
        self.skipped += 1
        if self.skipped > self.budget:
            place = "" if step is None else f" at step {step}"
            raise NonFiniteError(
                f"{self.skipped} updates had a non-finite loss or gradient (budget {self.budget}); no "
                f"parameter was touched by them. The last{place}: {', '.join(bad)}. Lower train.lr, check "
                "the reward, or use model.dtype=float32"
            )
        return False


def clip_and_check(parameters: Iterable[torch.nn.Parameter], max_norm: float) -> float:
    """Scales gradients to a global norm of at most `max_norm`; returns the norm before, maybe non-finite."""
    return float(torch.nn.utils.clip_grad_norm_(parameters, max_norm))
