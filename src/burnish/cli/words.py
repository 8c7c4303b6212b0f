"""What every command shares: arguments that complain in one sentence, tables, how a run is announced."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from burnish.errors import BurnishError


class UsageError(BurnishError):
    """Arguments that a command does not understand."""


class Interrupted(Exception):
    """Ctrl-C during work that a command continues; the message is that command."""


class Parser(argparse.ArgumentParser):
    """A parser that complains in one sentence."""

    def error(self, message: str) -> NoReturn:
        """Raises instead of printing a usage and exiting."""
        raise UsageError(f"{message} (see {self.prog} --help)")


def parser_of(command: Callable[[list[str]], None], usage: str) -> Parser:
    """A parser whose name and description are the command's."""
    name = command.__name__.replace("_", "-")
    return Parser(
        prog=f"burnish {name}",
        usage=f"burnish {name} {usage}",
        description=command.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def at_least(least: int) -> Callable[[str], int]:
    """An argument type: a whole number of at least `least`."""

    def whole_number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if value < least:
            raise argparse.ArgumentTypeError(f"{value} is below {least}")
        return value

    return whole_number


def recipe_of(words: list[str]) -> Any:
    """The recipe that `[RECIPE] [key.sub=value …]` names."""
    from burnish.recipes.load import load_recipe

    names = [word for word in words if "=" not in word or Path(word).is_file()]
    if len(names) > 1:
        raise UsageError(f"give one recipe, not {' and '.join(names)}; overrides look like train.lr=1e-4")
    return load_recipe(names[0] if names else None, [word for word in words if word not in names])


def resumable(run: str, work: Callable[[], Path]) -> Path:
    """The folder that `work` made; an interruption says how to go on."""
    try:
        return work()
    except KeyboardInterrupt:
        raise Interrupted(f"burnish resume {run}") from None


def print_folder(folder: Path) -> None:
    """Where a run and its report are."""
    print(f"run: {folder}\nreport: {folder / 'report.html'}")


def cell(value: Any) -> str:
    """A value as a table shows it."""
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def print_table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """A table: boxed on a terminal, Markdown elsewhere; never wrapped or cut."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    terminal = sys.stdout.isatty()
    table = Table(box=box.ROUNDED if terminal else box.MARKDOWN, title=title or None, title_justify="left")
    for index, name in enumerate(columns):
        numeric = all(not row[index] or row[index][0] in "0123456789+-" for row in rows)
        table.add_column(name, no_wrap=True, justify="right" if numeric and rows else "left")
    for row in rows:
        table.add_row(*row)
    console = Console(soft_wrap=True, markup=False, highlight=False)
    width = max(console.width, 2000) if not terminal else max(console.width, console.measure(table).maximum)
    Console(width=width, markup=False, highlight=False).print(table)
