"""compare, report: runs that are over."""

from __future__ import annotations

import json
from pathlib import Path

from burnish.cli.words import (
    parser_of,
    print_table,
)


def compare(rest: list[str]) -> None:
    """Compare runs by method: gain over the base model, mean ± standard error over seeds."""
    parser = parser_of(compare, "RUN … [--json]")
    parser.add_argument("runs", nargs="+", metavar="RUN")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_intermixed_args(rest)
    from burnish.evaluate.compare import compare_runs

    result = compare_runs([Path(run) for run in options.runs])
    if options.json:
        print(json.dumps(result.as_dict(), indent=2))
        return
    for table in result.tables():
        print_table(*table)
    for warning in result.warnings:
        print(f"warning: {warning}")


def report(rest: list[str]) -> None:
    """Write a run's report: one HTML file with curves and pictures."""
    parser = parser_of(report, "RUN")
    parser.add_argument("run", metavar="RUN")
    options = parser.parse_intermixed_args(rest)
    from burnish.report.html import write_report

    print(write_report(Path(options.run)))
