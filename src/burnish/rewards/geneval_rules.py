"""GenEval's rules (2310.11513; github.com/djghosh13/geneval): does what was detected fit what was asked?

A prompt asks by its columns, as in GenEval's metadata:

    include: [{class: bench, count: 2, color: red, position: [left of, 0]}]
    exclude: [{class: bench, count: 3}]

`position` relates every counted object of the entry to every counted object of the entry with that index.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

import numpy as np
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
)

Colour = Literal["red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white"]
COLOURS: tuple[Colour, ...] = get_args(Colour)

Relation = Literal["left of", "right of", "above", "below"]

NAMES = {
    "aeroplane": "airplane",
    "diningtable": "dining table",
    "hair dryer": "hair drier",
    "keyboard": "computer keyboard",
    "motorbike": "motorcycle",
    "mouse": "computer mouse",
    "pottedplant": "potted plant",
    "remote": "tv remote",
    "sofa": "couch",
    "tvmonitor": "tv",
}
"""Other spellings of COCO's classes -> GenEval's."""

CLASSES = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow",
    "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee",
    "skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard",
    "tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple",
    "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch",
    "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "computer mouse", "tv remote",
    "computer keyboard", "cell phone", "microwave", "oven", "toaster", "sink", "refrigerator", "book",
    "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip
"""COCO's 80, as GenEval spells them."""

MAX_OBJECTS = 16
"""Detections of a class that are looked at."""

MARGIN = 0.1
"""Share of both objects' sizes that is taken off the distance of their centres before it counts."""


def name_of(label: str) -> str:
    """GenEval's name of a class of COCO."""
    return NAMES.get(label, label)


class Want(BaseModel):
    """One entry of `include` or `exclude`."""

    model_config = ConfigDict(strict=True, extra="forbid")

    name: Annotated[str, AfterValidator(name_of)] = Field(alias="class")
    count: PositiveInt = 1
    colour: Colour | None = Field(default=None, alias="color")
    position: tuple[Relation, NonNegativeInt] | None = Field(default=None, strict=False)


@dataclass(frozen=True, eq=False)
class Found:
    """One detected object: its class, how certain, its box (left, top, right, bottom) and mask [H, W]."""

    name: str
    score: float
    box: tuple[float, float, float, float]
    mask: np.ndarray | None = None


Objects = Mapping[str, Sequence[Found]]
ColoursOf = Callable[[str, Sequence[Found]], Sequence[str]]
"""Names the colour of each of some objects of a class."""


def read_wants(rows: Any) -> list[Want]:
    """The entries of a prompt's `include` or `exclude` column, checked.

    Raises:
        ValueError: an entry is not of the form above; the message says which and why.
    """
    if not isinstance(rows, Sequence) or isinstance(rows, str):
        raise ValueError(f"must be a list of entries, not {str(rows)[:40]!r}")
    wants: list[Want] = []
    for index, row in enumerate(rows):
        try:
            wants.append(Want.model_validate(row))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise ValueError(f"entry {index}{where and f', {where}'}: {first['msg']}") from None
        if (position := wants[-1].position) and position[1] >= index:
            raise ValueError(f"entry {index}, position: entry {position[1]} is not before it")
    return wants


def keep(found: Sequence[Found], threshold: float) -> dict[str, list[Found]]:
    """Detections above the threshold by class, the most certain first, at most `MAX_OBJECTS` of each."""
    objects: dict[str, list[Found]] = {}
    for item in sorted(found, key=lambda item: -item.score):
        if item.score > threshold and len(objects.setdefault(item.name, [])) < MAX_OBJECTS:
            objects[item.name].append(item)
    return objects


def strict(
    objects: Objects, include: Sequence[Want], exclude: Sequence[Want], colours_of: ColoursOf
) -> float:
    """1 where every wish of `include` and none of `exclude` is met, else 0: GenEval's own verdict."""
    return float(not complaints(objects, include, exclude, colours_of))


def complaints(
    objects: Objects, include: Sequence[Want], exclude: Sequence[Want], colours_of: ColoursOf
) -> list[str]:
    """What speaks against the image, a few words for each wish that fails; empty where GenEval counts it.

    Of a class with more objects than asked for the most certain ones count. `exclude` is met by at least
    as many objects as its count.
    """
    wrong: list[str] = []
    groups: list[Sequence[Found] | None] = []
    for want in include:
        group = objects.get(want.name, [])[: want.count]
        reason = "" if len(group) == want.count else f"{len(group)} of {want.count} {want.name}"
        if not reason and want.colour:
            colours = list(colours_of(want.name, group))
            if colours.count(want.colour) < want.count:
                reason = f"{want.name} {', '.join(colours)}, not {want.colour}"
        if not reason and want.position and not _stands(group, want.position, groups):
            reason = f"{want.name} not {want.position[0]} {include[want.position[1]].name}"
        groups.append(None if reason else group)
        wrong += [reason] if reason else []
    for want in exclude:
        if (there := len(objects.get(want.name, []))) >= want.count:
            wrong.append(f"{there} {want.name}, fewer than {want.count} wanted")
    return wrong


def graded(objects: Objects, include: Sequence[Want], colours_of: ColoursOf) -> float:
    """Mean of the wishes' degrees: the reward of Flow-GRPO (2505.05470).

    Each entry of `include` gives 1 − |found − count| / count, which is negative for more than twice the
    count. One with a colour or a position gives a second degree, 0 unless the count is exact: the share of
    its objects that have the colour; 1 if the position holds, else 0. (That paper's public code adds both a
    0 and a 1 for a wrong position.) `exclude` has no say: surplus objects lower the first degree.
    """
    degrees: list[float] = []
    groups: list[Sequence[Found] | None] = []
    for want in include:
        group = objects.get(want.name, [])
        degrees.append(1 - abs(want.count - len(group)) / want.count)
        holds = len(group) == want.count
        if not holds and (want.colour or want.position):
            degrees.append(0.0)
        if holds and want.colour:
            share = list(colours_of(want.name, group)).count(want.colour) / want.count
            degrees.append(share)
            holds = share == 1
        if holds and want.position:
            holds = _stands(group, want.position, groups)
            degrees.append(float(holds))
        groups.append(group if holds else None)
    return sum(degrees) / len(degrees)


def relations(a: Found, b: Found) -> set[str]:
    """How `a` stands to `b`: none, one or two of `left of`, `right of`, `above`, `below`.

    The offset of the centres, shortened on each axis by `MARGIN` times the two sizes, must be more than half
    of the whole distance along an axis.
    """
    offset, rest = [], []
    for low, high in ((0, 2), (1, 3)):
        sizes = abs(a.box[high] - a.box[low]) + abs(b.box[high] - b.box[low])
        offset.append((a.box[low] + a.box[high] - b.box[low] - b.box[high]) / 2)
        rest.append(math.copysign(max(abs(offset[-1]) - MARGIN * sizes, 0), offset[-1]))
    if all(abs(part) < 1e-3 for part in rest):
        return set()
    dx, dy = (part / math.hypot(*offset) for part in rest)
    holds = {"left of": dx < -0.5, "right of": dx > 0.5, "above": dy < -0.5, "below": dy > 0.5}
    return {name for name, true in holds.items() if true}


def _stands(
    group: Sequence[Found], position: tuple[str, int], groups: Sequence[Sequence[Found] | None]
) -> bool:
    relation, index = position
    others = groups[index]
    return others is not None and all(relation in relations(a, b) for a in group for b in others)
