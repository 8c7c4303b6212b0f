"""Processes that stand in for runs: kept, failed, interrupted, and never left behind."""

import io
import os
import signal
import sys
import threading
import time

import pytest
from tiny_study import VALUES, pretend

from burnish.errors import RunError
from burnish.study import pool as module
from burnish.study import run as conducting
from burnish.study.line import Line
from burnish.study.plan import Job, claim, finished, runs, same
from burnish.study.pool import Pool
from burnish.study.run import at_a_time, conduct, shared

SCORES = {"scenes_strict": [0.4, 0.5, 0.6]}


@pytest.fixture
def act(monkeypatch):
    """Each run is a line of Python instead, chosen by its name."""
    monkeypatch.setattr(module, "PAUSE", 0.02)

    def place(lines, default="pass"):
        monkeypatch.setattr(
            Job,
            "command",
            lambda job: [sys.executable, "-c", lines.get(job.name, default).format(job.folder)],
        )

    return place


def test_a_failure_is_told_and_the_others_go_on(ask, tmp_path, act):
    study, out = ask(), tmp_path / "s"
    for job in runs(study, out, {}):
        if job.name not in ("power-0", "power-1"):
            pretend(job, SCORES)
    act({"power-0": "import sys; print('step 1'); sys.exit('error: no room')"}, "import sys; sys.exit(3)")
    (out / "study.yaml").write_text("name: tiny\n")
    outcome = conduct(study, out, command="burnish study x", jobs=1, file=io.StringIO())
    assert [failure.job.name for failure in outcome.failures] == ["power-0", "power-1"]
    first = str(outcome.failures[0])
    assert first.startswith(f"{out}/runs/power-0 failed (exit code 1): no room; its log is {out}/logs/runs/")
    assert outcome.failures[1].code == 3
    assert "2 of 4 finished" in outcome.page.read_text()
    assert outcome.answers[1] == "power has no finished run, so nothing is known."


def test_failed_tuning_stops_the_study(ask, tmp_path, act):
    act({}, "import sys; sys.exit('error: broken')")
    study = ask(grid={"all": {"train.lr": [1e-4, 2e-4]}}, tuning_seeds=[9])
    outcome = conduct(study, tmp_path / "s", command="", file=io.StringIO())
    assert outcome.page is None
    assert len(outcome.failures) == 4
    assert not (tmp_path / "s" / "runs").exists()


def test_runs_have_their_threads_and_at_most_so_many_run(ask, tmp_path, act):
    act(
        {},
        "import os, time; begun = time.time(); time.sleep(0.2); "
        "print(os.environ['OMP_NUM_THREADS'], begun, time.time(), file=open('{0}.txt', 'w'))",
    )
    (tmp_path / "runs").mkdir()
    Pool(2, 3, tmp_path / "logs", file=io.StringIO()).run(runs(ask(), tmp_path, {}), "x")
    said = [path.read_text().split() for path in (tmp_path / "runs").glob("*.txt")]
    assert [threads for threads, _, _ in said] == ["3"] * 4
    spans = [(float(begun), float(ended)) for _, begun, ended in said]
    assert all(sum(begun <= at < ended for begun, ended in spans) <= 2 for at, _ in spans)


def test_runs_share_the_cards_evenly(ask, tmp_path, act):
    act(
        {},
        "import os; print(os.environ['CUDA_VISIBLE_DEVICES'], file=open('{0}.txt', 'w'))",
    )
    (tmp_path / "runs").mkdir()
    Pool(4, 1, tmp_path / "logs", ("2", "GPU-7"), file=io.StringIO()).run(runs(ask(), tmp_path, {}), "x")
    assert (
        sorted(path.read_text() for path in (tmp_path / "runs").glob("*.txt"))
        == ["2\n"] * 2 + ["GPU-7\n"] * 2
    )


