"""The loop: sample → score → advantage → evaluate → objective → step. Blind to which method or model runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from burnish.core import advantages, critic, diagnostics, divergences, subsets, units, weights
from burnish.data.prompts import difficulty
from burnish.data.sampler import PromptSampler
from burnish.engine import rng
from burnish.engine.guard import NonFiniteGuard, clip_and_check
from burnish.errors import RewardError
from burnish.recipes.schema import Recipe
from burnish.rewards.reward import RewardSet, Scores
from burnish.train import health
from burnish.train.update import Credit, accumulate
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

    def __init__(self, recipe: Recipe, policy: Any, prompts: list[Prompt], rewards: RewardSet):
        self.recipe, self.policy, self.prompts, self.rewards = recipe, policy, prompts, rewards
        settings = recipe.train
        levels = difficulty(prompts, recipe.data.curriculum) if recipe.data.curriculum else None
        self.sampler = PromptSampler(len(prompts), recipe.run.seed, levels)
        self.optimizer = torch.optim.AdamW(
            policy.parameters.values(), lr=settings.lr, weight_decay=settings.weight_decay
        )
        self.average = None
        if settings.ema is not None:
            self.average = {name: value.detach().clone() for name, value in policy.parameters.items()}
        if recipe.algorithm.divergence.name != "none" or recipe.evaluation.hybrid is not None:
            policy.remember_reference()
        self.guard = NonFiniteGuard(settings.nonfinite_budget)
        policy.check(recipe)  # what cannot be is refused at once
        self.unit_T: Tensor | None = None
        self.counters = {"issued": 0, "trained": 0, "skipped": 0}
        self.history: list[dict[str, float]] = []
        self.seconds: dict[str, float] = {}

    def step(self, step: int) -> Metrics:
        """Training step number `step` (from 1): one batch of rollouts, `train.updates` updates."""
        self.seconds = {}
        started = time.perf_counter()
        sampling = self.recipe.sampling
        rollouts, scores, prompts = self._batch(step)
        if step == 1:
            self.noise_finding = health.noise_differs(rollouts, sampling.group_size)
        reward_B = torch.from_numpy(scores.total_B)
        self.last_rewards_B, self.last_groups_B = reward_B, rollouts.prompt_B
        self.last_rollouts, self.last_prompts = rollouts, prompts
        advantage_B, return_BT = self._advantage(scores, rollouts, prompts)
        credit = self._credit(step, rollouts, advantage_B, reward_B, return_BT)
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
            **rollouts.numbers,
        }

    def _batch(self, step: int) -> tuple[Any, Scores, list[Prompt]]:
        """A step's rollouts with their scores and the prompts they answer.

        With `sampling.refill`, groups in which all rollouts earn the same make room for other prompts
        (DAPO's dynamic sampling, 2503.14476), for at most that many further rounds.
        """
        sampling = self.recipe.sampling
        wanted = sampling.prompts_per_step
        batches: list[Any] = []
        found: list[Scores] = []
        prompts: list[Prompt] = []
        for round_ in range(1 + sampling.refill):
            chosen = [self.prompts[i] for i in self.sampler.next(wanted - len(prompts) if round_ else wanted)]
            rollouts, scores = self._rollouts(step, chosen, round_)
            if not sampling.refill:
                return rollouts, scores, chosen
            reward_B = torch.from_numpy(scores.total_B)
            alive = [
                group
                for group in range(len(chosen))
                if diagnostics.dead_group_fraction(
                    reward_B[rollouts.prompt_B == group], rollouts.prompt_B[rollouts.prompt_B == group]
                )
                == 0
            ]
            last = round_ == sampling.refill and not prompts and not alive
            keep = list(range(len(chosen))) if last else alive
            which = torch.isin(rollouts.prompt_B, torch.tensor(keep, dtype=torch.long)).nonzero().flatten()
            self._skip(len(rollouts) - len(which))
            if len(which):
                batches.append(rollouts.chosen(which))
                found.append(scores.chosen(which.numpy()))
                prompts.extend(chosen[group] for group in keep)
            if len(prompts) >= wanted:
                break
        return type(batches[0]).gather(batches), Scores.join(found), prompts

    def _rollouts(self, step: int, chosen: list[Prompt], round_: int = 0) -> tuple[Any, Scores]:
        """A batch, sampled in parts; while one is scored the next is sampled."""
        sampling = self.recipe.sampling
        seed = (self.recipe.run.seed, "train", step, *([round_] if round_ else []))
        parts = self.policy.roll(chosen, self.recipe, step, seed)
        done: list[Any] = []
        scoring: list[Future[Scores]] = []
        with ThreadPoolExecutor(1) as beside:
            while True:
                with self._timed("sample"):
                    part = next(parts, None)
                if part is None:
                    break
                with self._timed("decode"):
                    outputs = self.policy.outputs(part, sampling.rows)
                group_B = part.prompt_B.tolist()
                prompts = [chosen[i] for i in group_B]
                scoring.append(beside.submit(self.rewards.score, outputs, prompts, group_B))
                done.append(part)
            with self._timed("reward"):  # what sampling did not hide
                scores = Scores.join([each.result() for each in scoring])
        return type(done[0]).join(done), scores

    def _advantage(
        self, scores: Scores, rollouts: Any, prompts: list[Prompt]
    ) -> tuple[Tensor, Tensor | None]:
        """The recipe's advantage [B], or with a critic [B, T] beside the returns [B, T]."""
        algorithm = self.recipe.algorithm
        spent_BT = None
        if algorithm.divergence.in_reward:
            reference_BT = torch.cat(
                [
                    self.policy.reference_log_prob(rollouts, part).cpu()
                    for part in torch.arange(len(rollouts)).split(self.recipe.sampling.rows)
                ]
            )
            estimate = divergences.ESTIMATORS[algorithm.divergence.name](rollouts.log_prob_BT, reference_BT)
            spent_BT = algorithm.divergence.beta * estimate * rollouts.mask_BT
        if algorithm.advantage.name == "gae":
            return self._gae(scores, rollouts, spent_BT)
        if spent_BT is not None:
            scores = replace(scores, total_B=scores.total_B - spent_BT.sum(1).double().numpy())
        if scores.step_BS is not None:
            return self._process(scores, rollouts), None
        if algorithm.advantage.name == "remax":
            baseline_B = self._greedy(prompts)[rollouts.prompt_B]
            reward_B = torch.from_numpy(scores.total_B)
            return self._clamped(advantages.remax(reward_B, baseline_B)), None
        return self.advantage(scores, rollouts.prompt_B), None

    def _process(self, scores: Scores, rollouts: Any) -> Tensor:
        """Advantages of every token [B, T]: the whole rollout's, and that of its own and later steps."""
        settings = self.recipe.algorithm.advantage
        if settings.name == "remax" or settings.combine == "gdpo":
            words = "name remax" if settings.name == "remax" else "combine gdpo"
            raise RewardError(
                f"algorithm.advantage.{words} compares whole completions, but a reward scores their steps: "
                "take another, or let the reward return one number a completion"
            )
        outcome_B = self.advantage(replace(scores, total_B=scores.outcome_B), rollouts.prompt_B)
        step_BS = torch.from_numpy(scores.step_BS)
        shaped_BS = self._clamped(advantages.process(self._of(), step_BS, rollouts.prompt_B))
        step_BT = units.segments(rollouts.boundary_BT, rollouts.mask_BT)
        return outcome_B[:, None] + shaped_BS.gather(1, step_BT)

    def _gae(self, scores: Scores, rollouts: Any, spent_BT: Tensor | None) -> tuple[Tensor, Tensor]:
        """Advantages and returns of every token; a reward is paid at the last of the rollout or step."""
        mask_BT, settings = rollouts.mask_BT, self.recipe.algorithm.advantage
        reward_B = torch.from_numpy(scores.outcome_B)
        reward_BT = torch.zeros(mask_BT.shape)
        last_B = mask_BT.sum(1) - 1
        reward_BT[torch.arange(len(last_B)), last_B] = reward_B.nan_to_num().float()
        if scores.step_BS is not None:
            step_BT = units.segments(rollouts.boundary_BT, mask_BT)
            paid_BT = torch.from_numpy(scores.step_BS).nan_to_num().float().gather(1, step_BT)
            ends_BT = mask_BT & (
                rollouts.boundary_BT | torch.zeros_like(mask_BT).scatter(1, last_B[:, None], True)
            )
            reward_BT = reward_BT + paid_BT * ends_BT
        if spent_BT is not None:
            reward_BT = reward_BT - spent_BT
        advantage_BT, return_BT = critic.gae(reward_BT, rollouts.value_BT, mask_BT, lam=settings.lam)
        present_BT = mask_BT & reward_B.isfinite()[:, None]
        advantage_BT = critic.whiten(advantage_BT, present_BT)
        return self._clamped(advantage_BT * present_BT), return_BT

    def _greedy(self, prompts: list[Prompt]) -> Tensor:
        """The reward of the most likely rollout of each prompt, ReMax's baseline, float64 [P]."""
        sampling = self.recipe.sampling
        with self._timed("sample"):
            outputs = self.policy.respond(
                prompts, steps=sampling.steps, seeds=list(range(len(prompts))), rows=sampling.rows
            )
        return torch.from_numpy(self.rewards.score(outputs, prompts).total_B)

    def advantage(self, scores: Scores, group_B: Tensor) -> Tensor:
        """The recipe's advantage of each rollout, float32 [B]."""
        settings, of = self.recipe.algorithm.advantage, self._of()
        if settings.combine == "gdpo":
            weights = self.rewards.weights
            reward_BK = torch.from_numpy(np.stack([scores.by_name[name] for name in weights], 1))
            advantage_B = advantages.gdpo(of, reward_BK, torch.tensor(list(weights.values())), group_B)
        else:
            advantage_B = of(torch.from_numpy(scores.total_B), group_B)
        return self._clamped(advantage_B)

    def _of(self) -> Callable[[Tensor, Tensor], Tensor]:
        """The recipe's function of rewards and groups."""
        settings = self.recipe.algorithm.advantage
        options: dict[str, Any] = {}
        if settings.name == "slas":
            options = {"gamma": settings.gamma, "order": settings.order}
        return partial(advantages.ADVANTAGES[settings.name], **options)

    def _clamped(self, advantage: Tensor) -> Tensor:
        largest = self.recipe.algorithm.advantage.clamp
        return (advantage if largest is None else advantages.clamp(advantage, largest)).float()

    def _credit(
        self, step: int, rollouts: Any, advantage_B: Tensor, reward_B: Tensor, return_BT: Tensor | None
    ) -> Credit:
        unit = self.recipe.algorithm.unit
        dynamic = unit.sizes == "dynamic" and self.recipe.model.kind == "image"
        unit_T = self.unit_T if dynamic and self.unit_T is not None else rollouts.unit(unit)
        if dynamic:  # chunks follow the dynamics of this model, measured once
            self.unit_T = unit_T
        keep_BT = rollouts.mask_BT
        if unit.fraction < 1:
            chances_U = units.chunk_weights(rollouts.l1rel_T, unit_T) if unit.weighted else None
            generator = rng.generator(self.recipe.run.seed, "units", step)
            keep_BT = units.sample_units(
                unit_T, unit.fraction, weights_U=chances_U, batch=len(rollouts), generator=generator
            )
        scored = int(reward_B.isfinite().sum())
        keep_BT = keep_BT & reward_B.isfinite()[:, None]
        settings = self.recipe.algorithm.advantage
        waiting = settings.name == "gae" and step <= settings.value_warmup
        longest = self.recipe.model.max_new_tokens if self.recipe.model.kind == "language" else None
        weight, weight_T = 0.0 if waiting else 1.0, None
        if self.recipe.train.share < 1:
            generator = rng.generator(self.recipe.run.seed, "subset", step)
            chosen_B = subsets.draw(advantage_B, self.recipe.train.share, generator)
            advantage_B = advantage_B * chosen_B.to(advantage_B)
        if self.recipe.algorithm.weights.name != "none":
            weigh = weights.WEIGHTS[self.recipe.algorithm.weights.name]
            weight_T = weigh(rollouts.b_T, rollouts.s_T).float()
        return Credit(
            advantage_B,
            unit_T,
            keep_BT,
            denominator=max(1, scored),
            return_BT=return_BT,
            policy_weight=weight,
            longest=longest,
            weight_T=weight_T,
            at_start=self.recipe.train.updates == 1,
        )

    def _update(self, step: int, rollouts: Any, credit: Credit) -> Metrics:
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

    def _optimise(self, rollouts: Any, credit: Credit) -> dict[str, float]:
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

    def _count(self, reward_B: Tensor) -> None:
        scored = int(reward_B.isfinite().sum())
        self.counters["issued"] += scored
        self.counters["trained"] += scored
        self._skip(len(reward_B) - scored)

    def _skip(self, count: int) -> None:
        """Rollouts that were drawn and teach nothing: not scored, or left for a refill."""
        self.counters["issued"] += count
        self.counters["skipped"] += count

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
