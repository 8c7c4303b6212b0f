"""The figures of the theory's study, each a list of charts and a legend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from burnish.report.heat import Cell, heat
from burnish.report.sheet import sheet
from burnish.report.svg import Series, curve
from burnish.study.analysis import Mean, mean_of
from burnish.study.exact.calibration import AT_NOISE, AT_SIZE
from burnish.study.exact.claims import GAMMAS, REWARDS
from burnish.study.exact.results import NOISES, SIGNALS, Results

GREY = 4
COLORS = {"grpo": GREY, "linear": 0, "slas ¼": 7, "slas ½": 1, "slas 1": 3, "slas 2": 8, "shrunk": 2}
POWERS = {"linear": 0.0, "slas ¼": 0.25, "slas ½": 0.5, "slas 1": 1.0, "slas 2": 2.0}
COLUMNS = {
    "grpo": "grpo",
    "linear": "linear",
    "slas ¼": "¼",
    "slas ½": "½",
    "slas 1": "1",
    "slas 2": "2",
    "shrunk": "shrunk",
    "rule over γ": "rule",
}
"""Methods in the tables of colours, and their headings."""
LINES = ("clean", "few alive", "rare, noise 1", "mixed noise", "outliers", "exploit")
"""Regimes drawn over γ."""


@dataclass(frozen=True)
class Figure:
    """A file's charts: title and SVG of each; the names and colours of the legend."""

    file: str
    alt: str
    charts: list[tuple[str, str]]
    legend: Sequence[tuple[str, int]]
    columns: int = 2

    def svg(self) -> str:
        """The text of the file."""
        return sheet(self.charts, self.legend, columns=self.columns)


def directions(found: Results) -> Figure:
    """First-order gain at an equal trust region, by γ."""
    kinds = [
        Series(reward, [(d.gamma, d.gain, None) for d in found.directions if d.reward == reward], color)
        for color, reward in enumerate(REWARDS)
    ]
    shared = [
        Series("metric", [_at(g, found.shared[f"metric, γ = {g:g}"]) for g in GAMMAS[1:]], 3),
        Series("gradient", [_at(g, found.shared[f"gradient, γ = {g:g}"]) for g in GAMMAS], 6),
        Series("prompt std", [_at(g, found.shared["gradient, prompt std (grpo)"]) for g in (0.0, 2.0)], GREY),
    ]
    names = [(f"rewards {s.name}", s.color) for s in kinds] + [
        ("F_w⁺∇J", 3),
        ("gradient on shaped advantages", 6),
        ("gradient, prompt std", GREY),
    ]
    return Figure(
        "directions.svg",
        "Gain at an equal trust region by γ",
        [
            ("One prompt: gain over the linear direction's", curve(kinds, "Gain by γ", axis="γ")),
            ("Shared parameters: gain over natural gradient's", curve(shared, "Gain by γ", axis="γ")),
        ],
        names,
    )


def miscalibration(found: Results) -> Figure:
    """Who gets the credit, and what it does to the gradient, by noise and group size."""
    wanted = {
        "Credit given to groups without signal": ("share", "noise"),
        "Cosine to the true gradient": ("cosine", "noise"),
        "Cosine, by group size": ("cosine", "size"),
    }
    charts = []
    for title, (measure, along) in wanted.items():
        lines = []
        for name, color in COLORS.items():
            kept = [r for r in found.readings if r.method == name]
            if along == "noise":
                points = [(100 * r.noise, getattr(r, measure)) for r in kept if r.size == AT_SIZE]
            else:
                points = [(r.size, getattr(r, measure)) for r in kept if r.noise == AT_NOISE]
            lines.append(Series(name, [(x, y.mean, y.se) for x, y in points], color))
        axis = "noise, % of the signal's std" if along == "noise" else "rollouts of a group"
        charts.append((title, curve(lines, title, axis=axis)))
    return Figure(
        "miscalibration.svg", "Credit of groups without signal", charts, list(COLORS.items()), columns=3
    )


def regimes(found: Results) -> Figure:
    """Every regime and method as coloured differences."""
    titles = {
        ("cosine", "linear"): "One update: cosine to the true gradient, against linear",
        ("short", "linear"): "Short budget: true progress, against linear",
        ("tuned", "linear"): "Tuned step length: true progress, against linear",
        ("short", "grpo"): "Short budget: true progress, against grpo",
    }
    charts = [(title, _heat(found, *table, title)) for table, title in titles.items()]
    return Figure("regimes.svg", "Regimes and methods", charts, [])


def over_gamma(found: Results) -> Figure:
    """The short budget by γ in six regimes, as differences from γ = 0."""
    table = found.verdicts["short", "linear"]
    charts = []
    for regime in LINES:
        line: list[tuple[float, Mean]] = [(0.0, Mean(0, 0.0, 0.0))]
        line += [(g, table[regime, name].difference) for name, g in POWERS.items() if g > 0]
        flat = table[regime, "grpo"].difference
        series = [
            Series("grpo", [(g, flat.mean, flat.se) for g in (0.0, 2.0)], GREY),
            Series("slas", [(g, y.mean, y.se) for g, y in line], 1),
        ]
        charts.append((regime, curve(series, regime, height=200, axis="γ")))
    names = [("slas − linear", 1), ("grpo − linear", GREY)]
    return Figure("over_gamma.svg", "True progress by γ", charts, names, columns=3)


def justified(found: Results) -> Figure:
    """The γ that the noise justifies."""
    charts = []
    for heavy in (False, True):
        lines = [
            Series(
                name,
                [
                    (100 * noise, value, None)
                    for noise, value in zip(NOISES, found.gammas[name, heavy], strict=True)
                ],
                color,
            )
            for color, name in enumerate(SIGNALS)
        ]
        title = "Best γ, heavy-tailed noise" if heavy else "Best γ, normal noise"
        charts.append((title, curve(lines, title, axis="noise, % of the signal's std")))
    return Figure(
        "justified.svg", "Best γ by noise", charts, [(name, color) for color, name in enumerate(SIGNALS)]
    )


def _at(gamma: float, values: Sequence[float]) -> tuple[float, float | None, float | None]:
    mean = mean_of(values)
    return gamma, mean.mean, mean.se


def _heat(found: Results, measure: str, baseline: str, title: str) -> str:
    names = [name for name in COLUMNS if name != baseline]
    table = found.verdicts[measure, baseline]
    rows = [each.regime.name for each in found.contests]
    cells = [
        [Cell(table[row, name].difference.mean or 0.0, table[row, name].sign != 0) for name in names]
        for row in rows
    ]
    return heat(rows, [COLUMNS[name] for name in names], cells, title, limit=0.1)
