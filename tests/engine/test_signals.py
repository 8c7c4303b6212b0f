from __future__ import annotations

import os
import signal
import threading

import pytest

from burnish.engine.signals import graceful


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_first_signal_asks_and_second_ends(number: signal.Signals) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with graceful() as flag:
        assert not flag.stop
        os.kill(os.getpid(), number)
        assert flag.stop
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_signals_of_two_kinds_count_together() -> None:
    with graceful() as flag:
        os.kill(os.getpid(), signal.SIGTERM)
        assert flag.stop
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_handlers_are_restored_after_an_error() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with pytest.raises(RuntimeError, match="inside"), graceful():
        raise RuntimeError("inside")
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_a_new_block_starts_afresh() -> None:
    with graceful() as one:
        os.kill(os.getpid(), signal.SIGTERM)
    with graceful() as two:
        assert one.stop
        assert not two.stop


def test_nothing_is_watched_outside_the_main_thread() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    seen: list[object] = []

    def work() -> None:
        with graceful() as flag:
            seen.extend((flag.stop, signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False, *before]
