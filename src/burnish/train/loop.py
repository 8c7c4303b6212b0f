"""The loop: sample → score → advantage → evaluate → objective → step. Blind to which method or model runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from burnish.core import advantages, diagnostics, transitions, units
from burnish.data.sampler import PromptSampler
from burnish.engine import rng
from burnish.engine.guard import NonFiniteGuard, clip_and_check
from burnish.errors import RecipeError
from burnish.policies.denoising.policy import DenoisingPolicy, Rollouts
from burnish.recipes.schema import Recipe
from burnish.rewards.reward import RewardSet, Scores
from burnish.train import health
from burnish.train.update import Credit, accumulate, unit_of
from burnish.types import Prompt

Metrics = dict[str, Any]


class Trainer:
    """One policy in training.

    Args:
        recipe: the whole recipe.
        policy: what is trained.
        prompts: training prompts.
        rewards: what better means.
    """

    def __init__(self, recipe: Recipe, policy: DenoisingPolicy, prompts: list[Prompt], rewards: RewardSet):
        self.recipe, self.policy, self.prompts, self.rewards = recipe, policy, prompts, rewards
        settings = recipe.train
        self.sampler = PromptSampler(len(prompts), recipe.run.seed)
        self.optimizer = torch.optim.AdamW(
            policy.parameters.values(), lr=settings.lr, weight_decay=settings.weight_decay
        )
        self.average = None
        if settings.ema is not None:
            self.average = {name: value.detach().clone() for name, value in policy.parameters.items()}
        if recipe.algorithm.divergence.name != "none":
            policy.remember_reference()
        self.guard = NonFiniteGuard(settings.nonfinite_budget)
        self._table(1)  # what cannot be is refused at once
        self.unit_T: Tensor | None = None
        self.counters = {"issued": 0, "trained": 0, "skipped": 0}
        self.history: list[dict[str, float]] = []
        self.seconds: dict[str, float] = {}

    def step(self, step: int) -> Metrics:
        """Training step number `step` (from 1): one batch of rollouts, `train.updates` updates."""
        self.seconds = {}
        started = time.perf_counter()
        sampling = self.recipe.sampling
        chosen = [self.prompts[i] for i in self.sampler.next(sampling.prompts_per_step)]

        rollouts, scores = self._rollouts(step, chosen)
        if step == 1:
            self.noise_finding = health.noise_differs(rollouts, sampling.group_size)
        reward_B = torch.from_numpy(scores.total_B)
        self.last_rewards_B, self.last_groups_B = reward_B, rollouts.prompt_B
        advantage_B = self.advantage(scores, rollouts.prompt_B)
        credit = self._credit(step, rollouts, advantage_B, reward_B)
        numbers = self._update(step, rollouts, credit)

        self._count(reward_B)
        self.seconds["step"] = time.perf_counter() - started
        return {
            **_reward_numbers(reward_B, rollouts.prompt_B, scores.by_name),
            "advantage_std": advantage_B.std().item() if len(advantage_B) > 1 else 0.0,
            **numbers,
            **self.counters,
            **{f"seconds/{phase}": seconds for phase, seconds in self.seconds.items()},
            "images_per_second": len(rollouts) / self.seconds["step"],
        }

    def _rollouts(self, step: int, chosen: list[Prompt]) -> tuple[Rollouts, Scores]:
        """A batch, sampled in parts; while one is scored the next is sampled."""
        sampling = self.recipe.sampling
        parts = self.policy.parts(
            [prompt.text for prompt in chosen],
            sampling.group_size,
            self._table(step),
            seed=(self.recipe.run.seed, "train", step),
            shared_noise=sampling.shared_noise,
            rows=sampling.rows,
        )
        done: list[Rollouts] = []
        scoring: list[Future[Scores]] = []
        with ThreadPoolExecutor(1) as beside:
            while True:
                with self._timed("sample"):
                    part = next(parts, None)
                if part is None:
                    break
                with self._timed("decode"):
                    images = self.policy.decode(part.final_B, sampling.rows)
                group_B = part.prompt_B.tolist()
                prompts = [chosen[i] for i in group_B]
                scoring.append(beside.submit(self.rewards.score, images, prompts, group_B))
                done.append(part)
            with self._timed("reward"):  # what sampling did not hide
                scores = Scores.join([each.result() for each in scoring])
        return Rollouts.join(done), scores

    def advantage(self, scores: Scores, group_B: Tensor) -> Tensor:
        """The recipe's advantage of each rollout, float32 [B]."""
        settings = self.recipe.algorithm.advantage
        options: dict[str, Any] = {}
        if settings.name == "slas":
            options = {"gamma": settings.gamma, "order": settings.order}
        of = partial(advantages.ADVANTAGES[settings.name], **options)
        if settings.combine == "gdpo":
            weights = self.rewards.weights
            reward_BK = torch.from_numpy(np.stack([scores.by_name[name] for name in weights], 1))
            advantage_B = advantages.gdpo(of, reward_BK, torch.tensor(list(weights.values())), group_B)
        else:
            advantage_B = of(torch.from_numpy(scores.total_B), group_B)
        if settings.clamp is not None:
            advantage_B = advantage_B.clamp(-settings.clamp, settings.clamp)
        return advantage_B.float()

    def _credit(self, step: int, rollouts: Rollouts, advantage_B: Tensor, reward_B: Tensor) -> Credit:
        unit = self.recipe.algorithm.unit
        batch, steps = len(rollouts), len(rollouts.time_T)
        if self.unit_T is None:  # chunks follow the dynamics of this model, measured once
            self.unit_T = unit_of(self.recipe.algorithm, steps, rollouts.l1rel_T)
        keep_BT = torch.ones(batch, steps, dtype=torch.bool)
        if unit.fraction < 1:
            weights = units.chunk_weights(rollouts.l1rel_T, self.unit_T) if unit.weighted else None
            generator = rng.generator(self.recipe.run.seed, "units", step)
            keep_BT = units.sample_units(
                self.unit_T, unit.fraction, weights_U=weights, batch=batch, generator=generator
            )
        scored = int(reward_B.isfinite().sum())
        keep_BT &= reward_B.isfinite()[:, None]
        return Credit(advantage_B, self.unit_T, keep_BT, max(1, scored))

    def _update(self, step: int, rollouts: Rollouts, credit: Credit) -> Metrics:
        """`train.updates` optimiser steps, each on its share of the groups."""
        settings = self.recipe.train
        lr = settings.lr * min(1.0, step / settings.warmup if settings.warmup else 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        each = [
            self._optimise(rollouts, share) for share in credit.shares(rollouts.prompt_B, settings.updates)
        ]
        means = {name: sum(numbers[name] for numbers in each) / len(each) for name in each[0]}
        return {**means, "lr": lr, "ratio_drift": each[0]["ratio_drift"]}

    def _optimise(self, rollouts: Rollouts, credit: Credit) -> dict[str, float]:
        """One optimiser step; a non-finite loss or gradient leaves every parameter as it was."""
        settings = self.recipe.train
        parameters = list(self.policy.parameters.values())
        self.optimizer.zero_grad(set_to_none=True)
        with self._timed("backward"):
            rows = self.recipe.sampling.rows
            numbers = accumulate(self.policy, rollouts, credit, self.recipe.algorithm, rows)
        if all(parameter.grad is None for parameter in parameters):
            return {**numbers, "grad_norm": 0.0}
        numbers["grad_norm"] = clip_and_check(parameters, settings.max_grad_norm)
        if self.guard.check(loss=numbers["loss"], grad_norm=numbers["grad_norm"]):
            with self._timed("optimizer"):
                self.optimizer.step()
                if self.average is not None:
                    live = [parameter.detach() for parameter in parameters]
                    torch._foreach_lerp_(list(self.average.values()), live, 1 - (settings.ema or 0))
        return numbers

    def _table(self, step: int) -> transitions.Table:
        """How training step `step` samples."""
        sampling = self.recipe.sampling
        schedule = self.policy.backbone.schedule(sampling.steps)
        try:
            table = transitions.table(sampling.transition, schedule, sampling.eta)
        except ValueError as problem:
            raise RecipeError(f"sampling.transition: {problem}") from None
        return table.window(*self.recipe.trained_steps_at(step), transitions.table("ode", schedule))

    def _count(self, reward_B: Tensor) -> None:
        scored = int(reward_B.isfinite().sum())
        self.counters["issued"] += len(reward_B)
        self.counters["trained"] += scored
        self.counters["skipped"] += len(reward_B) - scored

    @contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        if self.policy.device.type == "cuda":
            torch.cuda.synchronize()
        started = time.perf_counter()
        yield
        if self.policy.device.type == "cuda":
            torch.cuda.synchronize()
        self.seconds[phase] = self.seconds.get(phase, 0.0) + time.perf_counter() - started


def _reward_numbers(reward_B: Tensor, group_B: Tensor, by_name: dict[str, np.ndarray]) -> Metrics:
    return {
        "reward": reward_B.nanmean().item(),
        **{f"reward/{name}": float(np.nanmean(values)) for name, values in by_name.items()},
        "reward_std": float(np.nanstd(reward_B.numpy())),
        "dead_groups": float(diagnostics.dead_group_fraction(reward_B, group_B)),
    }
