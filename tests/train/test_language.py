"""Training a language model: gradients against a reference by hand, resume, refill, critic, every family."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny_language
import torch
from safetensors.torch import load_file

from burnish.cli import main
from burnish.core import objectives, units
from burnish.data.prompts import load_prompts
from burnish.errors import DataError, RewardError
from burnish.policies.load import load_policy
from burnish.recipes.load import load_recipe
from burnish.report.events import read_events
from burnish.rewards.reward import RewardSet, load_rewards
from burnish.train.loop import Trainer
from burnish.train.update import Credit, accumulate


def trainer(words: list[str], *more: str) -> Trainer:
    recipe = load_recipe(words[0], [*words[1:], *more])
    critic = recipe.algorithm.advantage.name == "gae"
    policy = load_policy(recipe.model, "cpu", recipe.run.seed, critic=critic)
    prompts = load_prompts(recipe.data.prompts, limit=recipe.data.limit)
    return Trainer(recipe, policy, prompts, load_rewards(recipe.rewards))


def gradient(made: Trainer) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in made.policy.parameters.values() if p.grad is not None])


AVERAGES = {
    "rollouts": lambda loss, mask: ((loss * mask).sum(1) / mask.sum(1)).mean(),
    "decisions": lambda loss, mask: (loss * mask).sum() / mask.sum(),
    "constant": lambda loss, mask: (loss * mask).sum(1).mean() / mask.shape[1],
}


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("rows", [5, 64])
def test_the_gradient_is_that_of_a_loss_written_by_hand(
    average: str, rows: int, language_run: list[str]
) -> None:
    """−mean of A·π/π_old from the plain log-probabilities, and however the batch is cut."""
    made = trainer(language_run, f"algorithm.objective.average={average}", "model.max_new_tokens=30")
    rollouts, _, _ = made._batch(1)
    advantage = torch.linspace(-1, 2, len(rollouts))
    unit, mask = torch.arange(rollouts.token_BT.shape[1]), rollouts.mask_BT
    credit = Credit(advantage, unit, mask, len(rollouts))
    accumulate(made.policy, rollouts, credit, made.recipe.algorithm, rows)
    ours = gradient(made)
    made.policy.model.zero_grad(set_to_none=True)
    log_prob, _ = made.policy.score(rollouts, torch.arange(len(rollouts)))
    surrogate = -advantage[:, None] * (log_prob - log_prob.detach()).exp()
    AVERAGES[average](surrogate, mask.float()).backward()
    assert torch.allclose(ours, gradient(made), atol=2e-6)
    assert ours.abs().max() > 1e-4


def test_on_policy_gradients_of_methods_agree(language_run: list[str]) -> None:
    """At ratio 1 clip, CISPO, SAPO and GMPO have one gradient, and so have tokens, chunks and sequences
    where each rollout's tokens weigh the same."""
    made = trainer(language_run)
    rollouts, _, _ = made._batch(1)
    advantage = torch.linspace(-1, 2, len(rollouts))
    found = []
    for name in objectives.OBJECTIVES:
        how = made.recipe.algorithm.model_copy(
            update={"objective": made.recipe.algorithm.objective.model_copy(update={"name": name})}
        )
        made.policy.model.zero_grad(set_to_none=True)
        for unit in ("decision", "sequence"):
            made.policy.model.zero_grad(set_to_none=True)
            settings = how.unit.model_copy(update={"name": unit})
            credit = Credit(advantage, rollouts.unit(settings), rollouts.mask_BT, len(rollouts))
            accumulate(made.policy, rollouts, credit, how, 64)
            found.append(gradient(made))
    for other in found[1:]:
        assert torch.allclose(found[0], other, atol=2e-6)


def test_the_estimate_of_the_divergence_is_in_the_loss(language_run: list[str]) -> None:
    made = trainer(language_run, "algorithm.divergence={name: k3, beta: 0.5}")
    rollouts, _, _ = made._batch(1)
    with torch.no_grad():
        for parameter in made.policy.parameters.values():
            parameter.add_(0.02)
    credit = Credit(
        torch.zeros(len(rollouts)), torch.arange(rollouts.token_BT.shape[1]), rollouts.mask_BT, len(rollouts)
    )
    numbers = accumulate(made.policy, rollouts, credit, made.recipe.algorithm, 64)
    with torch.no_grad():
        log_prob, _ = made.policy.score(rollouts, torch.arange(len(rollouts)))
    delta = log_prob - rollouts.log_prob_BT
    wanted = AVERAGES["rollouts"]((-delta).exp() - 1 + delta, rollouts.mask_BT.float())
    assert numbers["divergence"] == pytest.approx(float(wanted), rel=1e-3)
    assert numbers["loss"] == pytest.approx(0.5 * float(wanted), rel=1e-3)


