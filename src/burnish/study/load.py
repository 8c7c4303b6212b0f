"""From a name or a YAML file to a checked study: every method's recipe loads, and budgets are equal.

Everything that can be refused is refused here, before the first run.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from burnish.errors import RecipeError
from burnish.recipes.complaints import nearest, sentence
from burnish.recipes.load import load_recipe
from burnish.recipes.schema import Recipe
from burnish.recipes.text import parse_yaml, read_text
from burnish.study.budget import BUDGETS, equal
from burnish.study.schema import Measure, Study

HOME = Path(__file__).parent.parent / "studies"


def bundled() -> list[str]:
    """Names of the studies in the package."""
    return sorted(path.stem for path in HOME.glob("*.yaml"))


def load_study(name_or_path: str) -> Study:
    """The study of a bundled name or a YAML file.

    >>> load_study("quick").baseline
    'dance_grpo'

    Raises `RecipeError`: one sentence that says what is wrong, where, and what is allowed.
    """
    path = _find(name_or_path)
    source = f"study {path.stem}" if path.parent == HOME else str(path)
    values = parse_yaml(read_text(path), source)
    if not isinstance(values, dict):
        raise RecipeError(f"{source} holds no keys such as methods: and seeds:, so it is no study")
    return checked(values, source)


def checked(values: dict[str, Any], source: str) -> Study:
    """A study of raw values, whose methods can run and are comparable."""
    try:
        study = Study.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "missing":
            raise RecipeError(f"{source}: {'.'.join(map(str, first['loc']))} is missing") from None
        raise RecipeError(sentence(error, values, {}, source, Study)) from None
    recipes = {label: _sound(study, label, source) for label in study.methods}
    _equal(recipes, study.budget, source)
    _measured(study, recipes[study.baseline], source)
    return study


def recipe_of(study: Study, label: str, more: Sequence[str] = ()) -> Recipe:
    """The recipe of one method with further overrides."""
    return load_recipe(study.recipe, [*study.overrides, *study.methods[label], *more])


def dump_study(study: Study) -> str:
    """The study as YAML that `load_study` reads back to an equal one."""
    return yaml.safe_dump(study.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100)


def _find(name: str) -> Path:
    path = Path(name)
    if name in bundled():
        return HOME / f"{name}.yaml"
    if path.is_file():
        return path
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        raise RecipeError(f"no study file {name}")
    raise RecipeError(
        f"no study named {name!r}{nearest(name, bundled())}; bundled are {', '.join(bundled())}; "
        "or give a .yaml file"
    )


def _sound(study: Study, label: str, source: str) -> Recipe:
    """The method's recipe, once it and each of its trials have loaded."""
    try:
        recipe, spend = recipe_of(study, label), BUDGETS[study.budget]
        for trial in study.trials(label):
            tried = recipe_of(study, label, trial)
            if not equal(spend(tried), spend(recipe)) or tried.evaluation != recipe.evaluation:
                raise RecipeError(f"the trial {' '.join(trial)} changes the budget or the evaluation")
    except RecipeError as error:
        raise RecipeError(f"{source}, method {label}: {error}") from None
    if recipe.train.steps < 1:
        raise RecipeError(f"{source}, method {label}: train.steps is 0, so nothing would be compared")
    return recipe


def _equal(recipes: dict[str, Recipe], budget: str, source: str) -> None:
    (first, reference), *others = recipes.items()
    spend = BUDGETS[budget]
    for label, recipe in others:
        if not equal(spend(recipe), spend(reference)):
            raise RecipeError(
                f"{source}: {label} spends {spend(recipe):,.0f} {budget} a run but {first} spends "
                f"{spend(reference):,.0f}; methods are compared under equal budgets, so mend train.steps, "
                "sampling.prompts_per_step or sampling.group_size"
            )
        if _measured_by(recipe) != _measured_by(reference):
            raise RecipeError(
                f"{source}: {label} and {first} are evaluated differently; write evaluation overrides for "
                "all methods, not for one"
            )
        if recipe.model.path != reference.model.path:
            raise RecipeError(f"{source}: {label} and {first} begin with different models")


def _measured_by(recipe: Recipe) -> dict[str, Any]:
    """The evaluation but for its steps: a method of twice the steps may be looked at half as often."""
    return recipe.evaluation.model_dump(exclude={"every"})


def _measured(study: Study, recipe: Recipe, source: str) -> None:
    sets = [recipe.evaluation.prompts, *recipe.evaluation.also]
    metrics = [reward.label for reward in recipe.evaluation.reward]

    def check(measure: Measure) -> None:
        for what, value, known in (("set", measure.set, sets), ("metric", measure.metric, metrics)):
            if value not in known:
                raise RecipeError(
                    f"{source}: the {what} {value!r} is not evaluated{nearest(value, known)}; the recipe "
                    f"evaluates {', '.join(known)}"
                )

    for measure in (*study.measures, *(m for gap in study.gaps for m in (gap.proxy, gap.truth))):
        check(measure)
