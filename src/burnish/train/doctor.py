"""`burnish doctor`: can this run learn? One training step on the user's own model, looked at from all sides.

Every check is a finding `(check, ok, message)`; a message that is not ok says what to change.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from burnish.core import choice
from burnish.core.groups import centred
from burnish.data.prompts import load_prompts
from burnish.engine import rng
from burnish.policies.denoising.policy import DenoisingPolicy
from burnish.policies.load import load_policy, pick_device
from burnish.recipes.schema import Recipe
from burnish.rewards.reward import load_rewards
from burnish.train import doctor_language, health
from burnish.train.health import Finding
from burnish.train.loop import Trainer
from burnish.train.plan import plan

PARITY = 2.0
"""Levels of 255 by which images may differ from the pipeline's in float32; ten times that in bfloat16."""


def diagnose(recipe: Recipe) -> Iterator[Finding]:
    """Findings in the order in which a run would meet the faults."""
    prompts = load_prompts(recipe.data.prompts, recipe.data.column, recipe.data.limit)
    rewards = load_rewards(recipe.rewards)
    language = recipe.model.kind == "language"
    if not language:
        yield estimate_fits(plan(recipe).gigabytes, pick_device(recipe.run.device))
    critic = recipe.algorithm.advantage.name == "gae"
    policy = load_policy(recipe.model, recipe.run.device, recipe.run.seed, critic=critic)
    if language:
        yield from doctor_language.before_training(policy, prompts)
    else:
        yield exact_times(policy)
        yield same_images(policy, [prompt.text for prompt in prompts[:2]], recipe.evaluation.steps)
    trainer = Trainer(recipe, policy, prompts, rewards)
    before = {name: value.detach().clone() for name, value in policy.parameters.items()}
    if not language:
        yield adapter_bound(policy)
    metrics = trainer.step(1)
    yield trainer.noise_finding
    yield health.ratio_is_one(metrics["ratio_drift"], recipe.algorithm.objective.clip_low)
    yield health.reward_varies(metrics)
    yield reward_within_prompts(trainer.last_rewards_B, trainer.last_groups_B)
    yield reward_noise(trainer.last_rewards_B, scored_again(trainer), trainer.last_groups_B)
    yield groups_alive(metrics["dead_groups"], recipe.sampling.group_size)
    yield health.weights_moved(before, dict(policy.parameters), metrics["grad_norm"] > 0)
    yield health.ledger_balances(trainer.counters)
    if language:
        step = {**metrics, "rewards_B": trainer.last_rewards_B}
        yield from doctor_language.after_a_step(policy, trainer.last_rollouts, step)
    yield reward_time(trainer.seconds)
    yield memory(policy.device)
    yield time_left(trainer.seconds["step"], recipe.train.steps, metrics["images_per_second"])


def same_images(policy: DenoisingPolicy, texts: list[str], steps: int) -> Finding:
    """The deterministic sampler draws what the diffusers pipeline draws."""
    seeds = list(range(len(texts)))
    noise = torch.stack(
        [rng.noise(policy.backbone.latent_shape, "image", seed, device=policy.device) for seed in seeds]
    )
    started = time.perf_counter()
    ours = policy.generate(texts, steps, seeds=seeds, rows=len(texts))
    took = time.perf_counter() - started
    theirs = policy.pipeline_images(texts, steps, noise.to(policy.backbone.pipe.dtype))
    distance = float(np.abs(ours.astype(float) - theirs).mean())
    allowed = PARITY * (1 if policy.dtype == torch.float32 else 10)
    message = f"mean difference {distance:.2f} of 255 levels over {len(texts)} images ({took:.1f} s)"
    if distance > allowed:
        message += ": sampling is not the pipeline's; check model.guidance_scale, size, dtype and scheduler"
    return Finding("images are the pipeline's own", distance <= allowed, message)


