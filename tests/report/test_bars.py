"""Names and values of a chart of bars are all there."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from burnish.report.bars import Bar, bars


def names(drawing: str) -> list[str | None]:
    return [text.text for text in ET.fromstring(drawing).iter("text") if text.get("class") == "name"]


@pytest.mark.parametrize("letters", range(1, 30))
def test_a_name_is_whole_unless_it_is_very_long(letters: int) -> None:
    name = "m" * letters
    shown = name if letters <= 25 else "m" * 24 + "…"
    assert names(bars([Bar(name, 0.1, 0.02, [0.1, 0.12])], "Gain")) == [shown]


def test_values_have_a_sign_and_their_error() -> None:
    drawing = ET.fromstring(bars([Bar("a", 0.1, 0.02), Bar("b", -0.25)], "Gain"))
    values = [text.text for text in drawing.iter("text") if text.get("class") == "value"]
    assert values == ["+0.100 ± 0.020", "−0.250"]
