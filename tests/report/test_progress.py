import io

import pytest

from burnish.report import progress
from burnish.report.progress import Progress, clock


@pytest.fixture
def now(monkeypatch):
    """A clock that the test moves."""
    time = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: time[0])
    return time


def test_plain_lines_outside_a_terminal(now):
    out = io.StringIO()
    with Progress(60, "slas on scenes-small", file=out) as shown:
        now[0] += 2.9 * 12
        shown.update(12, reward=0.5123, held_out=0.431)
        shown.note("evaluation at step 12")
        now[0] += 2.9
        shown.update(13, reward=0.52)
    assert out.getvalue().splitlines() == [
        "slas on scenes-small",
        "step 12/60  reward 0.512  held-out 0.431  2.9 s/step  left 2:19",
        "evaluation at step 12",
        "step 13/60  reward 0.520  held-out 0.431  2.9 s/step  left 2:16",
    ]


def test_the_rate_leaves_out_what_went_before_the_first_step(now):
    out = io.StringIO()
    with Progress(10, "title", file=out) as shown:
        now[0] += 30
        shown.begin()
        now[0] += 4
        shown.update(1)
    assert out.getvalue().splitlines()[1] == "step 1/10  4.0 s/step  left 0:36"


def test_a_resumed_run_counts_its_own_steps_for_the_rate(now):
    out = io.StringIO()
    with Progress(60, "title", start=40, file=out) as shown:
        now[0] += 0.08 * 10
        shown.update(50, reward=None)
    assert out.getvalue().splitlines()[1] == "step 50/60  80 ms/step  left 0:01"


def test_lines_are_flushed_at_once(now):
    class Pipe(io.StringIO):
        flushed = 0

        def flush(self):
            self.flushed += 1

    out = Pipe()
    with Progress(3, "title", file=out) as shown:
        shown.update(1)
    assert out.flushed >= 2


def test_a_bar_on_a_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal()
    with Progress(4, "[slas] on a model", file=out) as shown:
        shown.update(1, reward=0.5)
        shown.note("a note [with brackets]")
        shown.update(4, reward=0.75, held_out=0.25)
    text = out.getvalue()
    assert "[slas] on a model" in text
    assert "a note [with brackets]" in text
    assert "reward 0.750  held-out 0.250" in text
    assert "4/4" in text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (-3, "0:00"), (59.6, "1:00"), (139.2, "2:19"), (3725, "1:02:05")]
)
def test_clock(seconds, text):
    assert clock(seconds) == text
