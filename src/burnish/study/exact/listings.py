"""The tables of the theory's study."""

from __future__ import annotations

from burnish.study.analysis import Mean, mean_of
from burnish.study.exact.calibration import AT_SIZE
from burnish.study.exact.claims import STDS
from burnish.study.exact.contest import MEASURES, Verdict
from burnish.study.exact.results import Results
from burnish.study.findings import amount, level, shown_p
from burnish.study.tables import Table

TUNED = ("grpo", "linear", "slas ¼", "slas ½", "slas 1", "slas 2", "shrunk")


def directions(found: Results) -> Table:
    """The solution with the mass constraint beside what is done in practice."""
    columns = [
        "rewards",
        "γ",
        "solver",
        "π·A/w",
        "natural step",
        "gradient step",
        "mass moved against A",
        "gain",
        "KL ÷ χ²/2",
    ]
    rows = [
        [d.reward, f"{d.gamma:g}"]
        + [f"{x:.3f}" for x in (d.solver, d.paper, d.softmax, d.plain, d.against, d.gain, d.kl)]
        for d in found.directions
    ]
    return Table(columns, rows)


def regions(found: Results) -> Table:
    """How the metrics divide one trust region over four prompts."""
    columns = ["metric", *(f"std {std:g}" for std in STDS), "KL, std 0.01", "KL, std 1"]
    rows = [[r.name, *map(_part, r.share_P), f"{r.kl_P[0]:.1e}", f"{r.kl_P[-1]:.1e}"] for r in found.regions]
    return Table(columns, rows)


def shared(found: Results) -> Table:
    """Directions in parameters, by what they gain for their KL."""
    rows = [[name, level(mean_of(values))] for name, values in found.shared.items()]
    return Table(["direction", "gain at equal KL"], rows)


def miscalibration(found: Results) -> Table:
    """Credit of groups without signal, and the gradient's cosine, by noise."""
    kept = [r for r in found.readings if r.size == AT_SIZE]
    noises = sorted({r.noise for r in kept})
    columns = ["advantage", *(f"noise {noise:.0%}" for noise in noises)]
    rows = []
    for name in dict.fromkeys(r.method for r in kept):
        own = {r.noise: r for r in kept if r.method == name}
        rows.append([name] + [f"{_share(own[n].share)} · {level(own[n].cosine)}" for n in noises])
    return Table(columns, rows)


def regimes(found: Results) -> Table:
    """What each regime stands for, what two scorings show of its noise, how far the short budget gets."""
    rows = []
    for each in found.contests:
        short = mean_of(each.values["short"]["linear"])
        rows.append([each.regime.name, each.regime.means, f"{each.noise:.3g}", level(short)])
    return Table(["regime", "what it is", "σ² measured", "linear, short budget"], rows, names=2)


def tuned(found: Results) -> Table:
    """True progress at the tuned step lengths."""
    rows = []
    for each in found.contests:
        values = each.values["tuned"]
        rows.append([each.regime.name] + [f"{level(mean_of(values[name]))}" for name in TUNED])
    return Table(["regime", *TUNED], rows)


def halves(found: Results) -> Table:
    """SLAS at γ = 1 taken apart: cosine against linear."""
    names = ("slas 1", "slas 1, between", "slas 1, within", "slas 1, recentred", "reinforce_pp")
    table = found.verdicts["cosine", "linear"]
    rows = [
        [c.regime.name] + [_verdict(table[c.regime.name, name]) for name in names] for c in found.contests
    ]
    return Table(["regime", *names], rows)


def clamps(found: Results) -> Table:
    """The clamp at ±5, for both orders of SLAS."""
    columns = ["regime", "advantage", "cosine", "clamped", "progress", "clamped"]
    rows = [[c.regime, c.method, *(level(mean) for mean in (*c.cosine, *c.short))] for c in found.clampings]
    return Table(columns, rows, names=2)


def rules(found: Results) -> Table:
    """What the rule chose, and whether it won on the short budget."""
    rows = []
    for each in found.contests:
        values = each.values["short"]
        powers = {name: mean_of(values[name]).mean or 0.0 for name in each.picks["rule over γ"]}
        best = max(powers, key=lambda name: powers[name])
        row = [each.regime.name]
        for rule, picks in each.picks.items():
            chosen = ", ".join(f"{name} {count}" for name, count in picks.items() if count)
            row += [chosen, _verdict(found.verdicts["short", "linear"][each.regime.name, rule])]
        rows.append([*row, f"{best} ({powers[best] - powers['linear']:+.3f})".replace("-", "−")])
    columns = [
        "regime",
        "rule over γ chose",
        "− linear",
        "rule over γ, grpo chose",
        "− linear",
        "best fixed γ",
    ]
    return Table(columns, rows, names=2)


def counts(found: Results) -> Table:
    """Better, worse and undecided over regimes, for every table of tests."""
    rows = []
    for (measure, baseline), table in found.verdicts.items():
        for name in dict.fromkeys(method for _, method in table):
            signs = [verdict.sign for (_, method), verdict in table.items() if method == name]
            rows.append([measure, f"{name} against {baseline}"] + [str(signs.count(s)) for s in (1, -1, 0)])
    order = {measure: place for place, measure in enumerate(MEASURES)}
    rows.sort(key=lambda row: order[row[0]])
    return Table(["measure", "method", "better", "worse", "undecided"], rows, names=2)


def signed(number: float) -> str:
    """Two decimals with a real minus sign."""
    return f"{number:.2f}".replace("-", "−")


def _part(share: float) -> str:
    return f"{share:.2%}" if share > 1e-4 else f"{share:.0e}"


def _share(mean: Mean) -> str:
    value = mean.mean or 0.0
    return f"{value:.1%}" if value >= 0.001 else "< 0.1%"


def _verdict(verdict: Verdict) -> str:
    star = "" if verdict.sign == 0 else " *"
    return amount(verdict.difference) + star


def tested(verdict: Verdict) -> str:
    """A difference with its p: `+0.065 ± 0.004, p < 0.001`."""
    p = "p unknown" if verdict.p is None else f"p {shown_p(verdict.p)}"
    return f"{amount(verdict.difference)}, {p}"
