"""How often a run of an image model asks its network, by the recipe alone: means of one rollout."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from burnish.recipes.schema import Recipe


def drawn(recipe: Recipe) -> float:
    """Forwards that draw a rollout: one a denoising step.

    A group with one beginning shares them before its first noise.
    """
    sampling = recipe.sampling
    first, last = recipe.trained_steps
    places = 1 if sampling.slide is None else sampling.steps - last
    branches = sampling.shared_noise and not recipe.algorithm.ratio.of_copies and sampling.transition != "ode"
    prefix = first + (places - 1) / 2 if branches else 0.0
    return sampling.steps - prefix * (1 - 1 / sampling.group_size)


def asked_before(recipe: Recipe) -> float:
    """Forwards of the weights that sampled, beside those that drew.

    Noised copies ask one a decision, unless one update a batch trains those weights themselves.
    """
    first, last = recipe.trained_steps
    return float(last - first) if recipe.algorithm.ratio.of_copies and recipe.train.updates > 1 else 0.0


def trained(recipe: Recipe) -> float:
    """Decisions with a forward and a backward pass."""
    first, last = recipe.trained_steps
    return (last - first) * recipe.algorithm.unit.fraction * recipe.train.share