def exact_times(policy: DenoisingPolicy) -> Finding:
    """The denoiser is told the time in float32; bfloat16 has 8 bits and merges neighbouring steps."""
    seen: list[Tensor] = []

    def look(module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        seen.append(named["timestep"] if "timestep" in named else given[1])

    handle = policy.backbone.denoiser.register_forward_pre_hook(look, with_kwargs=True)
    _probe(policy)
    handle.remove()
    kind = seen[0].dtype
    ok = kind in (torch.float32, torch.float64)
    message = f"the denoiser is told the time in {str(kind).removeprefix('torch.')}"
    if not ok:
        message += ": steps near each other look the same; pass times in float32 whatever model.dtype is"
    return Finding("times are exact", ok, message)


def adapter_bound(policy: DenoisingPolicy) -> Finding:
    """Something is trained in float32, and the prediction follows it."""
    parameters = policy.parameters
    count = sum(value.numel() for value in parameters.values())
    if not parameters:
        return Finding("weights are trainable", False, "nothing is trained: check model.lora.targets")
    whole = sum(value.numel() for value in policy.backbone.denoiser.parameters())
    bad = [name for name, value in parameters.items() if value.dtype != torch.float32]
    message = f"{count / 1e6:.2f} M trained parameters, {count / whole:.1%} of the denoiser"
    if bad:
        message += f": {bad[0]} is {parameters[bad[0]].dtype}; trained weights must be float32"
        return Finding("weights are trainable", False, message)
    other = {
        name: value.detach() + 0.1 * value.detach().abs().mean() + 0.01 for name, value in parameters.items()
    }
    before = _probe(policy)
    with policy.weights(other):
        bound = not torch.equal(before, _probe(policy))
    if not bound:
        message += ": changing them changes no prediction; the adapter is off or bound to unused modules"
    return Finding("weights are trainable", bound, message)


@torch.no_grad()
def _probe(policy: DenoisingPolicy) -> Tensor:
    """One prediction, from fixed noise at the first time of the schedule."""
    x = rng.noise((1, *policy.backbone.latent_shape), "probe", device=policy.device)
    time_B = policy.backbone.schedule(4).time_T[1:2].to(policy.device, torch.float32)
    return policy.predict(x, time_B, policy.condition(["a probe"]), rows=1)


def reward_within_prompts(reward_B: Tensor, group_B: Tensor) -> Finding:
    """The reward tells images of one prompt apart, not only prompts."""
    groups = group_B.unique().tolist()
    inside = [reward_B[group_B == group] for group in groups]
    inside = [values[values.isfinite()] for values in inside]
    means = torch.stack([values.mean() for values in inside if len(values)])
    within = float(
        torch.stack([values.var(unbiased=False) for values in inside if len(values)]).mean().sqrt()
    )
    across = float(means.std()) if len(means) > 1 else 0.0
    ok = within > 0.02 * across
    message = f"standard deviation {within:.3g} within a prompt, {across:.3g} across prompts"
    if not ok:
        message += ": the reward mostly ranks prompts; add noise (sampling.eta, window) or another reward"
    return Finding("reward varies within prompts", ok, message)


def scored_again(trainer: Trainer) -> Tensor:
    """A second scoring of the step's rollouts, float64 [B]."""
    group_B = trainer.last_groups_B.tolist()
    outputs = trainer.policy.outputs(trainer.last_rollouts, trainer.recipe.sampling.rows)
    prompts = [trainer.last_prompts[group] for group in group_B]
    return torch.from_numpy(trainer.rewards.score(outputs, prompts, group_B).total_B)


def reward_noise(first_B: Tensor, second_B: Tensor, group_B: Tensor) -> Finding:
    """How much of the reward is noise, and which advantage foretells another scoring best.

    The share of noise is Σ(c₁ − c₂)² / Σ(c₁² + c₂²) with c the rewards centred in their group: what moves a
    whole group is not noise, as no advantage sees it. Of noise alone it is 1, in groups of any size.
    """
    check, both_B = "reward asked twice", first_B.isfinite() & second_B.isfinite()
    first_B, second_B, group_B = first_B[both_B], second_B[both_B], group_B[both_B]
    once_B, again_B = centred(first_B, group_B), centred(second_B, group_B)
    if torch.equal(once_B, again_B):
        return Finding(check, True, "it says the same")
    noise, spread = (once_B - again_B).square().sum(), once_B.square().sum() + again_B.square().sum()
    share = float((noise / spread).clamp(max=1))
    order = choice.foretelling(first_B, second_B, group_B)
    best = next(iter(order))
    name, _, gamma = best.partition(" γ=")
    setting = f"algorithm.advantage.name={name}" + (f" algorithm.advantage.gamma={gamma}" if gamma else "")
    told = ", ".join(f"{name} {cosine:.2f}" for name, cosine in order.items())
    ok = share <= 0.5
    message = (
        f"noise is {share:.0%} of the variance within a prompt, over {len(first_B)} rollouts; "
        f"{setting} foretells it best ({told})"
    )
    if not ok:
        message += ": most of what tells rollouts apart is noise; score several times and take the mean"
    return Finding(check, ok, message)


def groups_alive(dead: float, size: int) -> Finding:
    """Enough groups have a signal."""
    ok = dead <= 0.5
    message = f"{dead:.0%} of the groups have equal rewards at sampling.group_size {size}"
    if not ok:
        message += ": they teach nothing; raise the group size, or take a graded reward or easier prompts"
    return Finding("groups have a signal", ok, message)


def reward_time(seconds: dict[str, float]) -> Finding:
    """Scoring does not dominate."""
    share = seconds["reward"] / max(seconds["step"], 1e-9)
    ok = share < 0.5
    message = (
        f"scoring takes {seconds['reward']:.2f} s, sampling {seconds['sample']:.2f} s ({share:.0%} of a step)"
    )
    if not ok:
        message += ": serve the reward on its own device (burnish serve-reward), or batch it"
    return Finding("scoring is not the bottleneck", ok, message)


def estimate_fits(gigabytes: float, device: torch.device) -> Finding:
    """The estimate of `burnish plan` against the memory there is."""
    if device.type == "cuda":
        there = torch.cuda.get_device_properties(device).total_memory / 1e9
    else:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    ok = gigabytes < 0.95 * there
    message = f"about {gigabytes:,.2f} of {there:,.0f} GB, by estimate"
    if not ok:
        message += ": set model.lora, model.offload, model.gradient_checkpointing, or lower sampling.rows"
    return Finding("memory will do", ok, message)


def memory(device: torch.device) -> Finding:
    """The step fitted, and by how much."""
    if device.type != "cuda":
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return Finding("memory", True, f"peak {peak / 1e9:.1f} GB of main memory")
    peak, free = torch.cuda.max_memory_reserved(device), torch.cuda.get_device_properties(device).total_memory
    ok = peak < 0.95 * free
    message = f"peak {peak / 1e9:.1f} of {free / 1e9:.1f} GB"
    if not ok:
        message += ": lower sampling.rows, or set model.lora, model.offload, model.gradient_checkpointing"
    return Finding("memory", ok, message)


def time_left(step: float, steps: int, rate: float) -> Finding:
    """How long the run will take."""
    total = step * steps
    words = f"{total / 3600:.1f} h" if total > 5400 else f"{total / 60:.1f} min"
    message = (
        f"{step:.1f} s a step ({rate:.3g} images/s), {words} for train.steps {steps}, without evaluations"
    )
    return Finding("time", True, message)