def test_the_divergence_in_the_reward_is_taken_off_it(language_run: list[str]) -> None:
    made = trainer(
        language_run, "algorithm.divergence={name: k1, beta: 0.5, in_reward: true}", "algorithm.preset=rloo"
    )
    rollouts, scores, prompts = made._batch(1)
    still, _ = made._advantage(scores, rollouts, prompts)
    assert torch.allclose(still, made.advantage(scores, rollouts.prompt_B), atol=1e-5)
    moved = type(rollouts)(**{**vars(rollouts), "log_prob_BT": rollouts.log_prob_BT + 0.1})
    spent, _ = made._advantage(scores, moved, prompts)
    lengths = rollouts.mask_BT.sum(1)
    change = -0.5 * 0.1 * lengths.double()
    groups = [change[rollouts.prompt_B == group] for group in range(4)]
    wanted = torch.cat([(values - values.mean()) * 3 / 2 for values in groups]).float()
    assert torch.allclose(spent - still, wanted, atol=1e-4)


def test_a_correction_weighs_tokens_by_the_two_engines(language_run: list[str]) -> None:
    """Truncated weights, against a loss written by hand."""
    made = trainer(language_run, "algorithm.correction={name: truncate, cap: 1.5}")
    rollouts, _, _ = made._batch(1)
    odd = type(rollouts)(
        **{**vars(rollouts), "sampled_log_prob_BT": rollouts.log_prob_BT - torch.linspace(-1, 1, 8)}
    )
    advantage, mask = torch.linspace(-1, 2, len(rollouts)), rollouts.mask_BT
    credit = Credit(advantage, torch.arange(mask.shape[1]), mask, len(rollouts))
    accumulate(made.policy, odd, credit, made.recipe.algorithm, 64)
    ours = gradient(made)
    made.policy.model.zero_grad(set_to_none=True)
    log_prob, _ = made.policy.score(rollouts, torch.arange(len(rollouts)))
    weight = torch.linspace(-1, 1, 8).exp().clamp(max=1.5)
    surrogate = -weight * advantage[:, None] * (log_prob - log_prob.detach()).exp()
    AVERAGES["rollouts"](surrogate, mask.float()).backward()
    assert torch.allclose(ours, gradient(made), atol=2e-6)


def test_refill_replaces_groups_without_signal(language_run: list[str], tmp_path: Path) -> None:
    reward = tmp_path / "some.py"
    reward.write_text(
        "def some(completions, prompts, task):\n"
        "    return [float(i % 2) if t in ('count', 'ground') else 1.0 for i, t in enumerate(task)]\n",
        encoding="utf-8",
    )
    made = trainer(language_run, f"rewards=[{{name: '{reward}:some'}}]", "sampling.refill=3")
    rollouts, scores, prompts = made._batch(1)
    assert {prompt.columns["task"] for prompt in prompts} <= {"count", "ground"}
    assert len(rollouts) == len(scores.total_B) == 3 * len(prompts)
    assert rollouts.prompt_B.tolist() == [i for i in range(len(prompts)) for _ in range(3)]


def test_a_batch_of_dead_groups_still_is_a_batch(language_run: list[str], tmp_path: Path) -> None:
    reward = tmp_path / "same.py"
    reward.write_text("def same(completions, prompts):\n    return [1.0] * len(prompts)\n", encoding="utf-8")
    made = trainer(language_run, f"rewards=[{{name: '{reward}:same'}}]", "sampling.refill=1")
    assert made.step(1)["dead_groups"] == 1.0
    size = len(made.last_rewards_B)  # drawn twice: the first batch made room for the second
    assert made.counters == {"issued": 2 * size, "trained": size, "skipped": size}


def test_ppo_pays_the_reward_at_the_last_token_and_its_critic_learns(language_run: list[str]) -> None:
    made = trainer(
        language_run,
        "algorithm.preset=ppo",
        "algorithm.advantage.clamp=null",
        "algorithm.advantage.value_warmup=2",
    )
    rollouts, scores, prompts = made._batch(1)
    advantage_BT, return_BT = made._advantage(scores, rollouts, prompts)
    assert return_BT is not None
    mask = rollouts.mask_BT
    wanted = torch.from_numpy(scores.total_B).float()[:, None].expand_as(return_BT)
    assert torch.allclose(return_BT[mask], wanted[mask])  # λ = 1 and values of 0: the reward itself
    assert advantage_BT[mask].mean().abs() < 1e-5
    before = {n: p.detach().clone() for n, p in made.policy.parameters.items()}
    losses = [made.step(step)["value_loss"] for step in (1, 2)]
    assert not torch.equal(before["critic.weight"], made.policy.parameters["critic.weight"])
    assert losses[1] < losses[0]


@pytest.mark.parametrize("preset", ["grpo", "ppo", "dapo"])
def test_resume_is_bit_identical(preset: str, language_run: list[str], tmp_path: Path) -> None:
    common = [f"algorithm.preset={preset}", "train.steps=4", "train.checkpoint_every=2", "evaluation.every=4"]
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    assert main(["train", *language_run, *common, f"run.dir={whole}"]) == 0
    assert (
        main(["train", *language_run, *common, "train.steps=2", "evaluation.every=4", f"run.dir={halves}"])
        == 0
    )
    assert main(["resume", str(halves), "--steps", "4"]) == 0
    first, second = (load_file(run / "model" / "model.safetensors") for run in (whole, halves))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    rewards = [
        [event["reward"] for event in read_events(run / "metrics.jsonl") if event["kind"] == "train"]
        for run in (whole, halves)
    ]
    assert rewards[0] == rewards[1]


