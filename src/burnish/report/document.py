"""A self-contained page: style inside, no scripts, no network, for the screen, the dark and the printer."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from burnish import __version__

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def document(title: str, header: str, sections: Sequence[tuple[str, str, str]], source: str) -> str:
    """A page of HTML; `sections` are heading, id and content, and empty ones are left out.

    `title` and `source`, the file it was written from, are text; everything else is HTML already.
    """
    style = "".join(
        Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("svg.css", "style.css")
    )
    body = "".join(
        f'<section id="{name}"><h2>{heading}</h2>{content}</section>'
        for heading, name, content in sections
        if content
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>{style}</style></head>\n<body><main>{header}{body}"
        f"<footer>Written by burnish {escape(__version__)} from <code>{escape(source)}</code>.</footer>"
        "</main></body></html>\n"
    )


def facts_of(facts: Sequence[tuple[str, Any]]) -> str:
    """Names over values, side by side; values of None or no text are left out."""
    items = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(str(value))}</dd></div>"
        for name, value in facts
        if value not in (None, "")
    )
    return f'<dl class="facts">{items}</dl>'