def test_one_run_a_card_unless_told_otherwise(ask, monkeypatch):
    monkeypatch.setattr(conducting, "cores", lambda: 16)
    monkeypatch.setattr(conducting, "cards", lambda: ["0", "1", "2"])
    assert at_a_time(ask()) == 3
    assert at_a_time(ask(jobs=5)) == 5
    assert at_a_time(ask(jobs=5), 7) == 7
    elsewhere = ask(overrides=[*VALUES["overrides"], "run.device=cpu"], threads=2)
    assert (shared(elsewhere), at_a_time(elsewhere)) == ([], 8)
    monkeypatch.setattr(conducting, "cards", lambda: [])
    assert at_a_time(ask()) == 16


@pytest.mark.parametrize("stubborn", [False, True])
def test_an_interrupt_reaches_every_run_and_a_second_ends_them(ask, tmp_path, act, stubborn):
    hear = "signal.SIG_IGN" if stubborn else "lambda *a: (open('{0}.heard', 'w'), sys.exit(0))"
    act(
        {},
        f"import os, signal, sys, time; signal.signal(signal.SIGINT, {hear}); "
        "open('{0}.pid', 'w').write(str(os.getpid())); time.sleep(30)",
    )
    places = tmp_path / "runs"
    places.mkdir()

    def interrupt():
        while len([path for path in places.glob("*.pid") if path.read_text()]) < 2:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)
        if stubborn:
            time.sleep(0.3)
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    said = io.StringIO()
    with pytest.raises(KeyboardInterrupt):
        Pool(2, 1, tmp_path / "logs", file=said).run(runs(ask(), tmp_path, {}), "x")
    thread.join()
    assert "stopping: the runs finish their step and save" in said.getvalue()
    pids = [int(path.read_text()) for path in places.glob("*.pid")]
    assert len(pids) == 2
    assert len(list(places.glob("*.heard"))) == (0 if stubborn else 2)
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_folders_of_others_are_left_alone(ask, tmp_path):
    study = ask()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunError, match="is not empty and holds no study"):
        claim(study, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]
    out = tmp_path / "s"
    lock = claim(study, out)
    with pytest.raises(RunError, match="is taken"):
        claim(study, out)
    os.close(lock)
    os.close(claim(study, out))
    with pytest.raises(RunError, match="holds the study tiny, not other"):
        claim(ask(name="other"), out)


def test_a_run_with_other_settings_is_not_taken_for_ours(ask, tmp_path):
    for job in runs(ask(), tmp_path, {}):
        pretend(job, SCORES)
    same(runs(ask(), tmp_path, {}))
    changed = ask(methods={"plain": ["algorithm.preset=dance_grpo"], "power": ["train.lr=1e-5"]})
    with pytest.raises(RunError, match=r"power-0 was run with train\.lr 0\.0003, but the study says 1e-05"):
        same(runs(changed, tmp_path, {}))


def test_how_a_run_goes_on(ask, tmp_path):
    job = runs(ask(), tmp_path, {})[0]
    assert job.command()[3:5] == ["train", "scenes"]
    pretend(job, SCORES, end=False)
    assert not finished(job)
    (job.folder / "checkpoints" / "step_00000001").mkdir(parents=True)
    assert job.command()[3:] == ["resume", str(job.folder)]
    (job.folder / "checkpoints" / "step_00000001").rmdir()
    assert job.command()[3] == "train"  # nothing to resume from: the folder is made anew
    assert not job.folder.exists()


def test_the_line_counts_runs_steps_and_time(ask, tmp_path):
    jobs = runs(ask(), tmp_path, {})
    pretend(jobs[0], SCORES)
    line = Line(jobs, jobs[1:], "mine", io.StringIO())
    assert line.words([], 0, 10.0) == "mine: 1 of 4 runs done, 0 running"
    pretend(jobs[1], {"scenes_strict": [0.4, 0.5]}, end=False)
    assert line.words([jobs[1]], 1, 60.0) == (
        "mine: 1 of 4 runs done, 1 running, 1 failed, 1.0 steps/min, left 5:00"
    )