@pytest.mark.parametrize("family", tiny_language.FAMILIES)
@pytest.mark.parametrize("how", ["full", "lora"])
def test_every_family_trains_by_command_and_reloads(
    family: str, how: str, language_run: list[str], tmp_path: Path
) -> None:
    folder = tiny_language.save(family, tmp_path / "model")
    more = ["model.lora={rank: 2, alpha: 4.0}"] if how == "lora" else []
    assert main(["train", *language_run, f"model.path={folder}", *more]) == 0
    run = tmp_path / "run"
    names = {path.name for path in (run / "model").iterdir()}
    assert ("adapter_model.safetensors" if how == "lora" else "model.safetensors") in names
    events = read_events(run / "metrics.jsonl")
    assert all(
        event["ok"] for event in events if event["kind"] == "health" and "hacking" not in event["check"]
    )
    lines = (run / "transcripts").glob("*_000002.jsonl")
    rows = [json.loads(line) for path in lines for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 4
    assert {"prompt", "answer", "completion", "length", "truncated"} == rows[0].keys()
    assert (run / "report.html").is_file()


def lengths(completions, prompts):
    """A reward of steps: their letters."""
    return [[float(len(step)) for step in completion.steps] for completion in completions]


def test_a_reward_of_steps_credits_the_tokens_of_each_step(language_run: list[str]) -> None:
    made = trainer(language_run, "algorithm.preset=dr_grpo", "algorithm.advantage.clamp=null")
    made.policy.boundaries = torch.arange(0, 400, 3)  # steps of a few tokens
    made.rewards = RewardSet([("lengths", 1.0, lengths)])
    rollouts, scores, prompts = made._batch(1)
    advantage_BT, _ = made._advantage(scores, rollouts, prompts)
    outputs = made.policy.outputs(rollouts, 64)
    assert max(len(output.steps) for output in outputs) > 2
    step_BT = units.segments(rollouts.boundary_BT, rollouts.mask_BT)
    for b, output in enumerate(outputs):
        mine = [i for i, group in enumerate(rollouts.prompt_B) if group == rollouts.prompt_B[b]]
        level = sum(len(s) for i in mine for s in outputs[i].steps) / sum(len(outputs[i].steps) for i in mine)
        for t in range(int(rollouts.mask_BT[b].sum())):
            later = output.steps[int(step_BT[b, t]) :]
            assert advantage_BT[b, t].item() == pytest.approx(sum(len(s) - level for s in later), abs=1e-4)
    metrics = made.step(2)
    assert metrics["grad_norm"] > 0
    assert metrics["ratio_drift"] < 1e-6


def test_a_critic_is_paid_at_the_end_of_each_step(language_run: list[str]) -> None:
    made = trainer(language_run, "algorithm.preset=ppo")
    made.policy.boundaries = torch.arange(0, 400, 3)
    made.rewards = RewardSet([("lengths", 1.0, lengths), ("one", 1.0, lambda c, p: [1.0] * len(c))])
    rollouts, scores, prompts = made._batch(1)
    _, return_BT = made._advantage(scores, rollouts, prompts)
    outputs = made.policy.outputs(rollouts, 64)
    letters = torch.tensor([sum(len(step) for step in output.steps) for output in outputs])
    torch.testing.assert_close(return_BT[:, 0], 1.0 + letters, atol=1e-4, rtol=0)  # λ = 1: all that follows
    last = rollouts.mask_BT.sum(1, keepdim=True) - 1
    final = torch.tensor([[1.0 + len(output.steps[-1])] for output in outputs])
    torch.testing.assert_close(return_BT.gather(1, last), final, atol=1e-4, rtol=0)


@pytest.mark.parametrize("words", ["algorithm.preset=remax", "algorithm.advantage.combine=gdpo"])
def test_methods_without_steps_say_so(words: str, language_run: list[str]) -> None:
    two = "rewards=[{name: scenes_answer}, {name: think_answer}]"
    made = trainer(language_run, two, words)
    made.rewards = RewardSet([("lengths", 1.0, lengths)])
    with pytest.raises(RewardError, match="compares whole completions, but a reward scores their steps"):
        made.step(1)


def test_a_curriculum_begins_with_the_easy_ones(language_run: list[str]) -> None:
    made = trainer(language_run, "data.limit=null", "data.curriculum=objects")
    easiest = min(prompt.columns["objects"] for prompt in made.prompts)
    assert {made.prompts[i].columns["objects"] for i in made.sampler.next(16)} == {easiest}
    with pytest.raises(DataError, match=r"data\.curriculum.*'count' in the column task, not a number"):
        trainer(language_run, "data.curriculum=task")
