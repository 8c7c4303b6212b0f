from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree

import pytest

from burnish.errors import RunError
from burnish.study.exact import climb, results
from burnish.study.exact.pages import write
from burnish.study.exact.regimes import REGIMES


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The whole study, short: four worlds and two updates."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(climb, "STEPS", 2)
        patch.setattr(climb, "LENGTHS", (1.0, 2.0))
        found = results.gather(4, lambda text: None)
    out = tmp_path_factory.mktemp("theory")
    write(found, "python benchmarks/theory.py --worlds 4", out)
    return found, out


def test_the_page_tells_every_regime_and_no_nonsense(page):
    found, out = page
    text = (out / "README.md").read_text(encoding="utf-8")
    assert [each.regime.name for each in found.contests] == [each.name for each in REGIMES]
    for regime in REGIMES:
        assert f"| {regime.name} |" in text
    assert not re.search(r"\bnan\b|\binf\b|None", text)
    assert "python benchmarks/theory.py --worlds 4" in text


def test_figures_are_drawn_where_the_text_points(page):
    _, out = page
    named = re.findall(r"\((figures/[^)]+)\)", (out / "README.md").read_text(encoding="utf-8"))
    assert sorted(named) == sorted(f"figures/{path.name}" for path in (out / "figures").iterdir())
    for name in named:
        ElementTree.fromstring((out / name).read_text(encoding="utf-8"))


def test_the_html_is_self_contained(page):
    _, out = page
    text = (out / "index.html").read_text(encoding="utf-8")
    assert "<script" not in text
    assert "http" not in re.sub(r"http-equiv|http://www\.w3\.org/\S+", "", text)
    assert "**" not in text


def test_the_numbers_are_kept_with_their_tests(page):
    found, out = page
    kept = json.loads((out / "study.json").read_text(encoding="utf-8"))
    assert kept["worlds"] == 4
    assert len(kept["regimes"]) == len(REGIMES)
    assert {(row["measure"], row["baseline"]) for row in kept["tests"]} == set(results.TABLES)
    one = next(row for row in kept["tests"] if (row["regime"], row["method"]) == ("clean", "slas 2"))
    values = found.contests[0].values[one["measure"]]
    mean = sum(values["slas 2"]) / 4 - sum(values[one["baseline"]]) / 4
    assert one["mean"] == pytest.approx(mean)


def test_a_folder_that_cannot_be_written_is_named(page, tmp_path):
    found, _ = page
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write in"):
        write(found, "x", tmp_path / "file" / "theory")
