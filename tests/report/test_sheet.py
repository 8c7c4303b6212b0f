import xml.etree.ElementTree as ET

from burnish.report.bars import Bar, bars
from burnish.report.sheet import sheet
from burnish.report.svg import Series, curve


def elements(text, name, kind=None):
    found = [e for e in ET.fromstring(text).iter() if e.tag.endswith(name)]
    return [e for e in found if kind is None or e.get("class") == kind]


def test_bars_begin_at_zero_and_show_each_value():
    text = bars([Bar("up", 0.2, 0.05, [0.1, 0.3]), Bar("down", -0.1, None, [], 4)], "gains")
    up, down = elements(text, "rect")
    zero = float(elements(text, "line", "zero")[0].get("x1"))
    assert float(up.get("x")) == zero
    assert abs(float(down.get("x")) + float(down.get("width")) - zero) < 0.2
    assert float(up.get("width")) > float(down.get("width"))
    assert len(elements(text, "circle")) == 2
    assert len(elements(text, "line", "whisker")) == 1
    assert [e.text for e in elements(text, "text", "value")] == ["+0.200 ± 0.050", "−0.100"]
    assert bars([], "gains") == '<p class="none">No values yet.</p>'


def test_long_names_are_cut_and_odd_ones_escaped():
    text = bars([Bar("<" + 60 * "a", 1.0)], "gains")
    assert elements(text, "text", "name")[0].text.endswith("…")


def test_a_sheet_is_a_drawing_of_its_own():
    line = curve([Series("a", [(0, 1.0, 0.0), (1, 2.0, 0.5)])], "a")
    text = sheet([("first", line), ("second", line), ("none", curve([], "none"))], [("a", 0)], columns=2)
    root = ET.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(elements(text, "svg")) == 1
    assert [e.text for e in elements(text, "text", "head")] == ["first", "second"]
    assert len(elements(text, "polyline")) == 2
    assert "--c0" in elements(text, "style")[0].text


def test_charts_can_share_their_heights():
    low = curve([Series("a", [(0, 0.0, None), (1, 0.1, None)])], "a", within=(0.0, 1.0))
    ys = [float(e.get("cy")) for e in elements(low, "circle")]
    assert abs(ys[0] - ys[1]) < 30


def test_a_band_begins_where_the_error_is_zero():
    text = curve([Series("a", [(0, 1.0, 0.0), (5, 2.0, 0.5)])], "a")
    assert len(elements(text, "polygon")) == 1
    assert elements(curve([Series("a", [(0, 1.0, 0.0), (5, 2.0, 0.0)])], "a"), "polygon") == []
