"""A study as Markdown, with figures as files beside it."""

from __future__ import annotations

from burnish.study import figures, tables
from burnish.study.record import ALARM, GAP, RINGING, Record, title


def markdown(record: Record) -> str:
    """The text of `README.md`."""
    study = record.study
    parts = [f"# {study.question}", f"```sh\n{record.command}\n```"]
    parts += [f"**A run failed.** {failure}" for failure in record.failures]
    parts += ["\n".join(f"- {answer}" for answer in record.answers), *record.notes]
    parts += ["## Setting", "\n".join(f"- {name}: {value}" for name, value in record.facts)]
    if study.overrides:
        parts.append("Common settings: " + " ".join(f"`{word}`" for word in study.overrides))
    parts.append(tables.methods(study, record.trials).markdown())
    for number, board in enumerate(record.boards):
        parts += [
            f"## {board.measure}",
            f"![Gains](figures/gain-{number}.svg)",
            f"![Curves](figures/curve-{number}.svg)",
            tables.scores(study, board).markdown(),
            tables.tests(study, board).markdown(),
        ]
    for number, found in enumerate(record.pairs):
        parts += [f"## {title(found.pair)}", GAP, f"![Gaps](figures/gap-{number}.svg)"]
        parts += [f"![Truth by proxy](figures/frontier-{number}.svg)", tables.gaps(study, found).markdown()]
    if record.alarms:
        parts += ["## The hacking alarm", ALARM, tables.alarms(record.alarms).markdown()]
        if record.rung:
            parts += [RINGING, tables.ringing(record.alarms).markdown()]
    if record.trials:
        parts += ["## Tuning", tables.tuning(record.trials).markdown()]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def drawings(record: Record) -> dict[str, str]:
    """The figures that the text names: path and SVG."""
    study, files = record.study, {}
    for number, board in enumerate(record.boards):
        bars = [(f"Gain over the base: {board.measure}", figures.gains(study, board))]
        files[f"figures/gain-{number}.svg"] = figures.as_file(study, bars, legend=False)
        files[f"figures/curve-{number}.svg"] = figures.as_file(study, figures.courses(study, board))
    for number, found in enumerate(record.pairs):
        files[f"figures/gap-{number}.svg"] = figures.as_file(study, figures.gaps(study, found))
        files[f"figures/frontier-{number}.svg"] = figures.as_file(study, figures.frontiers(study, found))
    return files
