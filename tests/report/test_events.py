import json
import os

import numpy as np
import pytest
import torch

from burnish.errors import BurnishError, RunError
from burnish.report.events import EventLog, read_events


@pytest.fixture
def log(tmp_path):
    return EventLog(tmp_path / "metrics.jsonl")


def test_one_json_line_an_event(log):
    log.append("start", 0)
    log.append("train", 1, reward=0.5, **{"reward/red\nness": 1})
    lines = log.path.read_text().splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["start", "train"]
    assert read_events(log.path)[1] | {"time": 0} == {
        "kind": "train",
        "step": 1,
        "time": 0,
        "reward": 0.5,
        "reward/red\nness": 1,
    }


def test_time_is_recorded(log, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 1767225600.5)
    log.append("start", 0)
    assert read_events(log.path)[0]["time"] == 1767225600.5


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (float("nan"), None),
        (float("-inf"), None),
        (np.float32("inf"), None),
        (np.float64(0.25), 0.25),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (torch.tensor(0.5), 0.5),
        (torch.tensor(float("nan")), None),
        (torch.tensor([1.0, float("inf")]), [1.0, None]),
        (None, None),
        ("text", "text"),
        (True, True),
        ({"a": float("nan")}, {"a": None}),
    ],
)
def test_values_become_plain_json(log, value, written):
    log.append("train", np.int64(1), value=value)
    event = read_events(log.path)[0]
    assert event["value"] == written
    assert type(event["value"]) is type(written)
    assert "NaN" not in log.path.read_text()


def test_a_value_that_no_json_holds_is_refused_and_nothing_is_written(log):
    with pytest.raises(TypeError, match="cannot carry a object"):
        log.append("train", 1, value=object())
    assert not log.path.exists()


def test_a_torn_last_line_is_skipped_when_read_and_removed_by_rewind(log):
    log.append("train", 1)
    whole = log.path.read_text()
    log.path.write_text(whole + '{"kind": "train", "st')
    assert [e["step"] for e in read_events(log.path)] == [1]
    log.rewind(1)
    log.append("train", 2)
    assert [e["step"] for e in read_events(log.path)] == [1, 2]


def test_a_last_line_torn_inside_a_character_is_skipped(log):
    log.append("train", 1)
    with log.path.open("ab") as file:
        file.write('{"kind": "tr±'.encode()[:-1])
    assert len(read_events(log.path)) == 1


@pytest.mark.parametrize("broken", ["{oops", "[1, 2]", '{"kind": "train"}', '{"step": 1}', "3"])
def test_any_other_broken_line_is_an_error_with_its_number(log, broken):
    log.append("train", 1)
    with log.path.open("a") as file:
        file.write(broken + "\n")
    log.append("train", 2)
    with pytest.raises(RunError, match="line 2"):
        read_events(log.path)


def test_a_missing_file_is_an_error_that_says_what_to_do(tmp_path):
    with pytest.raises(RunError, match="burnish train"):
        read_events(tmp_path / "metrics.jsonl")


def test_rewind_drops_later_events(log):
    for step in (0, 1, 2, 2, 3):
        log.append("train", step)
    log.rewind(2)
    assert [e["step"] for e in read_events(log.path)] == [0, 1, 2, 2]
    log.rewind(0)
    assert [e["step"] for e in read_events(log.path)] == [0]
    assert os.listdir(log.path.parent) == ["metrics.jsonl"]


def test_rewind_keeps_what_it_keeps_unchanged(log):
    log.append("train", 1, note="ünï", value=0.1)
    before = log.path.read_bytes()
    log.append("train", 2)
    log.rewind(1)
    assert log.path.read_bytes() == before


def test_rewind_of_a_fresh_run_does_nothing(log):
    log.rewind(0)
    assert not log.path.exists()


def test_a_full_disk_during_rewind_is_one_sentence_and_loses_nothing(log, monkeypatch):
    log.append("train", 1)
    log.append("train", 2)
    before = log.path.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"cannot write .*metrics\.jsonl: No space left on device; check"):
        log.rewind(1)
    assert log.path.read_bytes() == before
    assert [path.name for path in log.path.parent.iterdir()] == ["metrics.jsonl"]


def test_a_lone_surrogate_is_written_as_its_escape(log):
    log.append("health", 0, message="a\ud800 é")
    log.rewind(0)
    assert [event["message"] for event in read_events(log.path)] == ["a\ud800 é"]


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BurnishError, match="cannot write"):
        EventLog(tmp_path / "file" / "metrics.jsonl").append("start", 0)
