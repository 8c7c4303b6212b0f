"""Questions about rendered scenes, whose answers the layout itself gives.

Five tasks are trained: `count`, `attribute`, `relation`, `compare` and `ground` (a box); a sixth, `total`,
is never shown before it is asked. Splits:

- `train`, `test`: scenes without a held-out colour-shape pair, drawn from different seeds;
- `ood`: every question is about an object of a held-out pair;
- `total`: the held-out task on the scenes of `test`.

A model thinks aloud by naming the objects in reading order, a + after those that the question is about and
a − after those they are compared with, and then answers:
`<think> red circle +, blue star, red circle +</think><answer> 2</answer>`. Boxes are in sixteenths of a side.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from PIL import Image

from burnish.errors import DataError
from burnish.media import Picture
from burnish.scenes.grammar import COLORS, HELD_OUT_PAIRS, PLURALS, RELATIONS, SHAPES, Scene, Thing
from burnish.scenes.renderer import Layout, Placed, layout, render
from burnish.types import Prompt

Split = Literal["train", "test", "ood", "total"]
TASKS = ("count", "attribute", "relation", "compare", "ground")
SIDE = 64
"""Pixels of a side."""
CELLS = 16
"""Units of a side, in which boxes are asked and answered: whole numbers of few digits."""


@dataclass(frozen=True)
class Question:
    """One question with its scene."""

    text: str
    answer: str
    about: dict[str, str]
    against: dict[str, str] | None
    task: str
    plan: Layout

    def image(self) -> Image.Image:
        """The scene, RGB, SIDE pixels square."""
        return Image.fromarray(render(self.plan, SIDE))

    @property
    def target(self) -> str:
        """What a supervised model is shown: the objects in reading order, marked, then the answer."""
        named = ", ".join(
            f"{thing.color} {thing.shape}{self._mark(thing)}" for thing in reading_order(self.plan)
        )
        return f"<think> {named}</think><answer> {self.answer}</answer>"

    def _mark(self, thing: Placed) -> str:
        if _is(thing, self.about):
            return " +"
        return " -" if self.against is not None and _is(thing, self.against) else ""

    def prompt(self) -> Prompt:
        """As a row of training data."""
        columns = {"answer": self.answer, "task": self.task, "width": CELLS, "height": CELLS}
        columns["objects"] = len(self.plan.objects)
        return Prompt(f"<image>\n{self.text}", columns, images=(Picture(self.image, self.text),))


def questions(split: Split, count: int, seed: int = 0) -> list[Question]:
    """`count` questions of a split, the tasks in turn; the same for the same seed.

    Raises:
        DataError: no such split.
    """
    if split not in get_args(Split):
        raise DataError(f"unknown questions scenes-vqa:{split}: choose {', '.join(get_args(Split))}")
    tasks = ("total",) if split == "total" else TASKS
    return [_question(split, tasks[i % len(tasks)], seed, i) for i in range(count)]


def _question(split: str, task: str, seed: int, number: int) -> Question:
    key = hashlib.sha256(f"{'test' if split == 'total' else split} {task} {seed} {number}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(key[:8], "big"))
    while True:
        plan = _scene(rng, held_out=split == "ood")
        if found := ASK[task](plan, rng):
            return Question(*found, task, plan)


def _scene(rng: np.random.Generator, *, held_out: bool) -> Layout:
    """Two to four objects; with `held_out` the first is of a held-out pair, else none is."""
    shapes = [SHAPES[i] for i in rng.integers(len(SHAPES), size=rng.integers(2, 5))]
    if rng.random() < 0.5:  # often two of a kind, so that counts are not all one
        shapes[-1] = shapes[0]
    things = [Thing(shape) for shape in shapes]
    if held_out:
        color, shape = sorted(HELD_OUT_PAIRS)[rng.integers(len(HELD_OUT_PAIRS))]
        things[0] = Thing(shape, color)
    return layout(Scene("reading", tuple(things)), rng, allow_held_out=held_out)


def reading_order(plan: Layout) -> list[Placed]:
    """Objects from top to bottom and left to right."""
    return sorted(plan.objects, key=lambda thing: (thing.center[1], thing.center[0]))


def box_of(thing: Placed) -> list[int]:
    """[x1, y1, x2, y2] in `CELLS`ths of the side around an object's circumscribed circle."""
    (x, y), r = thing.center, thing.radius
    return [round(value * CELLS) for value in (x - r, y - r, x + r, y + r)]


