"""The language of the embedded world: GenEval's six categories over shapes, colours, sizes and counts.

A `Scene` is what a prompt *requires*; an attribute that is `None` is free. `Scene.text` and `parse` are
exact inverses, `prompts` lists the whole language in three disjoint splits:

- `train`, `test`: trained compositions; a scene is in `test` (about 15 %) by a stable hash of its plain
  text, so all phrasings of one scene share a split;
- `ood`: every prompt with a held-out colour-shape pair (12 of 48) or a held-out
  (shape, relation, shape) triple (24 of 120; mirror images are held out together).
"""

import hashlib
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import numpy as np

from burnish.errors import DataError

Split = Literal["train", "test", "ood"]
CATEGORIES = ("single_object", "colors", "two_objects", "counting", "position", "color_attr")
SHAPES = ("circle", "square", "triangle", "star", "cross", "ring")
COLORS = ("red", "green", "blue", "yellow", "purple", "orange", "cyan", "pink")
SIZES = ("small", "large")
RELATIONS = ("left of", "right of", "above", "below")
MIRROR = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
COUNTS = ("one", "two", "three", "four")
TEMPLATES = ("{}", "a picture of {}", "an image of {}", "there is {}")
"""Phrasings of one scene; "there is" becomes "there are" before a plural."""

PLURALS = {shape: shape + ("es" if shape == "cross" else "s") for shape in SHAPES}
_SINGULARS = {plural: shape for shape, plural in PLURALS.items()}
_PREFIX = re.compile(r"^(a picture of|an image of|there is|there are) ")


def _held_out_pairs() -> frozenset[tuple[str, str]]:
    """Two colours a shape, spread so that no colour loses more than two shapes."""
    picks = ((i, (3 * i + step) % len(COLORS)) for i in range(len(SHAPES)) for step in (0, 4))
    return frozenset((COLORS[c], SHAPES[s]) for s, c in picks)


def _held_out_triples() -> frozenset[tuple[str, str, str]]:
    """Six facts "i left of i+1" and six "i above i+2", each together with its mirror image."""
    n = len(SHAPES)
    facts = [(SHAPES[i], "left of", SHAPES[(i + 1) % n]) for i in range(n)]
    facts += [(SHAPES[i], "above", SHAPES[(i + 2) % n]) for i in range(n)]
    return frozenset(facts) | frozenset((b, MIRROR[relation], a) for a, relation, b in facts)


HELD_OUT_PAIRS = _held_out_pairs()
HELD_OUT_TRIPLES = _held_out_triples()


@dataclass(frozen=True)
class Thing:
    """`count` objects of one shape; `color` and `size` are free when `None`."""

    shape: str
    color: str | None = None
    size: str | None = None
    count: int = 1

    @property
    def held_out(self) -> bool:
        """Whether the named colour-shape pair never occurs in training."""
        return (self.color, self.shape) in HELD_OUT_PAIRS


@dataclass(frozen=True)
class Scene:
    """What a prompt requires: exactly these things and nothing else.

    `relation` holds between `things[0]` and `things[1]` and is `None` outside of `position`.
    """

    category: str
    things: tuple[Thing, ...]
    relation: str | None = None

    def text(self, template: int = 0) -> str:
        """The prompt in phrasing `TEMPLATES[template]`, lower case, at most 12 words."""
        numeral = self.category == "counting"
        joint = f" {self.relation or 'and'} "
        body = joint.join(_noun_phrase(thing, numeral) for thing in self.things)
        frame = TEMPLATES[template]
        if numeral and self.things[0].count > 1:
            frame = frame.replace("there is", "there are")
        return frame.format(body)

    @property
    def held_out(self) -> bool:
        """Whether the scene contains a composition that training never shows."""
        if any(thing.held_out for thing in self.things):
            return True
        return self.relation is not None and (
            (self.things[0].shape, self.relation, self.things[1].shape) in HELD_OUT_TRIPLES
        )

    @property
    def split(self) -> Split:
        """The split every phrasing of this scene belongs to."""
        if self.held_out:
            return "ood"
        bucket = int.from_bytes(hashlib.sha256(self.text().encode()).digest()[:4], "big") % 100
        return "test" if bucket < 15 else "train"


def _noun_phrase(thing: Thing, numeral: bool) -> str:
    adjectives = [word for word in (thing.size, thing.color) if word]
    noun = PLURALS[thing.shape] if thing.count > 1 else thing.shape
    words = [*adjectives, noun]
    article = COUNTS[thing.count - 1] if numeral else ("an" if words[0][0] in "aeiou" else "a")
    return " ".join([article, *words])


