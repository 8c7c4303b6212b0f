"""Records that cross layer borders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Prompt:
    """One prompt and whatever else its row said.

    >>> Prompt("a photo of a bench", {"tag": "single_object"}).columns["tag"]
    'single_object'
    """

    text: str
    columns: Mapping[str, Any] = field(default_factory=dict, hash=False)
