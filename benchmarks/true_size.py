"""Training throughput, memory and utilisation of a recipe at true size, on random weights.

    python benchmarks/true_size.py flux_dev_lora FLUX.1-dev --peak 989e12
    python benchmarks/true_size.py sd35_medium_lora stable-diffusion-3.5-medium train.updates=2

Speed does not depend on what the weights are, so the networks are built from the published sizes
(tests/true_size.py) and left as initialised. The first step warms up; the table is the mean of the others.
FLOPs are those of `burnish plan`: the least that the phase must compute.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from burnish.engine.devices import find_device
from burnish.policies.denoising.policy import DenoisingPolicy
from burnish.policies.load import DTYPES
from burnish.recipes.load import load_recipe
from burnish.rewards.reward import RewardSet
from burnish.train.loop import Trainer
from burnish.train.plan import plan, skeleton
from burnish.types import Prompt

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
import tiny
import true_size

PHASES = {"sample": ("sample",), "decode": ("decode",), "train": ("backward", "optimizer")}
PROMPTS = [Prompt(text) for text in tiny.corpus()[:256]]


def noise(images: list[Any], prompts: list[Prompt]) -> list[float]:
    return torch.rand(len(images)).tolist()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe")
    known = [*true_size.ARCHITECTURES, *tiny.PIPELINES]
    parser.add_argument(
        "architecture", choices=known, help="a published one, or a tiny one to try the script"
    )
    parser.add_argument("overrides", nargs="*", metavar="key.sub=value")
    parser.add_argument("--steps", type=int, default=2, help="measured steps (default: 2)")
    parser.add_argument(
        "--peak", type=float, help="the card's dense FLOP/s in this precision, for utilisation"
    )
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        whole = options.architecture in true_size.ARCHITECTURES
        path = (true_size if whole else tiny).save(options.architecture, Path(folder))
        recipe = load_recipe(options.recipe, [f"model.path={path}", *options.overrides])
        place = find_device("auto")
        estimate = plan(recipe)
        _, backbone = skeleton(recipe.model, place)
    for name, parameter in backbone.denoiser.named_parameters():
        if "lora_" in name:
            parameter.data = parameter.data.float()
    if recipe.model.gradient_checkpointing:
        backbone.denoiser.enable_gradient_checkpointing()
    policy = DenoisingPolicy(backbone, place, DTYPES[recipe.model.dtype], offload=recipe.model.offload)
    trainer = Trainer(recipe, policy, PROMPTS, RewardSet([("noise", 1.0, noise)]))

    trainer.step(1)
    if place.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    seconds: dict[str, float] = {}
    images = recipe.sampling.prompts_per_step * recipe.sampling.group_size
    for step in range(2, options.steps + 2):
        trainer.step(step)
        for name, value in trainer.seconds.items():
            seconds[name] = seconds.get(name, 0.0) + value / options.steps

    print(f"| phase | s | TFLOP at least | TFLOP/s |{' utilisation |' if options.peak else ''}")
    print(f"|---|---|---|---|{'---|' if options.peak else ''}")
    for phase in estimate.phases:
        if phase.name not in PHASES:
            continue
        took = sum(seconds.get(name, 0.0) for name in PHASES[phase.name])
        row = f"| {phase.name} | {took:.2f} | {phase.flops / 1e12:.4g} | {phase.flops / took / 1e12:.4g} |"
        print(row + (f" {phase.flops / took / options.peak:.1%} |" if options.peak else ""))
    print(f"\n{images / seconds['step']:.3g} images/s, {seconds['step']:.1f} s a step, on {place}")
    if place.type == "cuda":
        peak = torch.cuda.max_memory_allocated() / 1e9
        print(f"peak {peak:.1f} GB allocated; burnish plan says {estimate.gigabytes:.1f} GB")


if __name__ == "__main__":
    main()
