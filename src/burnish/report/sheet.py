"""Charts as a whole SVG file: style, titles and legend inside, for a page that cannot hold them itself."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from burnish.report.svg import COLORS, WIDTH

_TITLE, _GAP, _LINE = 26, 14, 18
_LETTER = 7.2
"""Pixels of a letter, on average."""


def sheet(
    charts: Sequence[tuple[str, str]], names: Sequence[tuple[str, int]] = (), *, columns: int = 1
) -> str:
    """A file's text: the charts in rows of `columns`, and a legend below them.

    Args:
        charts: title and chart of each, from `curve` or `bars`; those without values are left out.
        names: of the legend, with the class numbers of their colours.
        columns: charts side by side.
    """
    shown = [(title, chart, _height(chart)) for title, chart in charts if chart.startswith("<svg")]
    parts, y = [], 0.0
    for first in range(0, len(shown), columns):
        row = shown[first : first + columns]
        for place, (title, chart, _) in enumerate(row):
            x = place * (WIDTH + _GAP)
            parts.append(f'<text class="head" x="{x + 20}" y="{y + 18:.0f}">{escape(title)}</text>')
            parts.append(_moved(chart, x, y + _TITLE))
        y += _TITLE + max(height for _, _, height in row) + _GAP
    wide = max(1, min(columns, len(shown))) * (WIDTH + _GAP) - _GAP
    legend, y = _legend(names, wide, y)
    style = Path(__file__).with_name("svg.css").read_text(encoding="utf-8")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{y:.0f}" '
        f'viewBox="0 0 {wide} {y:.0f}">'
        f"<style>{style} text.head {{ font-weight: 600; fill: var(--ink); }}</style>"
        f'<rect width="100%" height="100%" fill="var(--card)"/>{"".join(parts)}{legend}</svg>\n'
    )


def _height(chart: str) -> int:
    return int(chart.partition('viewBox="')[2].partition('"')[0].split()[3])


def _moved(chart: str, x: float, y: float) -> str:
    """The chart as a group at (x, y): a drawing inside a drawing would be stretched by the style."""
    head, _, content = chart.partition(">")
    kind = head.partition('class="')[2].partition('"')[0]
    return f'<g class="{kind}" transform="translate({x} {y:.0f})">{content.removesuffix("</svg>")}</g>'


def _legend(names: Sequence[tuple[str, int]], wide: float, y: float) -> tuple[str, float]:
    """Strokes and names in lines that fit, and where they end."""
    if not names:
        return "", y
    marks, x, y = [], 20.0, y + 8
    for name, color in names:
        width = 38 + _LETTER * len(name)
        if x + width > wide and x > 20:
            x, y = 20.0, y + _LINE
        marks.append(
            f'<g class="s{color % COLORS}"><rect fill="var(--c)" x="{x:.0f}" y="{y - 6:.0f}" width="14" '
            f'height="3"/><text x="{x + 20:.0f}" y="{y:.0f}">{escape(name)}</text></g>'
        )
        x += width
    return "".join(marks), y + 14