def _is(thing: Placed, wanted: dict[str, str]) -> bool:
    return all(getattr(thing, key) == value for key, value in wanted.items())


def _of(plan: Layout, wanted: dict[str, str]) -> int:
    return sum(_is(thing, wanted) for thing in plan.objects)


Found = tuple[str, str, dict[str, str], dict[str, str] | None] | None
"""The question, its answer, what it is about, and what that is compared with."""


def _count(plan: Layout, rng: np.random.Generator) -> Found:
    shape, color = plan.objects[0].shape, plan.objects[0].color
    if rng.random() < 0.25 and (color, shape) not in HELD_OUT_PAIRS:  # often of what is not there
        shape, color = SHAPES[rng.integers(len(SHAPES))], COLORS[rng.integers(len(COLORS))]
    words, about = [
        (PLURALS[shape], {"shape": shape}),
        (f"{color} shapes", {"color": color}),
        (f"{color} {PLURALS[shape]}", {"shape": shape, "color": color}),
    ][rng.integers(3)]
    return f"how many {words}?", str(_of(plan, about)), about, None


def _attribute(plan: Layout, rng: np.random.Generator) -> Found:
    first = plan.objects[0]
    words, answer, about = (
        (f"what color is the {first.shape}?", first.color, {"shape": first.shape})
        if rng.random() < 0.5
        else (f"what shape is {first.color}?", first.shape, {"color": first.color})
    )
    return (words, answer, about, None) if _of(plan, about) == 1 else None


def _relation(plan: Layout, rng: np.random.Generator) -> Found:
    a, b = plan.objects[0], plan.objects[1]
    about, against = {"shape": a.shape}, {"shape": b.shape}
    if _of(plan, about) != 1 or _of(plan, against) != 1:
        return None
    dx, dy = b.center[0] - a.center[0], b.center[1] - a.center[1]
    if dx and dy and abs(abs(dx) - abs(dy)) < 0.2:
        return None  # neither beside nor above
    true = ("left of" if dx > 0 else "right of") if abs(dx) > abs(dy) else ("above" if dy > 0 else "below")
    asked = true if rng.random() < 0.5 else [r for r in RELATIONS if r != true][rng.integers(3)]
    return f"is the {a.shape} {asked} the {b.shape}?", "yes" if asked == true else "no", about, against


def _compare(plan: Layout, rng: np.random.Generator) -> Found:
    a, b = plan.objects[0].shape, plan.objects[1].shape
    about, against = {"shape": a}, {"shape": b}
    more = _of(plan, about) - _of(plan, against)
    if a == b or more < 0:
        return None
    return f"how many more {PLURALS[a]} than {PLURALS[b]}?", str(more), about, against


def _ground(plan: Layout, rng: np.random.Generator) -> Found:
    first = plan.objects[0]
    about = {"shape": first.shape, "color": first.color}
    if _of(plan, about) != 1:
        return None
    return f"where is the {first.color} {first.shape}?", str(box_of(first)), about, None


def _total(plan: Layout, rng: np.random.Generator) -> Found:
    return "how many shapes?", str(len(plan.objects)), {}, None


ASK: dict[str, Callable[[Layout, np.random.Generator], Found]] = {
    "count": _count,
    "attribute": _attribute,
    "relation": _relation,
    "compare": _compare,
    "ground": _ground,
    "total": _total,
}
"""task -> question and answer for a layout, or None where the task does not fit it."""
