"""Rewards of the embedded world: the verifier's verdicts and the small learned preference."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from burnish.errors import DataError, RewardError
from burnish.scenes import grammar
from burnish.scenes.verifier import Verdict, verify
from burnish.types import Prompt

Score = Callable[[Sequence[np.ndarray], Sequence[Prompt]], list[float | None]]


def strict() -> Score:
    """1 where the picture shows exactly what the prompt requires, else 0."""
    return lambda images, prompts: [
        _judge(i, p, lambda v: float(v.strict)) for i, p in _pairs(images, prompts)
    ]


def graded() -> Score:
    """Partial credit between 0 and 1."""
    return lambda images, prompts: [
        _judge(i, p, lambda v: float(v.graded)) for i, p in _pairs(images, prompts)
    ]


def preference() -> Score:
    """The learned preference: higher is preferred; imperfect on purpose."""
    from burnish.scenes.preference import FOLDER, load

    try:
        model = load()
    except (OSError, ValueError):
        raise RewardError(
            f"reward scenes_preference: its model in {FOLDER} is missing or damaged; reinstall burnish"
        ) from None
    return lambda images, prompts: list(model.score(list(images), [prompt.text for prompt in prompts]))


def _pairs(images: Sequence[np.ndarray], prompts: Sequence[Prompt]) -> list[tuple[np.ndarray, Prompt]]:
    return list(zip(images, prompts, strict=True))


def _judge(image: np.ndarray, prompt: Prompt, read: Callable[[Verdict], float]) -> float | None:
    """A part of the verdict; `None` where the prompt is not of the grammar."""
    try:
        scene = grammar.parse(prompt.text)
    except DataError:
        return None
    return read(verify(image, scene))
