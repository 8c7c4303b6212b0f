"""Length and repetition: small penalties beside the reward that matters."""

from __future__ import annotations

from burnish.errors import RewardError
from burnish.rewards.text.match import Reward
from burnish.types import Completion, Prompt


def overlong(limit: int, buffer: int) -> Reward:
    """DAPO's soft punishment of length (2503.14476, eq. 13): 0 to limit − buffer, then down to −1 at limit.

    Args:
        limit: tokens at which the punishment is full.
        buffer: tokens over which it grows, from 1 to limit.
    """
    if not 1 <= buffer <= limit:
        raise RewardError(f"overlong: buffer={buffer} must be from 1 to limit={limit}")

    def reward(completions: list[Completion], prompts: list[Prompt]) -> list[float | None]:
        return [max(-1.0, min(0.0, (limit - buffer - c.length) / buffer)) for c in completions]

    return reward


def repetition(words: int = 3) -> Reward:
    """Minus the share of runs of `words` words that came before, from −1 to 0."""
    if words < 1:
        raise RewardError(f"repetition: words={words} must be at least 1")

    def one(text: str) -> float:
        said = text.lower().split()
        runs = [tuple(said[i : i + words]) for i in range(len(said) - words + 1)]
        return len(set(runs)) / len(runs) - 1 if runs else 0.0

    def reward(completions: list[Completion], prompts: list[Prompt]) -> list[float | None]:
        return [one(c.text) for c in completions]

    return reward
