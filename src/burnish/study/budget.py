"""What a run may spend: rollouts that it draws, or evaluations of the network that it needs for them."""

from __future__ import annotations

from collections.abc import Callable

from burnish.recipes import work
from burnish.recipes.schema import Recipe

BACKWARD = 3
"""A forward and its backward, in forwards."""

TOLERANCE = 0.02
"""Two budgets are equal within this share: steps are whole numbers."""


def rollouts(recipe: Recipe) -> int:
    """Rollouts that a run draws, at most."""
    sampling = recipe.sampling
    return recipe.train.steps * sampling.prompts_per_step * sampling.group_size * (1 + sampling.refill)


def evaluations(recipe: Recipe) -> float:
    """Forwards of one picture that a run of an image model needs, evaluations left out.

    A rollout takes one a denoising step, save that a group of one beginning shares them before its first
    noise; training takes `BACKWARD` a trained decision, one more where a reference or the old weights are
    asked too. Guidance, which doubles all of them, is left out. A rollout without an advantage, which is not
    trained, counts as if it were.
    """
    each = BACKWARD + (recipe.algorithm.divergence.beta > 0)
    one = work.drawn(recipe) + work.asked_before(recipe) + each * work.trained(recipe)
    return rollouts(recipe) * one


BUDGETS: dict[str, Callable[[Recipe], float]] = {"rollouts": rollouts, "evaluations": evaluations}
"""What can be held equal over the methods of a study."""

UNITS = {"rollouts": "rollouts", "evaluations": "network evaluations"}
"""What each is called on an axis or over a column."""


def price(budget: str, recipe: Recipe) -> float:
    """What a rollout costs of a budget."""
    return BUDGETS[budget](recipe) / rollouts(recipe)


def equal(one: float, other: float) -> bool:
    """Whether two budgets may be compared."""
    return abs(one - other) <= TOLERANCE * max(one, other)
