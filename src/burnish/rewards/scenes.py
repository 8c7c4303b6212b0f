"""Rewards of the embedded world: the verifier's verdicts and the small learned preference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from burnish.engine.quiet import quiet
from burnish.errors import DataError, RewardError
from burnish.scenes import grammar
from burnish.scenes.verifier import Verdict, verify
from burnish.types import Prompt

Score = Callable[[Sequence[np.ndarray], Sequence[Prompt]], list[float | None]]


def strict() -> Score:
    """1 where the picture shows exactly what the prompt requires, else 0."""
    return lambda images, prompts: _judge(images, prompts, lambda verdict: float(verdict.strict))


def graded() -> Score:
    """Partial credit between 0 and 1."""
    return lambda images, prompts: _judge(images, prompts, lambda verdict: verdict.graded)


def preference() -> Score:
    """The learned preference: higher is preferred; imperfect on purpose."""
    from burnish.scenes.preference import FOLDER, load

    quiet("transformers")
    try:
        model = load()
    except (OSError, ValueError):
        raise RewardError(
            f"reward scenes_preference: its model in {FOLDER} is missing or damaged; reinstall burnish"
        ) from None
    return lambda images, prompts: list(model.score(list(images), [prompt.text for prompt in prompts]))


def _judge(
    images: Sequence[np.ndarray], prompts: Sequence[Prompt], read: Callable[[Verdict], float]
) -> list[float | None]:
    """A part of each verdict; `None` where the prompt is not of the grammar."""
    pairs = zip(images, prompts, strict=True)
    verdicts = [_look(image.tobytes(), image.shape, prompt.text) for image, prompt in pairs]
    return [None if verdict is None else read(verdict) for verdict in verdicts]


@lru_cache(maxsize=2048)
def _look(pixels: bytes, shape: tuple[int, ...], text: str) -> Verdict | None:
    """Looked at once, though an evaluation asks for `strict` and `graded`."""
    try:
        scene = grammar.parse(text)
    except DataError:
        return None
    return verify(np.frombuffer(pixels, np.uint8).reshape(shape), scene)
