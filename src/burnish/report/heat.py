"""A table of differences as colours: green above zero, orange below, pale where nothing is proven."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from burnish.report.svg import WIDTH

_ROW, _TOP, _LETTER = 22, 24, 7.2


@dataclass(frozen=True)
class Cell:
    """A difference, and whether it is more than chance."""

    value: float
    sure: bool


def heat(
    rows: Sequence[str], columns: Sequence[str], cells: Sequence[Sequence[Cell]], label: str, limit: float
) -> str:
    """A chart with a row a name and a column a name; the colour is full at ±`limit`.

    Values have three decimals and no leading zero; those that are not sure are grey on a pale ground.
    """
    left = 14 + _LETTER * max(map(len, rows))
    wide = (WIDTH - left) / len(columns)
    height = _TOP + _ROW * len(rows) + 6
    parts = [f'<svg class="heat" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">']
    parts += [
        f'<text class="x" x="{left + wide * (place + 0.5):.1f}" y="{_TOP - 8}">{escape(name)}</text>'
        for place, name in enumerate(columns)
    ]
    for line, (name, row) in enumerate(zip(rows, cells, strict=True)):
        y = _TOP + _ROW * line
        parts.append(f'<text class="name" x="{left - 8:.1f}" y="{y + 15}">{escape(name)}</text>')
        for place, cell in enumerate(row):
            parts.append(_drawn(cell, left + wide * place, y, wide, limit, f"{name}, {columns[place]}"))
    return "".join(parts) + "</svg>"


def _drawn(cell: Cell, x: float, y: float, wide: float, limit: float, name: str) -> str:
    kind = "up" if cell.value > 0 else "down"
    strength = min(1.0, abs(cell.value) / limit) * (0.75 if cell.sure else 0.15)
    text = f"{cell.value:+.3f}".replace("0.", ".", 1).replace("-", "−")
    style = "cell" if cell.sure else "cell unsure"
    return (
        f'<g><title>{escape(f"{name}: {text}")}</title><rect class="{kind}" x="{x + 1:.1f}" y="{y + 1}" '
        f'width="{wide - 2:.1f}" height="{_ROW - 2}" fill-opacity="{strength:.2f}"/>'
        f'<text class="{style}" x="{x + wide / 2:.1f}" y="{y + 15}">{text}</text></g>'
    )
