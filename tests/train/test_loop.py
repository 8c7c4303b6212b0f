"""The loop's own promises: scoring overlaps sampling, several rewards are combined as the recipe says."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
import torch

from burnish.core import advantages, subsets
from burnish.data.prompts import load_prompts
from burnish.policies.load import load_policy
from burnish.recipes.load import load_recipe
from burnish.rewards.kinds import pairwise
from burnish.rewards.reward import RewardSet
from burnish.train.loop import Trainer


def trainer_of(overrides: list[str], rewards: RewardSet) -> Trainer:
    recipe = load_recipe(None, overrides)
    policy = load_policy(recipe.model, "cpu", recipe.run.seed)
    return Trainer(recipe, policy, load_prompts(recipe.data.prompts), rewards)


def brightness(images: list[np.ndarray], prompts: Any) -> list[float]:
    return [float(image.mean()) for image in images]


def test_a_part_is_scored_while_the_next_is_sampled(small_run: list[str]) -> None:
    """Two prompts, a part each: the first part's score waits until the second part is being sampled."""
    sampling = threading.Event()

    def slow(images: list[np.ndarray], prompts: Any) -> list[float]:
        assert sampling.wait(30), "nothing was sampled while this was scored"
        return brightness(images, prompts)

    trainer = trainer_of([*small_run, "sampling.rows=3"], RewardSet([("slow", 1.0, slow)]))
    roll, calls = trainer.policy._roll, []

    def watched(*arguments: Any) -> Any:
        calls.append(arguments[1])
        if len(calls) == 2:
            sampling.set()
        return roll(*arguments)

    trainer.policy._roll = watched  # type: ignore[method-assign]
    metrics = trainer.step(1)
    assert [(part.start, part.stop) for part in calls] == [(0, 3), (3, 6)]
    assert metrics["trained"] == 6


def test_parts_change_no_reward(small_run: list[str]) -> None:
    found = []
    for rows in (3, 192):
        trainer = trainer_of([*small_run, f"sampling.rows={rows}"], RewardSet([("b", 1.0, brightness)]))
        found.append((trainer.step(1), trainer.last_rewards_B))
    torch.testing.assert_close(found[0][1], found[1][1], atol=0.2, rtol=0)  # a level of 255 here and there
    assert found[0][0]["loss"] == pytest.approx(found[1][0]["loss"], abs=0.05)


def test_a_failing_reward_stops_the_step(small_run: list[str]) -> None:
    def broken(images: Any, prompts: Any) -> Any:
        raise ZeroDivisionError("no")

    trainer = trainer_of(small_run, RewardSet([("broken", 1.0, broken)]))
    with pytest.raises(Exception, match="reward broken raised ZeroDivisionError"):
        trainer.step(1)


def test_gdpo_reads_each_reward_and_its_weight(small_run: list[str]) -> None:
    rewards = RewardSet([("a", 1.0, brightness), ("b", 0.25, brightness), ("watched", 0.0, brightness)])
    more = [
        "rewards=[{name: scenes_graded}, {name: scenes_strict}]",
        "algorithm.advantage.combine=gdpo",
        "algorithm.advantage.clamp=null",
    ]
    trainer = trainer_of([*small_run, *more], rewards)
    names = ("a", "b", "watched")
    values = np.arange(18.0).reshape(3, 6) ** 2
    from burnish.rewards.reward import Scores

    scores = Scores(values[0] + 0.25 * values[1], dict(zip(names, values, strict=True)))
    group_B = torch.tensor([0, 0, 0, 1, 1, 1])
    found = trainer.advantage(scores, group_B)
    expected = advantages.gdpo(
        lambda r, g: advantages.slas(r, g, gamma=0.5),
        torch.from_numpy(values[:2].T.copy()),
        torch.tensor([1.0, 0.25]),
        group_B,
    )
    torch.testing.assert_close(found, expected.float())


def test_a_pairwise_reward_trains(small_run: list[str]) -> None:
    @pairwise
    def brighter(first: Any, second: Any, prompts: Any) -> list[float]:
        return [float(a.mean() > b.mean()) for a, b in zip(first, second, strict=True)]

    trainer = trainer_of(small_run, RewardSet([("brighter", 1.0, brighter)]))
    trainer.step(1)
    assert sorted(trainer.last_rewards_B[:3].tolist()) == [0.0, 0.5, 1.0]


def test_a_sliding_window_trains_other_steps(small_run: list[str]) -> None:
    more = ["sampling.steps=5", "sampling.window=[0, 2]", "sampling.slide=1"]
    trainer = trainer_of([*small_run, *more], RewardSet([("b", 1.0, brightness)]))
    roll, seen = trainer.policy._roll, []

    def watched(*arguments: Any) -> Any:
        rollouts = roll(*arguments)
        seen.append(rollouts.time_T.tolist())
        return rollouts

    trainer.policy._roll = watched  # type: ignore[method-assign]
    for step in (1, 2, 3, 4):
        assert trainer.step(step)["ratio_drift"] < 1e-6
    times = trainer.policy.backbone.schedule(5).time_T.tolist()
    assert seen == [times[0:2], times[1:3], times[2:4], times[0:2]]


def test_a_share_of_the_rollouts_is_trained_and_weighed(
    small_run: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of six rollouts of unequal advantage get a forward, each weighed by 1 over its chance."""
    trainer = trainer_of([*small_run, "train.share=0.5"], RewardSet([("b", 1.0, brightness)]))
    measure, seen = trainer.policy.measure, []
    monkeypatch.setattr(
        trainer.policy, "measure", lambda r, w, *a: (seen.extend(w.tolist()), measure(r, w, *a))[1]
    )
    credit, kept = trainer._credit, {}
    monkeypatch.setattr(trainer, "_credit", lambda *a: kept.setdefault("credit", credit(*a)))
    trainer.step(1)
    scores = torch.from_numpy(trainer.last_rewards_B.numpy())
    whole_B = trainer._clamped(trainer._of()(scores, trainer.last_groups_B))
    chance_B = subsets.chances(whole_B, 0.5)
    assert len(seen) == 3
    for index, value in enumerate(kept["credit"].advantage_B.tolist()):
        wanted = float(whole_B[index] / chance_B[index]) if index in seen else 0.0
        assert value == pytest.approx(wanted, rel=1e-5)
