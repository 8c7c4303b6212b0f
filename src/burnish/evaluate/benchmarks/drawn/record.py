"""What a drawn benchmark is: prompts, a scorer of pictures, and the marks that its table is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from burnish.types import Prompt

Verdict = dict[str, Any]
"""What was seen in a picture, or said of it, and what it is worth; plain JSON, kept in the result."""

Scorer = Callable[[Sequence[np.ndarray], Sequence[Prompt]], list[Verdict]]
"""uint8 pictures [H, W, 3] with their prompts, those of one prompt side by side, to a verdict each."""


class Mark(NamedTuple):
    """A number that counts in one row of the table.

    Attributes:
        by: what the row is one of: `task`, `dimension`, `reward` …
        group: which of them.
        value: None where nothing could be told, which is not zero.
    """

    by: str
    group: str
    value: float | None


@dataclass(frozen=True)
class Drawn:
    """One benchmark of models that make images.

    Attributes:
        name: on the command line.
        paper: where it is described.
        images: drawn for each prompt, as in the original.
        prompts: reads the file, or folder, strictly.
        scorer: makes the scorer for these prompts, from options of the command line and the device; its
            parameters without a default are options that must be given.
        marks: of all pictures of one prompt.
        weight: of a row, by its `by` and `group`, in the overall score; all 0: there is none.
        order: of groups in the table; others follow by name.
    """

    name: str
    paper: str
    images: int
    prompts: Callable[[Path], list[Prompt]]
    scorer: Callable[..., Scorer]
    marks: Callable[[Prompt, Sequence[Verdict]], Iterator[Mark]]
    weight: Callable[[str, str], float] = lambda by, group: 0.0
    order: tuple[str, ...] = ()
