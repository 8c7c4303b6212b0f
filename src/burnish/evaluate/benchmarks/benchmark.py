"""What a benchmark is: rows that become prompts, a rule that judges completions, columns for its table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from burnish.data.rows import to_prompt
from burnish.errors import DataError
from burnish.types import Prompt

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Place:
    """Where a row stands, and what the model was told to answer in.

    Attributes:
        file: that it was read from; relative paths of pictures start in its folder.
        number: of the row in it, from 1.
        frame: of the model's boxes (`rewards.text.boxes`), if the benchmark asks for boxes.
    """

    file: Path
    number: int
    frame: str = "pixels"

    @property
    def where(self) -> str:
        """Words for messages."""
        return f"{self.file} row {self.number}"

    @property
    def split(self) -> str:
        """The file's split by the hub's naming: `testA-00000-of-00002.parquet` → `testA`."""
        return self.file.stem.split("-")[0]

    def right(self, row: Row, column: str) -> Any:
        """The right answer.

        Raises:
            DataError: it is hidden, as in the splits that are scored on a server.
        """
        value = row[column]
        if value is None or value in ("", "?"):
            raise DataError(f"{self.where} has no right answer in {column}: choose a split with answers")
        return value

    def prompt(self, text: str, images: list[Any], **columns: Any) -> Prompt:
        """A prompt with its pictures in front, unless the text has `<image>` markers; `columns` are kept.

        Raises:
            DataError: a picture is missing, or the markers do not match.
        """
        row = {"prompt": text, "images": images, **columns}
        return to_prompt(row, self.where, self.file.parent)


@dataclass(frozen=True)
class Verdict:
    """What a completion was understood to say, and its worth.

    Attributes:
        extracted: what was compared with the right answer; None where no answer was found.
        score: in [0, 1]; None where the right answer cannot be read.
        more: further numbers, averaged over the completions that have them.
    """

    extracted: Any
    score: float | None
    more: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Benchmark:
    """One benchmark.

    Attributes:
        name: on the command line.
        paper: where it is described.
        needs: columns that every row has.
        splits: of a folder, files that begin with one of these are read.
        prompts: the questions of one row; the columns `id`, `answer` and those in `groups` are set.
        judge: the worth of a completion.
        groups: columns that the table is grouped by; a list in a column counts in each of its groups.
        counted: whether a question counts, rather than in the groups of the first column only.
        framed: whether it asks for boxes, in a frame that has to be declared.
    """

    name: str
    paper: str
    needs: tuple[str, ...]
    splits: tuple[str, ...]
    prompts: Callable[[Row, Place], list[Prompt]]
    judge: Callable[[str, Prompt], Verdict]
    groups: tuple[str, ...]
    counted: Callable[[Prompt], bool] = lambda prompt: True
    framed: bool = False
