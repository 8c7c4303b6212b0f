"""A whole study on the bundled model, through the command line."""

import json

import pytest
import yaml
from tiny_study import VALUES

from burnish.cli import main


def test_a_study_runs_is_kept_and_resumed(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    overrides = [word for word in VALUES["overrides"] if not word.startswith("train.")]
    steps = ["train.steps=1", "train.checkpoint_every=1"]
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({**VALUES, "overrides": overrides + steps}))
    command = ["study", "mine.yaml", "--jobs", "2", "--seeds", "0"]
    assert main(command) == 0
    out = tmp_path / "runs" / "study-tiny"
    said = capsys.readouterr().out
    assert "tiny: 2 of 2 runs done, 0 running" in said
    assert f"page: {out.relative_to(tmp_path)}/index.html" in said
    before = {path: path.stat().st_mtime_ns for path in (out / "runs").glob("*/metrics.jsonl")}
    assert sorted(path.parent.name for path in before) == ["plain-0", "power-0"]
    first = json.loads((out / "study.json").read_text())
    assert first["measures"][0]["methods"]["power"]["gain"]["n"] == 1

    (out / "runs" / "power-0" / "report.html").unlink()  # as if it had been killed while it wrote
    assert main(command) == 0
    after = {path: path.stat().st_mtime_ns for path in before}
    changed = [path.parent.name for path in before if after[path] != before[path]]
    assert changed in ([], ["power-0"])
    assert (out / "runs" / "power-0" / "report.html").is_file()
    assert json.loads((out / "study.json").read_text())["measures"] == first["measures"]

    capsys.readouterr()
    assert main([*command, "--dry-run"]) == 0
    assert capsys.readouterr().out.count("finished") == 2


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["qiuck"], "no study named 'qiuck'; did you mean quick?"),
        (["none.yaml"], "no study file none.yaml"),
        ([], "name a study, such as quick"),
        (["quick", "--seeds", "a"], "'a' is not a list of whole numbers"),
        (["quick", "--seeds", "1,1"], "seeds [1, 1] must be distinct"),
        (["slas", "--seeds", "100"], "seeds and tuning_seeds share 100"),
        (["quick", "--jobs", "0"], "0 is below 1"),
        (["quick", "--out", "."], ". is not empty and holds no study: choose another --out"),
        (["large"], "model.path='runs/scenes-large' does not exist; give"),
    ],
)
def test_mistakes_are_one_sentence_and_exit_code_2(tmp_path, monkeypatch, capsys, arguments, expected):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    assert main(["study", *arguments]) == 2
    error = capsys.readouterr().err
    assert expected in error
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_list_and_the_plan(capsys):
    assert main(["study", "--list"]) == 0
    assert "together" in capsys.readouterr().out
    assert main(["study", "quick", "--dry-run", "--seeds", "7"]) == 0
    planned = capsys.readouterr().out
    assert "runs/study-quick/runs/slas_chunk-7" in planned
    assert "3 runs, at most 6,912 rollouts in all" in planned


def test_failures_end_with_code_1_and_interrupts_say_how_to_go_on(tmp_path, monkeypatch, capsys):
    from burnish.study import run as module

    monkeypatch.setattr(module, "conduct", lambda *a, **k: module.Outcome(None, [], ["runs/a-0 failed"]))
    assert main(["study", "quick", "--out", str(tmp_path / "s")]) == 1
    assert "error: runs/a-0 failed\n" in capsys.readouterr().err

    def interrupted(*a, **k):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "conduct", interrupted)
    assert main(["study", "quick", "--jobs", "1"]) == 130
    assert capsys.readouterr().err == "interrupted; resume with: burnish study quick --jobs 1\n"
