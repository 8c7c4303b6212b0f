"""GenEval as a reward: a detector finds the objects, CLIP names their colours, rules judge (2310.11513).

As in the original (github.com/djghosh13/geneval) a detection counts above 0.3, for prompts with the tag
`counting` above 0.9; at most 16 of a class count; overlapping ones are not suppressed; before a colour is
named the background is painted grey where the detector gives masks. The original detects with mmdet's
Mask2Former (Swin-S) and names colours with OpenAI's CLIP ViT-L/14: scores by other models are not comparable
with published ones.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from burnish.errors import RewardError
from burnish.rewards import geneval_rules as rules
from burnish.rewards import hub
from burnish.rewards.geneval_models import ColourNames, Detector
from burnish.types import Prompt

Score = Callable[[Sequence[np.ndarray], Sequence[Prompt]], list[float | None]]


def geneval(
    detector: str,
    clip: str | None = None,
    strict: bool = True,
    threshold: float = 0.3,
    counting_threshold: float = 0.9,
    device: str = "auto",
) -> Score:
    """Does the image show the objects that the prompt's columns ask for (see `geneval_rules`)?

    A prompt without the column `include` cannot be scored.

    Args:
        detector: folder of a Mask2Former for instances, or of a detector of DETR's kind, trained on COCO.
        clip: folder of a CLIP model; needed for prompts that ask for colours.
        strict: 1 or 0, as GenEval judges; else the mean degree to which the wishes are met, at most 1.
        threshold: certainty above which a detection counts.
        counting_threshold: the same for prompts with the tag `counting`.
        device: `auto`, `cpu`, `cuda`, …; auto takes the accelerator if any.

    Raises:
        RewardError: a folder is missing or holds another model, or an option is malformed; when scoring,
            columns that are not of GenEval's form, a class that the detector does not know, or a colour
            without `clip`.
    """
    for name, value in (("threshold", threshold), ("counting_threshold", counting_threshold)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
            raise RewardError(f"reward geneval: {name} must be at least 0 and below 1, not {value!r}")
    place = hub.pick_device(device, "geneval")
    find = Detector(detector, place)
    colours: Any = ColourNames(clip, place) if clip else None
    lowest = min(threshold, counting_threshold)

    def score(images: Sequence[np.ndarray], prompts: Sequence[Prompt]) -> list[float | None]:
        wishes = [_wishes(prompt, set(find.names.values()), bool(clip)) for prompt in prompts]
        asked = [index for index, wish in enumerate(wishes) if wish]
        scores: list[float | None] = [None] * len(prompts)
        for index, found in zip(asked, find([images[i] for i in asked], lowest), strict=True):
            include, exclude = wishes[index]
            counting = prompts[index].columns.get("tag") == "counting"
            objects = rules.keep(found, counting_threshold if counting else threshold)
            colours_of: Any = colours and partial(colours, images[index])
            scores[index] = (
                rules.strict(objects, include, exclude, colours_of)
                if strict
                else rules.graded(objects, include, colours_of)
            )
        return scores

    return score


def _wishes(prompt: Prompt, known: set[str], colourful: bool) -> Any:
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
        if want.name not in known:
            close = difflib.get_close_matches(want.name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"it knows {len(known)} others"
            raise RewardError(f"{where}: the detector knows no class {want.name!r}; {hint}")
        if want.colour and not colourful:
            raise RewardError(f"{where} asks for a colour: give the option clip, the folder of a CLIP model")
    return wishes
