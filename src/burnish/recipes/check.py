"""Combinations that cannot be run, each with the reason and what to do; found before anything loads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from burnish.recipes.presets import OWN

if TYPE_CHECKING:
    from burnish.recipes.schema import Recipe


def impossible(recipe: Recipe) -> list[str]:
    """One sentence for each combination that cannot be run; an empty list means the recipe is sound."""
    kind = _language(recipe) if recipe.model.kind == "language" else _image(recipe)
    return [
        *kind,
        *_algorithm(recipe),
        *_budget(recipe),
        *_names(recipe),
        *_share(recipe),
        *_held_out(recipe),
    ]


def _image(recipe: Recipe) -> Iterator[str]:
    algorithm = recipe.algorithm
    for_language = {
        "advantage.name gae": algorithm.advantage.name == "gae",
        f"divergence.name {algorithm.divergence.name}": algorithm.divergence.name in ("k1", "k2", "k3"),
        f"correction.name {algorithm.correction.name}": algorithm.correction.name != "none",
    }
    for words, asked in for_language.items():
        if asked:
            yield f"algorithm.{words} is for language models: set model.kind to language, or take another"
    if recipe.sampling.noisy:
        yield "sampling.noisy is for language models: set model.kind to language, or remove it"
    evaluation = recipe.evaluation
    if evaluation.hybrid is not None and evaluation.hybrid > evaluation.steps:
        yield (
            f"evaluation.hybrid is {evaluation.hybrid}, but an image has only {evaluation.steps} steps "
            "(evaluation.steps): lower it, or raise the steps"
        )
    yield from _sampling(recipe)
    yield from _unit(recipe)
    yield from _decisions(recipe)


def _decisions(recipe: Recipe) -> Iterator[str]:
    """What transitions have and noised copies lack, and the other way round."""
    algorithm, sampling, ratio = recipe.algorithm, recipe.sampling, recipe.algorithm.ratio
    if sampling.transition == "ode" and not ratio.of_copies:
        yield (
            f"sampling.transition ode draws no noise, so algorithm.ratio.name {ratio.name} finds no "
            "decision: take another transition, or the ratio matching or contrast"
        )
    if sampling.transition == "ode" and sampling.shared_noise:
        yield (
            "sampling.transition ode with sampling.shared_noise draws one image a prompt: set "
            "sampling.shared_noise to false"
        )
    if ratio.of_copies and algorithm.weights.name != "none":
        yield (
            f"algorithm.weights.name {algorithm.weights.name} weighs transitions, and the ratio {ratio.name} "
            "trains noised copies: take algorithm.weights.name none (for matching, algorithm.ratio.power)"
        )
    if ratio.of_copies and (algorithm.unit.sizes == "dynamic" or algorithm.unit.weighted):
        yield (
            f"algorithm.unit.sizes dynamic and weighted follow the transitions, and the ratio {ratio.name} "
            "trains noised copies: write the sizes and leave weighted out"
        )
    if (algorithm.objective.name == "nft") != (ratio.name == "contrast"):
        yield (
            "algorithm.objective.name nft and algorithm.ratio.name contrast are halves of one method "
            "(DiffusionNFT): set both, or neither"
        )


def _language(recipe: Recipe) -> Iterator[str]:
    algorithm, sampling = recipe.algorithm, recipe.sampling
    for_images = {
        f"ratio.name {algorithm.ratio.name}": algorithm.ratio.name != "exact",
        f"weights.name {algorithm.weights.name}": algorithm.weights.name != "none",
        "objective.name nft": algorithm.objective.name == "nft",
    }
    for words, asked in for_images.items():
        if asked:
            yield f"algorithm.{words} is for image models: set model.kind to image, or take another"
    if recipe.evaluation.hybrid is not None:
        yield "evaluation.hybrid is for image models: set model.kind to image, or remove it"
    if recipe.evaluation.group_size > 1 and recipe.evaluation.greedy:
        yield (
            f"evaluation.group_size is {recipe.evaluation.group_size}, but evaluation.greedy writes the same "
            "answer every time: set evaluation.greedy to false"
        )
    if algorithm.divergence.name == "gaussian":
        yield "algorithm.divergence.name gaussian is for image models; for language take k1, k2 or k3"
    if recipe.model.engine and recipe.model.lora is None:
        yield "model.engine takes weights as LoRA adapters only: set model.lora, or remove model.engine"
    sizes = algorithm.unit.sizes
    if algorithm.unit.name == "chunk" and not (
        sizes == "dynamic" or (sizes is not None and len(sizes) == 1 and sizes[0] > 0)
    ):
        yield (
            f"algorithm.unit.sizes is {sizes}, but completions differ in length: write one size, as [8], "
            "or dynamic"
        )
    if algorithm.unit.fraction < 1 or algorithm.unit.weighted:
        yield "algorithm.unit.fraction and weighted are for image models: remove them"
    if sampling.group_size < 2 and algorithm.advantage.name not in ("gae", "remax", "reinforce_pp"):
        yield (
            f"sampling.group_size is {sampling.group_size}, but the advantage {algorithm.advantage.name} "
            "compares the completions of one prompt and would always be zero: take at least 2"
        )


def _sampling(recipe: Recipe) -> Iterator[str]:
    sampling = recipe.sampling
    first, last = recipe.trained_steps
    if sampling.steps < 2:
        yield (
            f"sampling.steps is {sampling.steps}, but the last step has almost no noise and cannot be "
            "trained: take at least 2"
        )
    elif first < 0 or first >= last:
        yield (
            f"sampling.window [{first}, {last}] is empty: write [first, last] with 0 <= first < last, "
            "such as [0, 2]"
        )
    elif last > sampling.steps:
        yield (
            f"sampling.window [{first}, {last}] ends after the {sampling.steps} steps of sampling.steps: "
            f"end it at {sampling.steps - 1} or take more steps"
        )
    elif last == sampling.steps and not recipe.algorithm.ratio.of_copies:
        yield (
            f"sampling.window [{first}, {last}] includes the last step, whose noise is almost zero and whose "
            f"ratio explodes: end it at {sampling.steps - 1}"
        )
    if sampling.slide is not None and recipe.algorithm.unit.sizes == "dynamic":
        yield (
            "sampling.slide moves the window, but algorithm.unit.sizes dynamic measures the chunks of one "
            "place only: write the sizes, or let the window stay"
        )
    if sampling.slide is not None and last == sampling.steps - 1:
        yield (
            f"sampling.slide has no room to move sampling.window [{first}, {last}] within the "
            f"{sampling.steps - 1} steps that can be trained: shorten the window or take more sampling.steps"
        )
    if sampling.transition == "cps" and sampling.eta > 1:
        yield f"sampling.eta is {sampling.eta:g}, but the transition cps needs 0 < eta <= 1: lower it"
    if sampling.group_size < 2:
        yield (
            f"sampling.group_size is {sampling.group_size}, but the advantage "
            f"{recipe.algorithm.advantage.name} compares the images of one prompt and would always be zero: "
            "take at least 2"
        )
    for key in ("height", "width"):
        pixels = getattr(recipe.model, key)
        if pixels is not None and pixels % 8:
            near = max(8, round(pixels / 8) * 8)
            yield f"model.{key} is {pixels}, which is not a multiple of 8: take {near}"


def _algorithm(recipe: Recipe) -> Iterator[str]:
    algorithm = recipe.algorithm
    objective, divergence = algorithm.objective, algorithm.divergence
    if algorithm.advantage.combine == "gdpo" and sum(reward.weight != 0 for reward in recipe.rewards) < 2:
        yield (
            "algorithm.advantage.combine gdpo weighs several rewards, but only one has a weight: "
            "add a reward, or take sum"
        )
    for axis in OWN:
        section = getattr(algorithm, axis)
        for key in sorted(section.model_fields_set & OWN[axis].keys()):
            members, value = OWN[axis][key], getattr(section, key)
            if section.name not in members and value not in (None, False, 0):
                yield (
                    f"algorithm.{axis}.{key} is {value}, but algorithm.{axis}.name {section.name} does not "
                    f"read it: remove the key or set algorithm.{axis}.name to {' or '.join(members)}"
                )
    high = objective.clip_high
    if objective.name == "clip_higher" and high is not None and high < objective.clip_low:
        yield (
            f"algorithm.objective.clip_high {high:g} is below clip_low "
            f"{objective.clip_low:g}: raise it, or take algorithm.objective.name clip"
        )
    if algorithm.advantage.name == "remax" and algorithm.advantage.combine == "gdpo":
        yield "algorithm.advantage.combine gdpo compares within groups, and remax does not: take sum"
    if divergence.name != "none" and divergence.beta == 0:
        yield (
            f"algorithm.divergence.name {divergence.name} with beta 0 computes a reference for nothing: set "
            "algorithm.divergence.beta above 0, or take algorithm.divergence.name none"
        )


def _unit(recipe: Recipe) -> Iterator[str]:
    unit = recipe.algorithm.unit
    first, last = recipe.trained_steps
    trained = last - first
    if unit.name == "chunk":
        if unit.sizes is None:
            yield (
                "algorithm.unit.name chunk needs algorithm.unit.sizes: write a list that sums to the "
                f"{trained} trained steps, or dynamic"
            )
        elif unit.sizes != "dynamic" and (sum(unit.sizes) != trained or min(unit.sizes, default=0) < 1):
            yield (
                f"algorithm.unit.sizes {unit.sizes} must be positive and sum to the {trained} trained steps "
                f"of sampling.window [{first}, {last}], but they sum to {sum(unit.sizes)}: "
                "change one of the two"
            )
    units = {"decision": trained, "sequence": 1}.get(unit.name)
    if isinstance(unit.sizes, list) and unit.name == "chunk":
        units = len(unit.sizes)
    if unit.fraction < 1 and units is not None and int(unit.fraction * units + 1e-9) < 1:
        yield (
            f"algorithm.unit.fraction {unit.fraction:g} of {units} unit{'s' if units > 1 else ''} leaves "
            f"nothing to train: take at least {1 / units:.3g}"
        )


def _budget(recipe: Recipe) -> Iterator[str]:
    train, sampling = recipe.train, recipe.sampling
    if train.updates > sampling.prompts_per_step:
        yield (
            f"train.updates is {train.updates}, but one step has only {sampling.prompts_per_step} prompts "
            "(sampling.prompts_per_step) to share among the updates: lower one or raise the other"
        )
    if train.warmup > train.steps:
        yield (
            f"train.warmup is {train.warmup}, but the run has only {train.steps} steps (train.steps): "
            "the learning rate would never be reached; shorten the warm-up"
        )


def _names(recipe: Recipe) -> Iterator[str]:
    for key, rewards in (("rewards", recipe.rewards), ("evaluation.reward", recipe.evaluation.reward)):
        names = [reward.name for reward in rewards]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"{key} names {name} twice: keep one and add up the weights"
    if all(reward.weight == 0 for reward in recipe.rewards):
        yield "rewards have no weight other than 0, so nothing would be learned: give one of them a weight"
    sets = [recipe.evaluation.prompts, *recipe.evaluation.also]
    for name in sorted({name for name in sets if sets.count(name) > 1}):
        yield f"evaluation names the prompts {name} twice: take it out of evaluation.also"


def _share(recipe: Recipe) -> Iterator[str]:
    """`train.share` thins what is proportional to the advantage; the rest of a loss needs every rollout."""
    algorithm = recipe.algorithm
    reasons = {
        "algorithm.advantage.name gae": algorithm.advantage.name == "gae",
        "algorithm.objective.name nft with train.updates above 1": algorithm.objective.name == "nft"
        and recipe.train.updates > 1,
        "algorithm.divergence in the loss": algorithm.divergence.beta > 0
        and not algorithm.divergence.in_reward,
    }
    for words, needs_all in reasons.items():
        if recipe.train.share < 1 and needs_all:
            yield (
                f"train.share thins rollouts by their advantage, but {words} learns from all of them: set "
                "train.share to 1"
            )


def _held_out(recipe: Recipe) -> Iterator[str]:
    settings = recipe.evaluation
    trained = {reward.label: reward for reward in recipe.rewards if reward.weight != 0}
    measured = {reward.name: reward for reward in settings.reward}
    for name in settings.held_out:
        if name not in measured:
            yield (
                f"evaluation.held_out names {name}, which is not in evaluation.reward "
                f"({', '.join(measured)}): add it there"
            )
        elif measured[name].label in trained:
            yield (
                f"evaluation.held_out names {name}, but rewards train on it: name one that training does "
                "not see (with other options it needs a name of its own, FILE.py:NAME)"
            )
        if settings.held_out.count(name) > 1:
            yield f"evaluation.held_out names {name} twice: once is enough"
    if settings.alarm == "stop" and not settings.held_out:
        yield "evaluation.alarm stop needs something to watch: name rewards in evaluation.held_out"
    for reward in settings.reward if settings.held_out else ():
        if reward.label not in trained:
            continue
        same = trained[reward.label]
        if reward.name != same.name:
            yield (
                f"evaluation.reward {reward.name} and rewards {same.name} are both called {reward.label} in "
                "the curves, but evaluation.held_out needs to tell them apart: rename one of the two"
            )
        elif reward.options != same.options:
            yield (
                f"evaluation.reward {reward.name} has other options than in rewards, but evaluation.held_out "
                "needs the reward as it is trained on: give both the same options"
            )
