"""The theory's study as Markdown and as one page of HTML, from the same sections."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from burnish import __version__
from burnish.report import svg
from burnish.report.document import document, facts_of
from burnish.study.exact import answers, drawings, listings
from burnish.study.exact.climb import GROUP, LENGTHS, PARAMETERS, STEPS
from burnish.study.exact.contest import BATCHES, SHORT
from burnish.study.exact.drawings import Figure
from burnish.study.exact.regimes import OUTCOMES, PROMPTS
from burnish.study.exact.results import Results
from burnish.study.files import write_files
from burnish.study.tables import Table

TITLE = "Does the theory of SLAS hold where everything can be computed?"
DIRECTIONS = (
    "Means over random policies of eight outcomes. *solver*: lowest cosine of the closed form with SLSQP's "
    "solution; *π·A/w*, *natural step*, *gradient step*: cosine with the solution; *gain*: first order, at "
    "equal Σ(δπ)²/π, over the linear direction's."
)
SHARES = "Share of squared advantage in prompts without signal · cosine of one batch to the true gradient."
HALVES = (
    "Cosine of one update, minus linear's. *between* keeps each group's shape and weighs groups by std^γ; "
    "*within* keeps the groups' weights and bends the shape; *recentred* takes the mean of the shaped "
    "values off again."
)
RULES = "Worlds for which each advantage was chosen; true progress of the short budget, minus linear's."


@dataclass(frozen=True)
class Section:
    """A heading, answers, a figure, and tables with a line above each."""

    title: str
    answers: Sequence[str]
    figure: Figure | None
    tables: Sequence[tuple[str, Table]]


def sections(found: Results) -> list[Section]:
    """The page's parts in order."""
    return [
        Section("In short", answers.summary(found), None, []),
        Section(
            "The direction",
            answers.direction(found),
            drawings.directions(found),
            [
                (DIRECTIONS, listings.directions(found)),
                ("On shared parameters, exact credit:", listings.shared(found)),
            ],
        ),
        Section(
            "The trust region of each prompt",
            answers.trust(found),
            None,
            [("Share of one budget Σ(δπ)²/π = 0.01, by reward std of the prompt:", listings.regions(found))],
        ),
        Section(
            "The miscalibration of the prompt's std",
            answers.miscalibration(found),
            drawings.miscalibration(found),
            [(SHARES, listings.miscalibration(found))],
        ),
        Section(
            "Where it helps and where it hurts",
            answers.regimes(found),
            drawings.regimes(found),
            [
                ("The regimes:", listings.regimes(found)),
                ("True progress at tuned step lengths:", listings.tuned(found)),
                (HALVES, listings.halves(found)),
            ],
        ),
        Section("By γ", [], drawings.over_gamma(found), []),
        Section("Outliers and the clamp", answers.clamps(found), None, [("", listings.clamps(found))]),
        Section(
            "γ from the measured noise",
            answers.gammas(found),
            drawings.justified(found),
            [(RULES, listings.rules(found))],
        ),
        Section("All tests", [], None, [("Regimes by verdict:", listings.counts(found))]),
    ]


def setting(found: Results) -> list[tuple[str, str]]:
    """What all numbers share."""
    return [
        (
            "worlds",
            f"{found.worlds} a regime, each a policy of {PROMPTS} prompts × {OUTCOMES} outcomes on "
            f"{PARAMETERS} shared parameters (random features); {4 * found.worlds} for directions and "
            "miscalibration",
        ),
        ("batch", f"{PROMPTS} prompts × {GROUP} rollouts, outcomes drawn from the policy"),
        (
            "updates",
            f"{STEPS}, each the sampled gradient of the surrogate at ratio 1 scaled to one length: "
            f"{SHORT:g} for all (short), or the best of {', '.join(f'{x:g}' for x in LENGTHS)} for each "
            "method on other worlds (tuned)",
        ),
        ("progress", "exact J of the true reward: 0 at the start, 1 for the best outcome of every prompt"),
        ("linear", "batch_std = dr_grpo = rloo = slas at γ = 0: one direction, and lengths are equal here"),
        (
            "tests",
            "paired over worlds, the same draws for all; ± one standard error; * (dark in the coloured "
            "tables): p < 0.05 after Holm over all regimes and methods of a table",
        ),
        ("rule", f"{BATCHES} batches at the start, scored twice; one choice for the whole run"),
        ("burnish", __version__),
    ]


def markdown(found: Results, command: str) -> str:
    """The text of `README.md`."""
    parts = [f"# {TITLE}", f"```sh\n{command}\n```"]
    parts.append("\n".join(f"- {name}: {value}" for name, value in setting(found)))
    for section in sections(found):
        parts.append(f"## {section.title}")
        if section.answers:
            parts.append("\n".join(f"- {answer}" for answer in section.answers))
        if section.figure:
            parts.append(f"![{section.figure.alt}](figures/{section.figure.file})")
        for line, table in section.tables:
            parts += [line, table.markdown()]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def html(found: Results, command: str) -> str:
    """The text of `index.html`."""
    kicker = '<p class="kicker">burnish study · theory</p>'
    heading = f"{kicker}<h1>{escape(TITLE)}</h1>"
    head = f"<header>{heading}{facts_of(setting(found))}<pre>{escape(command)}</pre></header>"
    parts = [
        (escape(section.title), f"part-{number}", _content(section))
        for number, section in enumerate(sections(found))
    ]
    return document("theory · burnish study", head, parts, "study.json")


def write(found: Results, command: str, out: Path) -> None:
    """Writes `README.md`, `index.html`, `study.json` and `figures/`.

    Raises:
        RunError: the folder cannot be written.
    """
    files = {
        "README.md": markdown(found, command),
        "index.html": html(found, command),
        "study.json": json.dumps(found.as_dict(), ensure_ascii=False, separators=(",", ":")) + "\n",
        **{f"figures/{s.figure.file}": s.figure.svg() for s in sections(found) if s.figure},
    }
    write_files(out, files)


def _content(section: Section) -> str:
    parts = [f"<li>{_inline(answer)}</li>" for answer in section.answers]
    content = f"<ul>{''.join(parts)}</ul>" if parts else ""
    if section.figure:
        charts = "".join(
            f"<figure><figcaption>{escape(title)}</figcaption>{chart}</figure>"
            for title, chart in section.figure.charts
        )
        content += f'<div class="panels">{charts}</div>' + svg.legend(section.figure.legend)
    for line, table in section.tables:
        content += f'<p class="note">{_inline(line)}</p>{table.html()}'
    return content


def _inline(text: str) -> str:
    """Bold, emphasis and code of Markdown as HTML."""
    text = escape(text)
    for mark, tag in ((r"\*\*", "b"), (r"\*", "em"), ("`", "code")):
        text = re.sub(rf"{mark}([^*`]+?){mark}", rf"<{tag}>\1</{tag}>", text)
    return text
