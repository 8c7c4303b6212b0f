"""GenEval as a reward: a detector finds the objects, CLIP names their colours, rules judge (2310.11513).

As in the original (github.com/djghosh13/geneval) a detection counts above 0.3, for prompts with the tag
`counting` above 0.9 (an OWL-ViT's above 0.1); at most 16 of a class count; overlapping ones are not
suppressed; before a colour is named the background is painted grey where the detector gives masks. The
original detects with mmdet's Mask2Former (Swin-S) and names colours with OpenAI's CLIP ViT-L/14: scores by
other models are not comparable with published ones.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from burnish.errors import RewardError
from burnish.rewards import geneval_rules as rules
from burnish.rewards import hub
from burnish.rewards.geneval_models import ColourNames, Detector
from burnish.types import Prompt

Score = Callable[[Sequence[np.ndarray], Sequence[Prompt]], list[float | None]]


@dataclass(frozen=True)
class Seen:
    """What is wanted of one image, and what was found in it.

    Attributes:
        include: the wishes.
        exclude: what must not be there.
        objects: the detections that count, by class.
        colours_of: names the colours of some of them.
    """

    include: list[rules.Want]
    exclude: list[rules.Want]
    objects: dict[str, list[rules.Found]]
    colours_of: Any


class Eye:
    """Finds in images what their prompts ask for; args and errors are those of `geneval`."""

    def __init__(
        self,
        detector: str,
        clip: str | None = None,
        threshold: float | None = None,
        counting_threshold: float | None = None,
        device: str = "auto",
        classes: Sequence[str] | None = None,
    ):
        for name, value in (("threshold", threshold), ("counting_threshold", counting_threshold)):
            if value is not None and not _is_share(value):
                raise RewardError(f"reward geneval: {name} must be at least 0 and below 1, not {value!r}")
        if classes is not None and not _is_names(classes):
            raise RewardError(f"reward geneval: classes must be a list of names, not {classes!r}")
        place = hub.pick_device(device, "geneval")
        self.find = Detector(detector, place, classes)
        usual, counting = self.find.certain
        self.threshold = usual if threshold is None else threshold
        self.counting_threshold = counting if counting_threshold is None else counting_threshold
        self.known = set(self.find.names.values())
        self.colours: Any = ColourNames(clip, place) if clip else None

    def __call__(self, images: Sequence[np.ndarray], prompts: Sequence[Prompt]) -> list[Seen | None]:
        """What each image shows of its prompt; None where the prompt asks for nothing."""
        wishes = [self.wishes(prompt) for prompt in prompts]
        asked = [index for index, wish in enumerate(wishes) if wish]
        seen: list[Seen | None] = [None] * len(prompts)
        lowest = min(self.threshold, self.counting_threshold)
        for index, found in zip(asked, self.find([images[i] for i in asked], lowest), strict=True):
            counting = prompts[index].columns.get("tag") == "counting"
            objects = rules.keep(found, self.counting_threshold if counting else self.threshold)
            include, exclude = wishes[index]
            colours_of = self.colours and partial(self.colours, images[index])
            seen[index] = Seen(include, exclude, objects, colours_of)
        return seen

    def wishes(self, prompt: Prompt) -> Any:
        """The prompt's `include` and `exclude`, checked; None where nothing is asked for."""
        if not prompt.columns.get("include"):
            return None
        where = f"reward geneval: prompt {prompt.text[:60]!r}"
        wishes = []
        for column in ("include", "exclude"):
            try:
                wishes.append(rules.read_wants(prompt.columns.get(column) or []))
            except ValueError as error:
                raise RewardError(f"{where}: {column} {error}") from None
        for want in wishes[0] + wishes[1]:
            if want.name not in self.known:
                close = difflib.get_close_matches(want.name, self.known, n=1)
                hint = f"did you mean {close[0]}?" if close else f"it knows {len(self.known)} others"
                raise RewardError(f"{where}: the detector knows no class {want.name!r}; {hint}")
            if want.colour and not self.colours:
                raise RewardError(
                    f"{where} asks for a colour: give the option clip, the folder of a CLIP model"
                )
        return wishes


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1


def _is_names(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(v, str) and v for v in value)


def geneval(
    detector: str,
    clip: str | None = None,
    strict: bool = True,
    threshold: float | None = None,
    counting_threshold: float | None = None,
    device: str = "auto",
    classes: Sequence[str] | None = None,
) -> Score:
    """Does the image show the objects that the prompt's columns ask for (see `geneval_rules`)?

    A prompt without the column `include` cannot be scored.

    Args:
        detector: folder of a Mask2Former for instances or a detector of DETR's kind, trained on COCO; or of
            an OWL-ViT or OWLv2, which finds what it is told.
        clip: folder of a CLIP model; needed for prompts that ask for colours.
        strict: 1 or 0, as GenEval judges; else the mean degree to which the wishes are met, at most 1.
        threshold: certainty above which a detection counts; None: 0.3, as GenEval has it, and 0.1 for an
            OWL-ViT, whose certainties are lower (the library's default; choose yours on pictures you judged).
        counting_threshold: the same for prompts with the tag `counting`; None: 0.9, and 0.1.
        device: `auto`, `cpu`, `cuda`, …; auto takes the accelerator if any.
        classes: what an OWL-ViT looks for, the same in every image, as classes compete; None: COCO's 80.

    Raises:
        RewardError: a folder is missing or holds another model, or an option is malformed; when scoring,
            columns that are not of GenEval's form, a class that the detector does not know, or a colour
            without `clip`.
    """
    eye = Eye(detector, clip, threshold, counting_threshold, device, classes)

    def degree(seen: Seen) -> float:
        if strict:
            return rules.strict(seen.objects, seen.include, seen.exclude, seen.colours_of)
        return rules.graded(seen.objects, seen.include, seen.colours_of)

    def score(images: Sequence[np.ndarray], prompts: Sequence[Prompt]) -> list[float | None]:
        return [degree(seen) if seen else None for seen in eye(images, prompts)]

    return score
