"""A study as one self-contained page."""

from __future__ import annotations

from html import escape

from burnish.report.document import document, facts_of
from burnish.study import figures, tables
from burnish.study.findings import Board, Row, amount, seeds, shown_p
from burnish.study.load import dump_study
from burnish.study.record import ALARM, GAP, RINGING, Record, title
from burnish.study.schema import Study


def html(record: Record) -> str:
    """The text of `index.html`."""
    study = record.study
    cards = "".join(_card(study, row) for row in record.boards[0].rows)
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in record.notes)
    sections = [("Answer", "answer", f'<div class="cards">{cards}</div>{notes}')]
    for number, board in enumerate(record.boards):
        sections.append((escape(str(board.measure)), f"measure-{number}", _board(study, board, number == 0)))
    for number, found in enumerate(record.pairs):
        kinds = (figures.gaps(study, found), figures.frontiers(study, found))
        charts = "".join(figures.as_html(study, charts) for charts in kinds)
        if len(kinds[0]) == 1:
            charts = f'<div class="panels">{charts}</div>'
        content = f'<p class="note">{escape(GAP)}</p>{charts}{tables.gaps(study, found).html()}'
        sections.append((escape(title(found.pair)), f"gap-{number}", content))
    if record.alarms:
        sections.append(("The hacking alarm", "alarm", _alarm(record)))
    if record.trials:
        sections.append(("Tuning", "tuning", tables.tuning(record.trials).html()))
    sections.append(("Setting", "setting", _setting(record)))
    return document(f"{study.name} · burnish study", _header(record), sections, "study.json")


def _header(record: Record) -> str:
    study = record.study
    notices = "".join(
        f'<p class="notice" role="alert"><b>A run failed.</b> {escape(failure)}</p>'
        for failure in record.failures
    )
    kicker = f'<p class="kicker">burnish study · {escape(study.name)}</p>'
    heading = f"<h1>{escape(study.question)}</h1>"
    return f"<header>{kicker}{heading}{facts_of(record.facts)}{notices}</header>"


def _card(study: Study, row: Row) -> str:
    head = f'<p class="set">{escape(row.label)} <span>{seeds(row.gain.n)}</span></p>'
    numbers = f'<p class="numbers"><b>{escape(amount(row.gain))}</b></p>'
    if row.against is None:
        return f'<div class="card">{head}{numbers}<p class="gain">the baseline</p></div>'
    kind = {"better": "up", "worse": "down", "undecided": "same"}[row.verdict]
    p = "p unknown" if row.p is None else f"p {shown_p(row.p)} after Holm"
    word = "against" if row.verdict == "undecided" else "than"
    difference = escape(amount(row.against.difference)).replace(" ", "&nbsp;")
    verdict = f"<b>{row.verdict}</b> {word} {escape(study.baseline)} ({difference})"
    verdict += f", {escape(p)}, n = {row.against.n}"
    return f'<div class="card">{head}{numbers}<p class="gain {kind}">{verdict}</p></div>'


def _board(study: Study, board: Board, decides: bool) -> str:
    kind = "decides" if decides else "also measured"
    caption = f"<figcaption>Gain over the base <span>{kind}</span></figcaption>"
    bars = f"<figure>{caption}{figures.gains(study, board)}</figure>"
    charts = figures.courses(study, board)
    curves = figures.as_html(study, charts)
    drawn = f'<div class="panels">{bars}{curves if len(charts) == 1 else ""}</div>'
    drawn += "" if len(charts) == 1 else curves
    return drawn + tables.scores(study, board).html() + tables.tests(study, board).html()


def _alarm(record: Record) -> str:
    content = f'<p class="note">{escape(ALARM)}</p>{tables.alarms(record.alarms).html()}'
    if record.rung:
        content += f'<p class="note">{escape(RINGING)}</p>{tables.ringing(record.alarms).html()}'
    return content


def _setting(record: Record) -> str:
    study = record.study
    return (
        f"<pre>{escape(record.command)}</pre>{tables.methods(study, record.trials).html()}"
        f"<details><summary>study.yaml</summary><pre>{escape(dump_study(study))}</pre></details>"
    )
