"""Verdicts as they come, a line a prompt, so that a stopped benchmark does not ask its judge again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from burnish.errors import RunError


class Ledger:
    """`OUT/NAME.rows.jsonl`: what the verdicts were found with, then one row a prompt.

    Rows that were found with anything else are dropped.

    Args:
        file: the ledger.
        settings: everything that the verdicts depend on, as JSON.

    Attributes:
        rows: by the prompt's place in its file.
    """

    def __init__(self, file: Path, settings: Mapping[str, Any]):
        self.file, self.head = file, json.dumps(settings, sort_keys=True, default=str)
        self.rows: dict[int, dict[str, Any]] = {}
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
        if lines and lines[0] == self.head:
            for line in lines[1:]:
                try:
                    row = json.loads(line)
                except ValueError:
                    break  # the line that was being written when it stopped
                self.rows[row["place"]] = row
        self._begun = False

    def add(self, rows: Iterable[dict[str, Any]]) -> None:
        """Keeps rows.

        Raises:
            RunError: the file cannot be written.
        """
        new = {row["place"]: row for row in rows}
        self.rows |= new
        lines = [json.dumps(row, ensure_ascii=False, default=str) for row in new.values()]
        try:
            if not self._begun:  # anew, without a torn line or another's rows
                kept = [json.dumps(row, ensure_ascii=False, default=str) for row in self.rows.values()]
                self.file.write_text("\n".join([self.head, *kept]) + "\n", encoding="utf-8")
                self._begun = True
                return
            with self.file.open("a", encoding="utf-8") as file:
                file.write("\n".join(lines) + "\n")
        except OSError as problem:
            raise RunError(
                f"{self.file} cannot be written ({problem.strerror}); choose another --out"
            ) from problem

    def close(self) -> None:
        """The rows stand in the result now."""
        self.file.unlink(missing_ok=True)
