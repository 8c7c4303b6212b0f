"""A prompt as a vision-language model takes it: ids with its pictures' tokens in place, and the pictures."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from burnish.errors import DataError
from burnish.policies.language.families import FAMILIES
from burnish.types import Prompt

Visuals = dict[str, Tensor]


@dataclass(frozen=True)
class Encoded:
    """One prompt.

    Attributes:
        ids: int64 [L].
        types: 1 where a picture's token stands, int64 [L].
        visuals: the pictures' tensors, concatenated over pictures; empty for text alone.
        prompt: what was encoded.
    """

    ids: Tensor
    types: Tensor
    visuals: Visuals = field(default_factory=dict)
    prompt: Prompt | None = None


class Encoder:
    """The model's own tokenizer, chat template and image processor.

    Args:
        config: of the model; its `model_type` chooses the family.
        tokenizer: with a chat template.
        image_processor: None for a model that is only asked in words.
    """

    def __init__(self, config: Any, tokenizer: Any, image_processor: Any):
        self.config, self.tokenizer, self.images = config, tokenizer, image_processor
        self.family = FAMILIES[config.model_type]
        self.placeholder = getattr(config, self.family.placeholder)

    def __call__(self, prompt: Prompt) -> Encoded:
        """`prompt` encoded; never truncated. A video is its frames, one picture each.

        Raises:
            DataError: markers and pictures do not match, or the chat template loses a picture.
        """
        opened = pictures_of(prompt)
        text = self.tokenizer.apply_chat_template(
            messages_of(prompt), tokenize=False, add_generation_prompt=True
        )
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        if ids.count(self.placeholder) != len(opened):
            raise DataError(
                f"the chat template places {ids.count(self.placeholder)} pictures but the prompt "
                f"{prompt.text[:60]!r} has {len(opened)}: check the template and the prompt's text"
            )
        pictures = [self._picture(image) for image in opened]
        counts = iter([self.family.tokens(picture, self.config) for picture in pictures])
        spread = [n for i in ids for n in ([i] * next(counts) if i == self.placeholder else [i])]
        tensor = torch.tensor(spread)
        names = pictures[0] if pictures else ()
        visuals = {name: torch.cat([picture[name] for picture in pictures]) for name in names}
        return Encoded(tensor, (tensor == self.placeholder).long(), visuals, prompt)

    def _picture(self, image: Any) -> Visuals:
        if self.images is None:
            raise DataError("the prompt has a picture, but the model's folder holds no image processor")
        made = self.images(images=image, return_tensors="pt")
        return {name: made[name] for name in ("pixel_values", "image_grid_thw") if name in made}


def pictures_of(prompt: Prompt) -> list[Any]:
    """The prompt's pictures in the order of its markers, opened; a video is its frames.

    Raises:
        DataError: markers and pictures do not match, or a picture cannot be read.
    """
    marks = re.findall(r"<image>|<video>", prompt.text)
    for mark, given in (("<image>", prompt.images), ("<video>", prompt.videos)):
        if marks.count(mark) != len(given):
            raise DataError(
                f"the prompt {prompt.text[:60]!r} has {marks.count(mark)} {mark} markers for "
                f"{len(given)}: write one marker each"
            )
    images, videos = iter(prompt.images), iter(prompt.videos)
    found: list[Any] = []
    for mark in marks:
        found.extend([next(images)] if mark == "<image>" else next(videos))
    return [source.open() if hasattr(source, "source") else source for source in found]


def messages_of(prompt: Prompt) -> list[dict[str, Any]]:
    """The prompt as chat messages; every frame of a video is an image."""
    videos = iter(prompt.videos)
    content: list[dict[str, Any]] = []
    for piece in re.split(r"(<image>|<video>)", prompt.text):
        if piece == "<image>":
            content.append({"type": "image"})
        elif piece == "<video>":
            content.extend({"type": "image"} for _ in next(videos))
        elif piece.strip():
            content.append({"type": "text", "text": piece.strip("\n")})
    system = [{"role": "system", "content": prompt.system}] if prompt.system else []
    return [*system, {"role": "user", "content": content}]


def join_visuals(parts: list[Visuals]) -> Visuals:
    """The pictures of several prompts in order; prompts without pictures add nothing."""
    present = [part for part in parts if part]
    return {name: torch.cat([part[name] for part in present]) for name in present[0]} if present else {}
