"""What a training step costs when less of it is computed, as a ratio to the whole in the same run.

python benchmarks/savings.py [ROUNDS]

The bundled small model, 64 rollouts of six steps; ways are timed in turn, ROUNDS times each; medians count.
"""

from __future__ import annotations

import statistics
import sys
import time

from burnish.data.prompts import load_prompts
from burnish.policies.load import load_policy
from burnish.recipes.load import load_recipe
from burnish.rewards.reward import load_rewards
from burnish.study.budget import evaluations
from burnish.train.loop import Trainer

COMMON = ["sampling.prompts_per_step=8", "sampling.group_size=8", "train.steps=1", "algorithm.preset=slas"]
WAYS = {
    "whole": ["sampling.window=[0, 4]"],
    "half of the rollouts": ["sampling.window=[0, 4]", "train.share=0.5"],
    "a quarter of the rollouts": ["sampling.window=[0, 4]", "train.share=0.25"],
    "half of the decisions": ["sampling.window=[0, 4]", "algorithm.unit.fraction=0.5"],
    "window [3, 5), beginnings apart": ["sampling.window=[3, 5]", "sampling.shared_noise=false"],
    "window [3, 5), beginning shared": ["sampling.window=[3, 5]"],
}


def main(rounds: int) -> None:
    """Prints a table: seconds a step, the ratio to the whole, and what counting evaluations gives."""
    recipes = {way: load_recipe("scenes", [*COMMON, *words]) for way, words in WAYS.items()}
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    trainers = {
        way: Trainer(
            recipe,
            load_policy(recipe.model, "cpu", 0),
            load_prompts(recipe.data.prompts),
            load_rewards(recipe.rewards),
        )
        for way, recipe in recipes.items()
    }
    for step in range(1, rounds + 2):
        for way, trainer in trainers.items():
            started = time.perf_counter()
            trainer.step(step)
            if step > 1:  # the first warms up
                seconds[way].append(time.perf_counter() - started)
    whole = statistics.median(seconds["whole"])
    counted = evaluations(recipes["whole"])
    print("| way | seconds a step | ratio | by evaluations |\n|---|---|---|---|")
    for way, values in seconds.items():
        median = statistics.median(values)
        expected = evaluations(recipes[way]) / counted
        print(f"| {way} | {median:.2f} | {median / whole:.2f} | {expected:.2f} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
