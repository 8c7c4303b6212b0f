"""The circle closed: the model that reads scenes judges the model that draws them.

A prompt becomes questions with known answers ("two red stars": "how many red stars?", 2); the reward is the
share that the reader answers as the prompt would have it. The reader errs, so the reward can be gamed; the
verifier (`scenes_strict`) tells when it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from burnish.engine.quiet import quiet
from burnish.errors import DataError
from burnish.rewards.text.extract import answer_of
from burnish.scenes.grammar import PLURALS, Scene, parse
from burnish.scenes.models import bundled
from burnish.scenes.questions import SIDE
from burnish.scenes.warmup import answers
from burnish.types import Prompt


@dataclass(frozen=True)
class Shown:
    """A question about a drawn image."""

    text: str
    pixels: np.ndarray

    def image(self) -> Image.Image:
        """RGB, as large as the reader is used to."""
        return Image.fromarray(self.pixels).resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def asked_of(scene: Scene) -> list[tuple[str, str]]:
    """Questions about what a prompt requires, each with its answer."""
    found = []
    for thing in scene.things:
        alone = thing.count == 1 and all(thing.shape != t.shape for t in scene.things if t is not thing)
        if thing.color and alone:
            found.append((f"what color is the {thing.shape}?", thing.color))
            continue
        words = f"{thing.color} {PLURALS[thing.shape]}" if thing.color else PLURALS[thing.shape]
        found.append((f"how many {words}?", str(thing.count)))
    if scene.relation:
        a, b = scene.things[0].shape, scene.things[1].shape
        found.append((f"is the {a} {scene.relation} the {b}?", "yes"))
    return found


def reader(path: str | None = None) -> Callable[[Sequence[np.ndarray], Sequence[Prompt]], list[float | None]]:
    """Share of a prompt's questions that the reader answers as the prompt would have it, 0 to 1.

    None for prompts outside of the grammar.

    Args:
        path: folder of a tuned reader, such as `runs/scenes-vqa/model`; None takes the bundled one.

    Raises:
        OSError: the folder cannot be read.
    """
    from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer

    quiet("transformers")
    folder = path or bundled("scenes-reader")
    model: Any = AutoModelForImageTextToText.from_pretrained(folder, local_files_only=True).float().eval()
    words = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    pictures = AutoImageProcessor.from_pretrained(folder, local_files_only=True, backend="pil")

    def reward(images: Sequence[np.ndarray], prompts: Sequence[Prompt]) -> list[float | None]:
        jobs: list[tuple[int, Shown, str]] = []
        for i, (image, prompt) in enumerate(zip(images, prompts, strict=True)):
            try:
                asked = asked_of(parse(prompt.text))
            except DataError:
                continue
            jobs += [(i, Shown(text, image), right) for text, right in asked]
        said = answers(model, words, pictures, [shown for _, shown, _ in jobs], greedy=True)
        right: list[list[bool]] = [[] for _ in images]
        for (i, _, answer), text in zip(jobs, said, strict=True):
            right[i].append(answer_of(text) == answer)
        return [sum(marks) / len(marks) if marks else None for marks in right]

    return reward
