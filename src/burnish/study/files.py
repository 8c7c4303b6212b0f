"""What a study leaves: a page, its figures and its numbers, written into one folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from burnish.errors import RunError


def write_files(out: Path, files: Mapping[str, str]) -> None:
    """Writes texts by their names in `out`; figures stand in `out/figures`.

    Raises:
        RunError: the folder cannot be written.
    """
    try:
        (out / "figures").mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (out / name).write_text(text, encoding="utf-8")
    except OSError as problem:
        raise RunError(f"cannot write in {out}: {problem.strerror}") from problem
