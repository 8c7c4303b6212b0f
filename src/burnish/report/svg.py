"""Curves and bars as inline SVG: no scripts, colours from the page's style sheet (classes `s0` … `s9`)."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 440, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 14, 12, 36
COLORS = 10
_MOST = 400
"""Points drawn of one series; longer ones are thinned evenly."""
Point = tuple[float, float | None, float | None]
Scale = Callable[[float], float]


@dataclass(frozen=True)
class Series:
    """One line: `points` are (step, value or None, standard error or None); `color` is a class number."""

    name: str
    points: Sequence[Point]
    color: int = 0
    dots: bool = True


def curve(
    series: Sequence[Series],
    label: str,
    *,
    height: int = HEIGHT,
    small: bool = False,
    within: tuple[float, float] | None = None,
    axis: str = "step",
) -> str:
    """A line chart over steps with ticks, bands of ± 1 standard error and native tooltips.

    A value of None breaks its line. Without any value the chart is one sentence. `within` sets the lowest and
    highest value shown, so that several charts can share them. `axis` names what lies along the bottom.
    """
    shown = [Series(s.name, _thinned(s.points), s.color, s.dots) for s in series]
    known = [(x, y, e or 0.0) for s in shown for x, y, e in s.points if y is not None]
    if not known:
        return '<p class="none">No values yet.</p>'
    x_low, x_high = span([x for x, _, _ in known], margin=0.0)
    y_low, y_high = within or span([y + sign * e for _, y, e in known for sign in (-1, 1)], margin=0.06)
    wide, tall = WIDTH - _LEFT - _RIGHT, height - _TOP - _BOTTOM

    def px(x: float) -> float:
        return _LEFT + wide * (x - x_low) / (x_high - x_low)

    def py(y: float) -> float:
        return _TOP + tall * (1 - (y - y_low) / (y_high - y_low))

    parts = [
        f'<svg class="curve{" small" if small else ""}" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(label)}">'
    ]
    for y in ticks(y_low, y_high, 4 if small else 6):
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{py(y):.1f}" y2="{py(y):.1f}"/>'
        )
        parts.append(f'<text class="y" x="{_LEFT - 7}" y="{py(y) + 4:.1f}">{tidy(y)}</text>')
    base = _TOP + tall
    parts.append(f'<line class="axis" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{base}" y2="{base}"/>')
    for x in ticks(x_low, x_high, 6):
        if axis != "step" or x == int(x):
            parts.append(
                f'<line class="axis" x1="{px(x):.1f}" x2="{px(x):.1f}" y1="{base}" y2="{base + 4}"/>'
            )
            parts.append(f'<text class="x" x="{px(x):.1f}" y="{base + 17}">{tidy(x)}</text>')
    parts.append(f'<text class="x title" x="{_LEFT + wide / 2}" y="{height - 4}">{escape(axis)}</text>')
    parts += [_drawn(each, px, py, axis) for each in shown]
    return "".join(parts) + "</svg>"


def bar(shares: Sequence[tuple[str, float]], label: str) -> str:
    """One horizontal bar, stacked from positive amounts; names and amounts are in the tooltips."""
    total = sum(amount for _, amount in shares)
    if total <= 0:
        return ""
    parts = [
        '<svg class="bar" viewBox="0 0 1000 28" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(label)}">'
    ]
    x = 0.0
    for color, (name, amount) in enumerate(shares):
        width = 1000 * amount / total
        tip = escape(f"{name}: {tidy(amount)} s, {amount / total:.0%}")
        parts.append(
            f'<rect class="s{color % COLORS}" x="{x:.2f}" y="0" width="{width:.2f}" height="28">'
            f"<title>{tip}</title></rect>"
        )
        x += width
    return "".join(parts) + "</svg>"


def legend(names: Sequence[tuple[str, int]]) -> str:
    """Names beside a stroke of their colour."""
    items = [f'<li><i class="s{color % COLORS}"></i>{escape(name)}</li>' for name, color in names]
    return f'<ul class="legend">{"".join(items)}</ul>'


def ticks(low: float, high: float, count: int) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) within [low, high], about `count` of them."""
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    gap = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.75)
    first, last = math.ceil(low / gap - 1e-9), math.floor(high / gap + 1e-9)
    digits = max(0, 2 - math.floor(math.log10(gap)))
    return [round(n * gap, digits) for n in range(first, last + 1)]


