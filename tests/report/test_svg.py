import math
import re
import xml.etree.ElementTree as ET

import pytest

from burnish.report.svg import Series, bar, curve, legend, smooth, ticks, tidy


def tags(text, name):
    return [e for e in ET.fromstring(text).iter() if e.tag == name]


def test_ticks_are_round_and_inside():
    assert ticks(0, 60, 6) == [0, 10, 20, 30, 40, 50, 60]
    assert ticks(0.13, 0.72, 6) == [0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    assert ticks(-1e-5, 1e-5, 4) == [-1e-5, -5e-6, 0, 5e-6, 1e-5]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (0.5, "0.5"),
        (-0.002, "−0.002"),
        (0.00015, "1.5e-4"),
        (2e-5, "2e-5"),
        (-1e-10, "−1e-10"),
        (12345, "12345"),
        (3e9, "3e9"),
    ],
)
def test_numbers_for_the_eye(number, text):
    assert tidy(number) == text


def test_a_curve_has_its_line_band_and_tooltips():
    text = curve([Series("scenes:test", [(0, 0.25, 0.03), (10, 0.5, 0.02)])], "score")
    assert len(tags(text, "polyline")) == len(tags(text, "polygon")) == 1
    assert [e.text for e in tags(text, "title")] == [
        "scenes:test · step 0: 0.25 ± 0.03",
        "scenes:test · step 10: 0.5 ± 0.02",
    ]


def test_higher_is_drawn_higher_and_later_further_right():
    circles = tags(curve([Series("a", [(0, 1.0, None), (5, 2.0, None)])], "a"), "circle")
    (x0, y0), (x1, y1) = [(float(c.get("cx")), float(c.get("cy"))) for c in circles]
    assert x0 < x1
    assert y0 > y1


def test_a_missing_value_breaks_the_line():
    points = [(0, 1.0, None), (1, 2.0, None), (2, None, None), (3, 1.0, None), (4, 3.0, None)]
    assert len(tags(curve([Series("a", points)], "a"), "polyline")) == 2


@pytest.mark.parametrize("points", [[(0, 0.5, None)], [(0, 0.5, 0.1)], [(3, 0.0, None), (4, 0.0, None)]])
def test_one_point_or_a_constant_is_drawn(points):
    text = curve([Series("a", points)], "a")
    assert "nan" not in text
    assert len(tags(text, "circle")) == len(points)


@pytest.mark.parametrize("series", [[], [Series("a", [])], [Series("a", [(0, None, None)])]])
def test_no_values_are_said_in_words(series):
    assert "No values yet" in curve(series, "a")


def test_long_series_are_thinned_but_keep_their_ends():
    points = [(i, math.sin(i), None) for i in range(5000)]
    titles = [e.text for e in tags(curve([Series("a", points, dots=False)], "a"), "title")]
    assert len(titles) == 400
    assert "step 0:" in titles[0]
    assert "step 4999:" in titles[-1]


def test_names_are_escaped():
    text = curve([Series("<script>", [(0, 1.0, None)])], '"><b>') + bar([("<i>", 1.0)], "<u>")
    text += legend([("<b>", 0)])
    assert not re.search(r"<script|<b>|<u>|<i>", text)


def test_a_bar_is_filled_by_its_shares():
    widths = [float(r.get("width")) for r in tags(bar([("sample", 1.0), ("update", 3.0)], "time"), "rect")]
    assert widths == [250, 750]
    assert bar([("a", 0.0)], "time") == ""


def test_smooth_is_a_mean_of_the_last_known_values():
    points = [(0, 1.0, None), (1, 3.0, None), (2, None, None), (3, 5.0, None)]
    assert smooth(points, 2) == [(0, 1.0, None), (1, 2.0, None), (3, 4.0, None)]
