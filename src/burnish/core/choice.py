"""Which advantage a reward's noise justifies: the one that foretells another scoring of the same rollouts.

With noise, a shaped advantage f(d) of the observed centred reward d points best when it is proportional to
E[A | d], the expected true advantage (ours: that minimises E(f(d) − A)² over f up to scale). A second scoring
stands in for the truth, as its noise is independent of the first. A bias that both share is not noise, and is
not seen.

Axes: R rollouts, B rollouts of one batch.
"""

from collections.abc import Callable, Mapping
from functools import partial

from torch import Tensor
from torch.nn.functional import cosine_similarity

from burnish.core import advantages
from burnish.core.groups import centred

Advantage = Callable[[Tensor, Tensor], Tensor]
"""Rewards [B] and groups [B] to advantages [B]."""

CANDIDATES: dict[str, Advantage] = {
    "batch_std": advantages.batch_std,
    "grpo": advantages.grpo,
    **{f"slas γ={gamma:g}": partial(advantages.slas, gamma=gamma) for gamma in (0.25, 0.5, 1.0)},
}
"""What `foretelling` compares; of equals the first is best."""


def noise_variance(first_R: Tensor, second_R: Tensor) -> Tensor:
    """σ² of one scoring: half the mean squared difference of two scorings of the same rollouts."""
    return (first_R - second_R).square().mean(-1) / 2


def agreement(advantage: Advantage, first_B: Tensor, second_B: Tensor, group_B: Tensor) -> Tensor:
    """Cosine between the advantage of one scoring and the centred rewards of another, both ways, a scalar.

    Its expectation is largest where the advantage is proportional to E[A | first].
    """
    there = cosine_similarity(advantage(first_B, group_B), centred(second_B, group_B), dim=0)
    back = cosine_similarity(advantage(second_B, group_B), centred(first_B, group_B), dim=0)
    return (there + back) / 2


def foretelling(
    first_B: Tensor,
    second_B: Tensor,
    group_B: Tensor,
    candidates: Mapping[str, Advantage] = CANDIDATES,
) -> dict[str, float]:
    """The agreement of each candidate, the best first.

    Args:
        first_B: one scoring of each rollout; batches of one policy may stand side by side.
        second_B: another scoring of the same rollouts.
        group_B: group of each rollout.
        candidates: advantages by name.
    """
    found = {name: float(agreement(each, first_B, second_B, group_B)) for name, each in candidates.items()}
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))
