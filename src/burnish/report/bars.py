"""Bars with error bars: one row a name, from zero."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from burnish.report.svg import COLORS, WIDTH, span, ticks, tidy

_ROW, _TOP, _BOTTOM = 26, 6, 26
_LETTER = 7.2
"""Pixels of a letter, on average."""
_LETTERS = 25
"""A longer name is cut."""


@dataclass(frozen=True)
class Bar:
    """One row: a value, its standard error if known, the single values behind it, a colour's class number."""

    name: str
    value: float
    error: float | None = None
    dots: Sequence[float] = ()
    color: int = 0


def bars(rows: Sequence[Bar], label: str) -> str:
    """Horizontal bars from zero, with whiskers of ± 1 standard error and a dot for every single value."""
    if not rows:
        return '<p class="none">No values yet.</p>'
    reach = [0.0]
    for row in rows:
        reach += [row.value - (row.error or 0), row.value + (row.error or 0), *row.dots]
    low, high = span(reach, margin=0.05)
    fit = min(_LETTERS, max(len(row.name) for row in rows))
    left = 10 + _LETTER * fit
    values = [_words(row) for row in rows]
    right = WIDTH - _LETTER * max(map(len, values))
    wide, height = right - left - 12, _TOP + _ROW * len(rows) + _BOTTOM

    def px(x: float) -> float:
        return left + wide * (x - low) / (high - low)

    base = _TOP + _ROW * len(rows)
    parts = [
        f'<svg class="gains" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">',
        *(
            f'<line class="grid" x1="{px(x):.1f}" x2="{px(x):.1f}" y1="{_TOP}" y2="{base}"/>'
            f'<text class="x" x="{px(x):.1f}" y="{base + 17}">{tidy(x)}</text>'
            for x in ticks(low, high, 4)
        ),
    ]
    for place, (row, words) in enumerate(zip(rows, values, strict=True)):
        y = _TOP + _ROW * place + _ROW / 2
        first, last = sorted((px(0), px(row.value)))
        name = row.name if len(row.name) <= fit else row.name[: fit - 1] + "…"
        parts.append(
            f'<g class="s{row.color % COLORS}"><title>{escape(f"{row.name}: {words}")}</title>'
            f'<text class="name" x="{left - 8:.1f}" y="{y + 4:.1f}">{escape(name)}</text>'
            f'<rect x="{first:.1f}" y="{y - 7:.1f}" width="{last - first:.1f}" height="14"/>'
        )
        if row.error:
            a, b = px(row.value - row.error), px(row.value + row.error)
            parts.append(f'<line class="whisker" x1="{a:.1f}" x2="{b:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts += [f'<circle cx="{px(dot):.1f}" cy="{y:.1f}" r="2.6"/>' for dot in row.dots]
        parts.append(f'<text class="value" x="{right:.1f}" y="{y + 4:.1f}">{words}</text></g>')
    parts.append(f'<line class="zero" x1="{px(0):.1f}" x2="{px(0):.1f}" y1="{_TOP}" y2="{base}"/>')
    return "".join(parts) + "</svg>"


def _words(row: Bar) -> str:
    spread = "" if row.error is None else f" ± {row.error:.3f}"
    return f"{row.value:+.3f}{spread}".replace("-", "−")
