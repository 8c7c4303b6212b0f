"""Budgets worked by hand."""

import pytest

from burnish.errors import RecipeError
from burnish.recipes.load import load_recipe
from burnish.study.budget import equal, evaluations, rollouts
from burnish.study.load import checked

BATCH = ["train.steps=10", "sampling.steps=6", "sampling.prompts_per_step=2", "sampling.group_size=4"]


@pytest.mark.parametrize(
    ("overrides", "each"),
    [
        (["sampling.window=[0, 4]"], 6 + 3 * 4),
        (["sampling.window=[0, 4]", "train.share=0.5"], 6 + 3 * 2),
        (["sampling.window=[0, 4]", "algorithm.preset=flow_grpo"], 6 + 4 * 4),
        (["sampling.window=[2, 4]"], 6 - 2 + 2 / 4 + 3 * 2),
        (["sampling.window=[2, 4]", "sampling.shared_noise=false"], 6 + 3 * 2),
        (["sampling.window=[0, 2]", "sampling.slide=1"], 6 - 1.5 + 1.5 / 4 + 3 * 2),  # it begins at 0 … 3
        (["sampling.window=[0, 4]", "algorithm.preset=awm"], 6 + 3 * 4),
        (["sampling.window=[0, 4]", "algorithm.preset=awm", "train.updates=2"], 6 + 3 * 4 + 4),
        (
            [
                "sampling.window=[0, 4]",
                "algorithm.preset=chunk_grpo",
                "algorithm.unit.sizes=[2, 2]",
                "algorithm.unit.fraction=0.5",
            ],
            6 + 3 * 2,
        ),
    ],
)
def test_evaluations_of_a_rollout_by_hand(overrides: list[str], each: float) -> None:
    recipe = load_recipe("scenes", [*BATCH, *overrides])
    assert rollouts(recipe) == 80
    assert evaluations(recipe) == pytest.approx(80 * each)


def test_budgets_are_equal_within_two_percent() -> None:
    assert equal(100, 98)
    assert not equal(100, 97.9)


def test_a_study_may_hold_evaluations_equal_in_place_of_rollouts() -> None:
    """18 evaluations a rollout in 20 steps, 12 in 30."""
    values = {
        "name": "cheap",
        "question": "Is half as good?",
        "overrides": ["sampling.window=[0, 4]"],
        "methods": {"whole": ["train.steps=20"], "half": ["train.steps=30", "train.share=0.5"]},
        "baseline": "whole",
        "measures": [{}],
    }
    with pytest.raises(RecipeError, match="half spends 5,760 rollouts a run but whole spends 3,840"):
        checked(values, "cheap")
    assert checked({**values, "budget": "evaluations"}, "cheap").budget == "evaluations"
