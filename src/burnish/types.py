"""Records that cross layer borders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Prompt:
    """One prompt and whatever else its row said.

    `images` are sources of pictures in the order of the `<image>` markers in `text`, `videos` of the
    `<video>` markers (each a tuple of frames); `system` is the system message.

    >>> Prompt("a photo of a bench", {"tag": "single_object"}).columns["tag"]
    'single_object'
    """

    text: str
    columns: Mapping[str, Any] = field(default_factory=dict, hash=False)
    images: tuple[Any, ...] = field(default=(), hash=False)
    videos: tuple[Any, ...] = field(default=(), hash=False)
    system: str = ""


@dataclass(frozen=True)
class Completion:
    """What a language model wrote.

    Attributes:
        text: without special tokens.
        length: in tokens, the end of text counted.
        truncated: whether it ran into the limit.
        steps: the text in pieces, each a sentence, a line or the thought's end: steps of the reasoning.
    """

    text: str
    length: int = 0
    truncated: bool = False
    steps: tuple[str, ...] = ()
