"""Files, tables and the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from burnish.cli import main
from burnish.errors import DataError
from burnish.evaluate.benchmarks.counting import COUNTBENCH
from burnish.evaluate.benchmarks.files import files, load
from burnish.evaluate.benchmarks.mmmu import MMMU
from burnish.evaluate.benchmarks.registry import BENCHMARKS, DRAWN
from burnish.evaluate.benchmarks.table import lines, tables, tally, wilson
from burnish.scenes.questions import questions


def judged(score, extracted="x", **groups):
    return {"score": score, "extracted": extracted, "more": {}, "counted": True, "groups": groups}


def test_wilson_by_hand():
    # 8 of 10: (0.8 + 3.8415/20 ± 1.96·√(0.016 + 3.8415/400)) / 1.38415
    assert wilson(0.8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0.0, 5) == (0.0, pytest.approx(0.4345, abs=1e-4))
    assert wilson(1.0, 4) == (pytest.approx(0.5101, abs=1e-4), 1.0)


def test_a_tally_leaves_out_what_cannot_be_scored():
    found = tally([judged(1.0), judged(0.0, None), judged(None)])
    assert (found["accuracy"], found["n"], found["unread"], found["unscored"]) == (0.5, 2, 1, 1)
    assert tally([])["accuracy"] is None


def test_groups_are_in_the_order_of_their_numbers():
    rows = [judged(1.0, number="10"), judged(0.0, number="9"), judged(1.0)]
    found = tables(COUNTBENCH, rows)
    assert list(found["groups"]["number"]) == ["9", "10", "-"]
    assert [line["by"] for line in lines(found)] == ["overall", "number", "number", "number"]


def test_of_a_folder_the_right_split_is_read(parquet, image):
    row = {"id": "validation_Art_1", "question": "? <image 1>", "options": "['a', 'b']", "answer": "A"}
    row |= {"question_type": "multiple-choice", "image_1": image()}
    for subject in ("Art", "Music"):
        for split in ("dev", "test", "validation"):
            parquet([row], f"hub/{subject}/{split}-00000-of-00001.parquet")
    folder = parquet([row], "hub/x.parquet").parent
    assert [path.parent.name for path in files(MMMU, folder)] == ["Art", "Music"]
    assert len(load(MMMU, folder)) == 2
    with pytest.raises(DataError, match=r"mathvista is read from testmini\*.parquet or .* holds dev-00000"):
        files(BENCHMARKS["mathvista"], folder)


@pytest.fixture
def counts(parquet):
    """CountBenchQA's columns over scenes of the embedded world."""
    import io

    rows = []
    for question in [q for q in questions("test", 60) if q.task == "count"][:6]:
        stream = io.BytesIO()
        question.image().save(stream, "PNG")
        picture = {"bytes": stream.getvalue(), "path": None}
        rows.append({"image": picture, "question": question.text, "text": "", "number": int(question.answer)})
    return parquet(rows)


def test_the_command_from_end_to_end(counts, tmp_path: Path, capsys):
    out = tmp_path / "out"
    words = ["benchmark", "scenes-reader", "countbench", str(counts), "--count", "4", "--rows", "2"]
    words += ["--device", "cpu", "--max-new-tokens", "24", "--ask", "Be brief."]
    assert main([*words, "--out", str(out)]) == 0
    shown = capsys.readouterr()
    assert "| overall |" in shown.out
    assert "step 4/4" in shown.err
    result = json.loads((out / "countbench.json").read_text(encoding="utf-8"))
    assert (result["benchmark"], result["count"], len(result["rows"])) == ("countbench", 4, 4)
    right = sum(row["score"] for row in result["rows"])
    assert result["overall"]["accuracy"] == right / 4
    assert sum(part["n"] for part in result["groups"]["number"].values()) == 4
    assert {"id", "question", "said", "extracted", "right", "score"} <= set(result["rows"][0])
    assert all(row["question"].endswith("\nAnswer with a number.\nBe brief.") for row in result["rows"])
    assert [path.name for path in out.iterdir()] == ["countbench.json"]
    assert main([*words, "--out", str(out)]) == 2
    assert "exists already; choose another --out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["mathvsta", "{file}"], "no benchmark 'mathvsta'; did you mean mathvista?"),
        (["xyz", "{file}"], "no benchmark 'xyz'; there are mathvista, mmmu"),
        (["countbench", "no-such-file"], "there is no file or folder no-such-file"),
        (["mathvista", "{file}"], "row 1 has no column pid: rows of mathvista have pid, image"),
        (["refcoco", "{file}"], "refcoco needs --frame: the model's boxes are pixels, resized"),
        (["refcoco", "{file}", "--frame", "inches"], "refcoco needs --frame"),
        (["countbench", "{file}", "--frame", "unit"], "countbench asks for no boxes: leave out --frame"),
        (["countbench", "{folder}/a.csv"], "a.csv is of another kind: benchmarks are read from .parquet"),
        (["countbench", "{folder}/bad.jsonl"], "bad.jsonl is not valid JSONL"),
        (["countbench", "{folder}/list.json"], "list.json does not hold rows with named columns"),
        (["countbench", "{folder}/empty.json"], "empty.json holds no rows"),
        (["countbench", "{folder}/lost.jsonl"], "lost.jsonl row 1: no picture"),
    ],
)
def test_mistakes_are_one_sentence(counts, tmp_path: Path, capsys, arguments, expected):
    (tmp_path / "a.csv").write_text("a,b\n")
    (tmp_path / "bad.jsonl").write_text('{"a": 1}\n{"a"\n')
    (tmp_path / "list.json").write_text("[1, 2]")
    (tmp_path / "empty.json").write_text("{}")
    lost = {"image": "gone.png", "question": "How many?", "number": 3}
    (tmp_path / "lost.jsonl").write_text(json.dumps(lost))
    words = [word.format(file=counts, folder=tmp_path) for word in arguments]
    assert main(["benchmark", "scenes-reader", *words, "--out", str(tmp_path / "out")]) == 2
    shown = capsys.readouterr()
    assert expected in shown.err
    assert shown.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_help_names_every_benchmark(capsys):
    assert main(["benchmark", "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in (*BENCHMARKS, *DRAWN))


def test_models_that_make_images_are_refused(counts, tmp_path: Path, capsys):
    assert main(["benchmark", "scenes-small", "countbench", str(counts), "--out", str(tmp_path / "out")]) == 2
    assert "scenes-small makes images; countbench asks models that read them" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_boxes_in_the_frame_of_the_processor(tiny_reader, parquet, image, tmp_path: Path, capsys):
    row = {"image": image(40, 24), "answer": ["it"], "bbox": [0, 0, 20, 12], "question_id": 1}
    words = ["benchmark", tiny_reader, "refcoco", str(parquet([row], "val.parquet")), "--frame", "resized"]
    words += ["--max-new-tokens", "4", "--out", str(tmp_path / "out"), "--device", "cpu", "--json"]
    assert main(words) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["overall"]["n"] == 1
    assert "rows" not in summary
