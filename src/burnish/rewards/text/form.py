"""The form of a completion: thought, then answer, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

from burnish.types import Completion, Prompt

_TAGS = ("<think>", "</think>", "<answer>", "</answer>")


def think_answer() -> Callable[[list[Completion], list[Prompt]], list[float | None]]:
    """1 where a completion is exactly `<think>…</think><answer>…</answer>`, neither empty; else 0.

    A reward of form alone teaches form alone: weigh it below the answer's.
    """

    def reward(completions: list[Completion], prompts: list[Prompt]) -> list[float | None]:
        return [float(well_formed(c.text)) for c in completions]

    return reward


def well_formed(text: str) -> bool:
    """Whether the text is one thought and one answer; in time linear in its length."""
    if any(text.count(tag) != 1 for tag in _TAGS):
        return False
    parts = []
    for tag in _TAGS:
        part, found, text = text.partition(tag)
        if not found:
            return False
        parts.append(part.strip())
    before, thought, between, answer = parts
    return bool(thought and answer) and not (before or between or text.strip())