def parse(text: str) -> Scene:
    """The scene of a prompt: `parse(scene.text(t)) == scene` for every scene and phrasing.

    Raises `DataError` when `text` is not a prompt of this grammar.
    """
    body = _PREFIX.sub("", text)
    relation = next((r for r in RELATIONS if f" {r} " in body), None)
    parts = body.split(f" {relation or 'and'} ")
    things, numeral = [], False
    for part in parts:
        words = part.split(" ")
        numeral |= words[0] in COUNTS
        count = COUNTS.index(words[0]) + 1 if words[0] in COUNTS else 1
        size = words[1] if len(words) > 1 and words[1] in SIZES else None
        color = next((word for word in words[1:-1] if word in COLORS), None)
        shape = _SINGULARS.get(words[-1], words[-1])
        if shape not in SHAPES:
            known = ", ".join(SHAPES)
            raise DataError(f"cannot parse the prompt {text!r}: {words[-1]!r} is not one of {known}")
        things.append(Thing(shape, color, size, count))
    scene = Scene(_category(things, relation, numeral), tuple(things), relation)
    if scene not in _scenes() or text not in (scene.text(t) for t in range(len(TEMPLATES))):
        raise DataError(
            f"cannot parse the prompt {text!r}: write it like 'a red star', 'two squares' or "
            "'a circle left of a square'"
        )
    return scene


def _category(things: list[Thing], relation: str | None, numeral: bool) -> str:
    if numeral:
        return "counting"
    if relation:
        return "position"
    colored = any(thing.color for thing in things)
    if len(things) == 1:
        return "colors" if colored else "single_object"
    return "color_attr" if colored else "two_objects"


def _every_scene() -> Iterator[Scene]:
    sizes, maybe_colors = (None, *SIZES), (None, *COLORS)
    for shape, size in itertools.product(SHAPES, sizes):
        yield Scene("single_object", (Thing(shape, None, size),))
        for color in COLORS:
            yield Scene("colors", (Thing(shape, color, size),))
        for tint, count in itertools.product(maybe_colors, range(1, len(COUNTS) + 1)):
            yield Scene("counting", (Thing(shape, tint, size, count),))
    for a, b in itertools.permutations(SHAPES, 2):
        for size_a, size_b in itertools.product(sizes, sizes):
            yield Scene("two_objects", (Thing(a, None, size_a), Thing(b, None, size_b)))
        for color_a, color_b in [(None, None), *itertools.permutations(COLORS, 2)]:
            pair = (Thing(a, color_a), Thing(b, color_b))
            if color_a:
                yield Scene("color_attr", pair)
            for relation in RELATIONS:
                yield Scene("position", pair, relation)


@cache
def _scenes() -> frozenset[Scene]:
    return frozenset(_every_scene())


@cache
def _table() -> dict[str, dict[str, tuple[str, ...]]]:
    """split -> category -> prompts in sorted order; a category without prompts is absent."""
    table: dict[str, dict[str, list[str]]] = {split: {} for split in get_args(Split)}
    for scene in _every_scene():
        texts = table[scene.split].setdefault(scene.category, [])
        texts += [scene.text(t) for t in range(len(TEMPLATES))]
    order = {split: [c for c in CATEGORIES if c in rows] for split, rows in table.items()}
    return {split: {c: tuple(sorted(table[split][c])) for c in names} for split, names in order.items()}


def prompts(split: Split) -> list[str]:
    """All prompts of a split, sorted, without repetition; the same list in every process.

    Raises `DataError` for an unknown split.
    """
    if split not in get_args(Split):
        raise DataError(f"unknown split {split!r}: choose one of {', '.join(get_args(Split))}")
    return sorted(itertools.chain.from_iterable(_table()[split].values()))


def categories(split: Split) -> tuple[str, ...]:
    """The categories with at least one prompt in `split` (`ood` has no uncoloured single scenes)."""
    return tuple(_table()[split])


def sample(rng: np.random.Generator, split: Split, category: str | None = None) -> str:
    """One prompt of `split`: a category uniformly (or the given one), then with colours named or not
    (evenly, where both exist), then a prompt uniformly.

    Raises `DataError` when `split` has no prompt of `category`.
    """
    names = categories(split)
    if category is not None and category not in names:
        raise DataError(f"split {split!r} has no category {category!r}: choose one of {', '.join(names)}")
    groups = _groups(split, category or names[rng.integers(len(names))])
    group = groups[rng.integers(len(groups))]
    return group[rng.integers(len(group))]


@cache
def _groups(split: Split, category: str) -> tuple[tuple[str, ...], ...]:
    """The prompts of one category, those without a colour and those with one apart."""
    texts = _table()[split][category]
    colored = tuple(t for t in texts if not set(COLORS).isdisjoint(t.split()))
    plain = tuple(t for t in texts if set(COLORS).isdisjoint(t.split()))
    return tuple(group for group in (plain, colored) if group)


def category(text: str) -> str:
    """The category of a prompt; raises `DataError` when it is not one of this grammar."""
    return parse(text).category


@cache
def balanced(split: Split, each: int = 500) -> tuple[str, ...]:
    """`each` draws of every category of `split`, categories taking turns; always the same.

    The whole language is mostly `position` and `color_attr`; this is the part that runs train and test on,
    every category weighing the same, as in GenEval's overall score. Small categories repeat their prompts.
    """
    drawn = []
    for name in categories(split):
        rng = np.random.default_rng([CATEGORIES.index(name), 4])
        drawn.append([sample(rng, split, name) for _ in range(each)])
    return tuple(text for turn in zip(*drawn, strict=True) for text in turn)
