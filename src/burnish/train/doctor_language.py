"""The checks of `burnish doctor` that only a language model needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from burnish.policies.language.policy import LanguagePolicy
from burnish.policies.language.rollouts import Rollouts
from burnish.rewards.text.shaping import repeated
from burnish.train.health import Finding
from burnish.types import Completion, Prompt

DRIFT = {torch.float32: 1e-4, torch.bfloat16: 0.2}
"""Nats by which a token's log-probability may differ between two ways of computing it."""


def before_training(policy: LanguagePolicy, prompts: list[Prompt]) -> Iterator[Finding]:
    """What can be seen from a few completions under the weights as they are."""
    some = prompts[:4]
    encoded = [policy.encoder(prompt) for prompt in some]
    rollouts = policy.sample(encoded, torch.arange(len(some)).repeat_interleave(2), seed=("doctor",))
    yield pictures_present(some, rollouts)
    yield placeholders_banned(policy)
    yield padding_invariant(policy, rollouts)
    yield engine_agrees(policy, rollouts)
    yield vocabulary_memory(policy)


def after_a_step(policy: LanguagePolicy, rollouts: Rollouts, metrics: dict[str, Any]) -> Iterator[Finding]:
    """What one step's completions and rewards say."""
    outputs = policy.outputs(rollouts, rows=len(rollouts))
    yield truncation(metrics["truncated"], policy.max_tokens)
    yield not_form_alone(metrics)
    yield length_pays_not(outputs, metrics["rewards_B"])
    yield repetition(outputs)


def pictures_present(prompts: list[Prompt], rollouts: Rollouts) -> Finding:
    """Every picture of a prompt reaches the model."""
    lost = [
        i
        for i, (prompt, encoded) in enumerate(zip(prompts, rollouts.prompts, strict=True))
        if bool(prompt.images or prompt.videos) != bool(encoded.visuals)
    ]
    shown = sum(len(prompt.images) for prompt in prompts)
    tokens = sum(int(encoded.types.sum()) for encoded in rollouts.prompts)
    message = f"{shown} pictures in {len(prompts)} prompts take {tokens} tokens"
    if lost:
        message += f": prompt {lost[0]} loses its pictures; check the chat template and the data's columns"
    elif not shown:
        message += ": no prompt has a picture; check the data's columns if it should"
    return Finding("pictures are in the batch", not lost, message)


def placeholders_banned(policy: LanguagePolicy) -> Finding:
    """No marker of a picture can be sampled."""
    ok = policy.encoder.placeholder in policy.banned.tolist()
    message = f"{len(policy.banned)} marker tokens have probability 0 in sampling and scoring"
    return Finding("placeholders are never sampled", ok, message)


@torch.no_grad()
def padding_invariant(policy: LanguagePolicy, rollouts: Rollouts) -> Finding:
    """Left-, right- and no padding give one log-probability."""
    everyone = torch.arange(len(rollouts))
    right, left = (policy.score(rollouts, everyone, side=side)[0] for side in ("right", "left"))
    alone = torch.cat([policy.score(rollouts, row)[0] for row in everyone.split(1)])
    drift = float(max((right - left).abs().max(), (right - alone).abs().max()))
    ok = drift <= DRIFT[policy.dtype]
    message = f"log-probabilities differ by at most {drift:.1e} with padding left, right and none"
    if not ok:
        message += ": the model's positions or attention depend on padding; use float32 or another attention"
    return Finding("padding does not matter", ok, message)


def engine_agrees(policy: LanguagePolicy, rollouts: Rollouts) -> Finding:
    """Generation and scoring are one distribution: temperature, banned tokens and cache."""
    drift = rollouts.numbers["engine/largest"]
    ok = drift <= DRIFT[policy.dtype]
    message = f"generation and scoring differ by at most {drift:.1e} at temperature {policy.temperature:g}"
    if not ok:
        message += ": use float32, or set sampling.rows so that both see the same batches"
    return Finding("sampling is what is scored", ok, message)


def vocabulary_memory(policy: LanguagePolicy) -> Finding:
    """The largest piece of logits held at once."""
    words = policy.model.get_output_embeddings().weight.shape[0]
    return Finding("vocabulary memory", True, f"at most {1024 * words * 4 / 1e9:.2f} GB of logits at once")


def truncation(share: float, limit: int) -> Finding:
    """Completions end by themselves."""
    ok = share <= 0.3
    message = f"{share:.0%} of the completions are cut at {limit} tokens"
    if not ok:
        message += ": raise model.max_new_tokens, or add the reward overlong"
    return Finding("completions end", ok, message)


def not_form_alone(metrics: dict[str, Any]) -> Finding:
    """The answer's reward is alive, not only the form's."""
    rewards = {name: v for name, v in metrics.items() if name.startswith("reward/")}
    others = {name: value for name, value in rewards.items() if "think_answer" not in name}
    ok = len(rewards) == len(others) or any(value > 0 for value in others.values())
    message = ", ".join(f"{name.removeprefix('reward/')} {value:.3f}" for name, value in rewards.items())
    if not ok:
        message += ": only the form earns anything; begin with easier prompts or a supervised warm-up"
    return Finding("not the form alone", ok, message)


def length_pays_not(outputs: list[Completion], reward_B: Tensor) -> Finding:
    """Length by itself does not earn reward."""
    lengths = torch.tensor([float(output.length) for output in outputs], dtype=torch.float64)
    kept = reward_B.isfinite()
    pair = torch.stack([lengths[kept], reward_B[kept].double()])
    related = float(torch.corrcoef(pair)[0, 1].nan_to_num()) if int(kept.sum()) > 2 else 0.0
    ok = abs(related) < 0.8
    message = f"correlation of length and reward {related:+.2f}"
    if not ok:
        message += ": the reward follows length; add overlong, or mend the reward"
    return Finding("length alone does not pay", ok, message)


def repetition(outputs: list[Completion]) -> Finding:
    """Completions do not repeat themselves."""
    share = sum(repeated(output.text, 3) for output in outputs) / max(1, len(outputs))
    ok = share < 0.5
    message = f"{share:.0%} of the three-word runs came before in their completion"
    if not ok:
        message += ": add the reward repetition, or lower model.temperature"
    return Finding("no repetition", ok, message)
