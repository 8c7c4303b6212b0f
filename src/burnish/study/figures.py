"""The figures of a study: bars of gains, curves with bands, gaps; the baseline is grey in all of them."""

from __future__ import annotations

from html import escape

from burnish.report import svg
from burnish.report.bars import Bar, bars
from burnish.report.sheet import sheet
from burnish.report.svg import Point, Series, curve, span
from burnish.study.budget import UNITS
from burnish.study.findings import Board
from burnish.study.parting import Parting
from burnish.study.schema import Study

_GREY, _COLORS = 4, (0, 1, 2, 3, 6, 7, 8, 9, 5)
TOGETHER = 4
"""Up to so many methods share one chart; more are drawn one by one beside the baseline."""

Charts = list[tuple[str, str]]
"""Title and chart."""


def colors(study: Study) -> dict[str, int]:
    """Class number of each method's colour."""
    others = {label: _COLORS[place % len(_COLORS)] for place, label in enumerate(study.others)}
    return {label: others.get(label, _GREY) for label in study.methods}


def gains(study: Study, board: Board) -> str:
    """A bar a method: mean gain over the base, ± one standard error, a dot a seed."""
    palette = colors(study)
    rows = [
        Bar(row.label, row.gain.mean, row.gain.se, row.gains, palette[row.label])
        for row in board.rows
        if row.gain.mean is not None
    ]
    return bars(rows, f"Gain of {board.measure} by method")


def courses(study: Study, board: Board) -> Charts:
    """Curves of one measure: together, or each method beside the baseline."""
    return _charts(
        study, {row.label: row.curve for row in board.rows}, f"{board.measure}", UNITS[study.budget]
    )


def gaps(study: Study, found: Parting) -> Charts:
    """How far the proxy runs ahead of the truth, by what was spent."""
    return _charts(
        study, {row.label: row.curve for row in found.rows}, "Proxy ahead of truth", UNITS[study.budget]
    )


def frontiers(study: Study, found: Parting) -> Charts:
    """What the truth has gained by what the proxy has: a higher line paid less for its proxy."""
    lines = {row.label: row.course for row in found.rows}
    return _charts(study, lines, "Truth's gain", "proxy's gain, standard deviations")


def as_file(study: Study, charts: Charts, *, legend: bool = True) -> str:
    """Charts as one SVG file; a lone one has a legend unless told otherwise."""
    many = len(charts) > 1
    names = list(colors(study).items()) if legend and not many else []
    return sheet(charts, names, columns=3 if len(charts) > 4 else 2 if many else 1)


def as_html(study: Study, charts: Charts) -> str:
    """Charts as figures of a page."""
    key = svg.legend(list(colors(study).items())) if len(charts) == 1 else ""
    figures = "".join(
        f"<figure><figcaption>{escape(title)}</figcaption>{chart}{key}</figure>" for title, chart in charts
    )
    return f'<div class="panels small">{figures}</div>' if len(charts) > 1 else figures


def _charts(study: Study, lines: dict[str, list[Point]], title: str, axis: str) -> Charts:
    palette = colors(study)
    series = {label: Series(label, points, palette[label]) for label, points in lines.items()}
    if len(series) <= TOGETHER:
        order = [label for label in series if label != study.baseline]
        shown = [series[label] for label in (study.baseline, *order)]
        return [(title, curve(shown, f"{title} by {axis}", axis=axis))]
    heights = [
        y + sign * (e or 0.0)
        for points in lines.values()
        for _, y, e in points
        if y is not None
        for sign in (-1, 1)
    ]
    within = span(heights, margin=0.06) if heights else None
    return [
        (
            f"{label} beside {study.baseline}",
            curve(
                [series[study.baseline], series[label]],
                f"{title} by {axis}: {label}",
                axis=axis,
                height=200,
                small=True,
                within=within,
            ),
        )
        for label in study.others
    ]
