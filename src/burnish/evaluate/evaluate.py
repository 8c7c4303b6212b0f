"""Scores a policy on fixed prompts with fixed noise by deterministic (ODE) sampling.

The same prompts and the same noise at every call: two evaluations differ only by the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from burnish.data.prompts import load_prompts
from burnish.errors import RunError
from burnish.recipes.schema import Evaluation, Model
from burnish.rewards.reward import RewardSet, Scores, load_rewards
from burnish.types import Prompt

EMBEDDED = {
    "denoising": ("scenes:test", ["scenes_strict", "scenes_graded"]),
    "language": ("scenes-vqa:test", ["scenes_answer", "think_answer"]),
}
"""kind of policy -> the embedded world's prompts and rewards, where none are named."""

ROWS = 64
"""Images in one forward where no recipe says how many."""


@dataclass(frozen=True)
class EvaluationSet:
    """Fixed prompts with fixed noise.

    Attributes:
        name: as in the recipe, e.g. `scenes:test`.
        prompts: the N prompts.
        seeds: N · G seeds of the initial noise: the first N draw an image of each prompt, the next another.
    """

    name: str
    prompts: list[Prompt]
    seeds: list[int]

    @property
    def group_size(self) -> int:
        """G, images of a prompt."""
        return len(self.seeds) // len(self.prompts)

    @property
    def slug(self) -> str:
        """The name as part of a file name."""
        bare = str(Path(self.name).with_suffix(""))
        return "".join(c if c.isalnum() else "-" for c in bare)[-100:].strip("-")


def evaluation_set(source: str, count: int, seed: int, group_size: int = 1) -> EvaluationSet:
    """`count` prompts of `source` (all, if it has fewer), drawn once and for all by `seed`."""
    prompts = load_prompts(source)
    order = np.random.default_rng(seed).permutation(len(prompts))[:count]
    seeds = [seed * 1_000_003 + i for i in range(len(order) * group_size)]
    return EvaluationSet(source, [prompts[i] for i in order], seeds)


def evaluation_sets(settings: Evaluation) -> list[EvaluationSet]:
    """The sets of a recipe, the main one first."""
    return [
        evaluation_set(name, settings.count, settings.seed, settings.group_size)
        for name in (settings.prompts, *settings.also)
    ]


def measure(
    policy: Any,
    chosen: EvaluationSet,
    rewards: RewardSet,
    *,
    steps: int,
    rows: int,
    greedy: bool = True,
    hybrid: int | None = None,
) -> tuple[Any, Scores]:
    """Draws and scores.

    Returns:
        The first image of each prompt, uint8 [N, H, W, 3], or the first of its completions; and what each
        prompt earned: the mean over its G, without those that could not be scored.
    """
    count, size = len(chosen.prompts), chosen.group_size
    asked = chosen.prompts * size
    outputs = policy.respond(asked, steps=steps, seeds=chosen.seeds, rows=rows, greedy=greedy, hybrid=hybrid)
    scores = rewards.score(outputs, asked, [*range(count)] * size)
    return outputs[:count], scores.pooled(size)


def means(chosen: EvaluationSet, scores: Scores) -> dict[str, Any]:
    """Fields `set`, `count`, and per reward NAME: `NAME`, `NAME/se`, `NAME/unscored`."""
    fields: dict[str, Any] = {"set": chosen.name, "count": len(chosen.prompts)}
    for name, values in scores.by_name.items():
        good = values[np.isfinite(values)]
        fields[name] = float(good.mean()) if len(good) else None
        fields[f"{name}/se"] = float(good.std(ddof=1) / np.sqrt(len(good))) if len(good) > 1 else None
        if len(good) < len(values):
            fields[f"{name}/unscored"] = len(values) - len(good)
    return fields


def open_model(
    model: str,
    device: str,
    *,
    base: bool = False,
    hybrid: int | None = None,
    changes: Mapping[str, Any] | None = None,
) -> Any:
    """A policy from a model's folder or bundled name, or from a run (its newest checkpoint).

    Args:
        model: bundled name, diffusers folder, or run folder.
        device: as in a recipe.
        base: of a run, the model it started from.
        hybrid: not None: of a run, the model it started from is kept as the reference.
        changes: fields of the recipe's section `model` that differ.

    Raises:
        ModelError, RunError, CheckpointError: it is none of these, or is damaged.
    """
    from burnish.policies.load import kind_of, load_policy
    from burnish.recipes.load import load_recipe

    run = Path(model)
    if not (run / "recipe.yaml").is_file():
        if base or hybrid is not None:
            word = "--base" if base else "--hybrid"
            raise RunError(f"{model} is not a run, so it has no base; leave out {word}")
        plain = Model(path=model, kind=kind_of(model))
        return load_policy(plain.model_copy(update=changes), device)
    recipe = load_recipe(str(run / "recipe.yaml"), [])
    policy = load_policy(recipe.model.model_copy(update=changes), device, recipe.run.seed)
    if hybrid is not None:
        if policy.kind == "language":
            raise RunError(f"{model} makes text, and --hybrid is for images; leave it out")
        policy.remember_reference()
    if not base:
        load_weights(policy, run)
    return policy


def load_weights(policy: Any, run: Path) -> int:
    """Puts the newest checkpoint's weights (averaged ones, if any) into the policy; returns its step."""
    from burnish.engine.checkpoint import latest

    checkpoint = latest(run / "checkpoints")
    values = checkpoint.tensors["ema"] or checkpoint.tensors["parameters"]
    for name, parameter in policy.parameters.items():
        parameter.data.copy_(values[name])
    return checkpoint.step


def evaluate_model(
    model: str,
    *,
    prompts: str | None,
    rewards: list[str] | None,
    count: int,
    seed: int,
    steps: int,
    device: str,
    group_size: int = 1,
    base: bool = False,
    hybrid: int | None = None,
) -> list[dict[str, Any]]:
    """`burnish evaluate`: one row of numbers for one prompt set."""
    policy = open_model(model, device, base=base, hybrid=hybrid)
    if policy.kind == "language" and group_size > 1:
        raise RunError(f"{model} gives its likeliest answer, the same every time; leave out --group-size")
    source, own = EMBEDDED[policy.kind]
    prompts = prompts or source
    scorer = load_rewards(rewards or own)
    scorer.check_groups(group_size, "give --group-size of at least 2")
    chosen = evaluation_set(prompts, count, seed, group_size)
    _, scores = measure(policy, chosen, scorer, steps=steps, rows=ROWS, hybrid=hybrid)
    return [{"model": model, "base": base, **means(chosen, scores)}]
