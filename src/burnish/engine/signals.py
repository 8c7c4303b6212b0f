"""A polite stop: the first interrupt asks the loop to finish its step and save, the second ends it now."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class Stop:
    """`stop` becomes True once a signal has arrived."""

    stop: bool = False


@contextmanager
def graceful() -> Iterator[Stop]:
    """Watches SIGINT and SIGTERM; outside the main thread it watches nothing."""
    flag = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return

    def receive(number: int, frame: FrameType | None) -> None:
        if flag.stop:
            raise KeyboardInterrupt
        flag.stop = True

    previous = {number: signal.signal(number, receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield flag
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
