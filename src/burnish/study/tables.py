"""The tables of a study, once for Markdown and once for HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from burnish.study.alarms import Rates, Share
from burnish.study.budget import UNITS
from burnish.study.findings import Board, Row, amount, level
from burnish.study.parting import Parting
from burnish.study.schema import Study
from burnish.study.tuning import Trial


@dataclass(frozen=True)
class Table:
    """Column names and rows of plain text; the first `names` columns are words, the others numbers."""

    columns: list[str]
    rows: list[list[str]]
    names: int = 1

    def markdown(self) -> str:
        """As Markdown, with bars escaped."""
        rule = ["---"] * self.names + ["--:"] * (len(self.columns) - self.names)
        lines = [self.columns, rule, *self.rows]
        return (
            "\n".join("| " + " | ".join(c.replace("|", "\\|") for c in line) + " |" for line in lines) + "\n"
        )

    def html(self) -> str:
        """As HTML, in a box that scrolls."""
        head = "".join(f"<th>{escape(name)}</th>" for name in self.columns)
        body = "".join(
            "<tr>"
            + "".join(f"<th>{escape(cell)}</th>" for cell in row[:1])
            + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
            + "</tr>"
            for row in self.rows
        )
        kind = ' class="numeric"' if self.names < len(self.columns) else ""
        table = f"<table{kind}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return f'<div class="scroll">{table}</div>'


def methods(study: Study, trials: Sequence[Trial]) -> Table:
    """What each method sets, and what tuning chose."""
    chosen = {trial.label: " ".join(trial.overrides) for trial in trials if trial.chosen}
    rows = [
        [
            label + (" (baseline)" if label == study.baseline else ""),
            " ".join(words) or "–",
            chosen.get(label, "–"),
        ]
        for label, words in study.methods.items()
    ]
    columns = ["method", "its own settings", "tuned"]
    if not trials:
        return Table(columns[:2], [row[:2] for row in rows], names=2)
    return Table(columns, rows, names=3)


def scores(study: Study, board: Board) -> Table:
    """What each method gained, and how soon."""
    goal = "–" if board.target is None else f"{board.target:.3f}"
    rows = [
        [
            row.label,
            str(row.gain.n),
            level(row.base).partition(" ")[0],
            level(row.final),
            amount(row.gain),
            level(row.area),
            *_reached(row, board.target),
        ]
        for row in board.rows
    ]
    return Table(
        [
            "method",
            "seeds",
            "base",
            "final",
            "gain",
            "mean on the way",
            f"{UNITS[study.budget]} to {goal}",
            "reached by",
        ],
        rows,
    )


def _reached(row: Row, target: float | None) -> tuple[str, str]:
    if target is None or not row.gain.n:
        return "–", "–"
    return "never" if row.reach is None else f"{row.reach:,.0f}", f"{row.reached} of {row.gain.n}"


def tests(study: Study, board: Board) -> Table:
    """Each method against the baseline."""
    rows = [
        [
            row.label,
            amount(row.against.difference),
            *(_p(p) for p in (row.against.t, row.against.flip, row.p)),
            row.verdict,
        ]
        for row in board.rows
        if row.against
    ]
    columns = ["method", f"gain − {study.baseline}'s", "p, paired t", "p, sign flips", "p, Holm", "verdict"]
    return Table(columns, rows)


def gaps(study: Study, found: Parting) -> Table:
    """Proxy and truth at the end, and the truth at equal proxy, in standard deviations of the base model."""
    equal = "truth at equal proxy" + ("" if found.level is None else f", {found.level:+.2f}")
    rows = [
        [
            *(row.label, amount(row.proxy), amount(row.truth), amount(row.gap), amount(row.equal)),
            amount(row.against.difference) if row.against else "–",
            _p(row.p),
        ]
        for row in found.rows
    ]
    return Table(
        ["method", "proxy gained", "truth gained", "gap", equal, f"− {study.baseline}'s", "p, Holm"], rows
    )


def alarms(rows: Sequence[Rates]) -> Table:
    """How often the alarm erred."""
    cells = [
        [
            *_whose(row, rows),
            str(row.runs),
            *(str(row.verdicts[kind]) for kind in ("hacked", "not hacked", "open")),
            *(_share(each) for each in (row.rang, row.false, row.missed)),
        ]
        for row in rows
    ]
    columns = ["runs", "hacked", "not hacked", "open", "rang", "false alarms", "missed alarms"]
    names = _names(rows)
    return Table([*names, *columns], cells, names=len(names))


def ringing(rows: Sequence[Rates]) -> Table:
    """When it rang and what that was worth."""
    cells = [
        [
            *_whose(row, rows),
            _share(row.confirmed),
            *(f"{step:g}" if step is not None else "–" for step in (row.ringing, row.peak)),
            amount(row.saved),
        ]
        for row in rows
        if row.rang.count
    ]
    names = _names(rows)
    return Table([*names, "confirmed", "rang at step", "truth peaked at", "saved"], cells, names=len(names))


def tuning(trials: Sequence[Trial]) -> Table:
    """What every trial came to."""
    rows = [[t.label, " ".join(t.overrides), level(t.final), "taken" if t.chosen else ""] for t in trials]
    return Table(["method", "trial", "final score", ""], rows, names=2)


def _names(rows: Sequence[Rates]) -> list[str]:
    return ["method", "held out"] if len({row.held_out for row in rows}) > 1 else ["method"]


def _whose(row: Rates, rows: Sequence[Rates]) -> list[str]:
    return [row.label, row.held_out][: len(_names(rows))]


def _share(share: Share) -> str:
    """`1 of 8 [2, 41] %`."""
    if share.low is None or share.high is None:
        return "–"
    return f"{share.count} of {share.of} [{100 * share.low:.0f}, {100 * share.high:.0f}] %"


def _p(p: float | None) -> str:
    return "–" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"