def tidy(number: float) -> str:
    """A number for the eye: 0.51, 12, 2e-5, −3; a real minus sign."""
    if number == 0:
        return "0"
    size = abs(number)
    text = f"{number:.0f}" if 1000 <= size < 1e6 else f"{number:.3g}"
    if size < 1e-3 and "e" not in text:
        digits, power = f"{number:.2e}".split("e")
        text = f"{digits.rstrip('0').rstrip('.')}e{power}"
    text = text.replace("e-0", "e-").replace("e+0", "e")
    return "−" + text[1:] if number < 0 else text


def smooth(points: Sequence[Point], window: int) -> list[Point]:
    """Mean of the last `window` known values at each step."""
    recent: list[float] = []
    means: list[Point] = []
    for x, y, _ in points:
        if y is not None:
            recent = [*recent, y][-window:]
            means.append((x, sum(recent) / len(recent), None))
    return means


def span(values: Sequence[float], margin: float) -> tuple[float, float]:
    """Lowest and highest with a margin, a share of their distance; never empty."""
    low, high = min(values), max(values)
    if high - low <= max(1e-9 * max(abs(low), abs(high)), 1e-200):
        pad = abs(low) * 0.1 if abs(low) > 1e-200 else 1.0
        return low - pad, high + pad
    pad = margin * (high - low)
    return low - pad, high + pad


def _drawn(series: Series, px: Scale, py: Scale, axis: str) -> str:
    parts = [f'<g class="s{series.color % COLORS}{"" if series.dots else " faint"}">']
    for run in _unbroken(series.points):
        sure = [(x, y, e) for x, y, e in run if e is not None]
        if len(sure) > 1 and any(e for _, _, e in sure):
            edge = [(x, y + e) for x, y, e in sure] + [(x, y - e) for x, y, e in reversed(sure)]
            parts.append(f'<polygon points="{_path(edge, px, py)}"/>')
        elif len(sure) == 1:
            x, y, whisker = sure[0]
            at = f"{px(x):.1f}"
            parts.append(
                f'<line class="whisker" x1="{at}" x2="{at}" y1="{py(y - whisker):.1f}" '
                f'y2="{py(y + whisker):.1f}"/>'
            )
        if len(run) > 1:
            parts.append(f'<polyline points="{_path([(x, y) for x, y, _ in run], px, py)}"/>')
        visible = len(run) == 1 or (series.dots and len(series.points) <= 40)
        for x, y, e in run:
            tip = escape(f"{series.name} · {axis} {tidy(x)}: {y:.4g}" + (f" ± {e:.2g}" if e else ""))
            kind = "" if visible else ' class="touch"'
            parts.append(
                f'<circle{kind} cx="{px(x):.1f}" cy="{py(y):.1f}" r="{3 if visible else 5}">'
                f"<title>{tip}</title></circle>"
            )
    return "".join(parts) + "</g>"


def _unbroken(points: Sequence[Point]) -> list[list[tuple[float, float, float | None]]]:
    runs: list[list[tuple[float, float, float | None]]] = [[]]
    for x, y, e in points:
        if y is None:
            runs.append([])
        else:
            runs[-1].append((x, y, e))
    return [run for run in runs if run]


def _path(points: Sequence[tuple[float, float]], px: Scale, py: Scale) -> str:
    return " ".join(f"{px(x):.1f},{py(y):.1f}" for x, y in points)


def _thinned(points: Sequence[Point]) -> list[Point]:
    if len(points) <= _MOST:
        return list(points)
    return [points[round(i * (len(points) - 1) / (_MOST - 1))] for i in range(_MOST)]
