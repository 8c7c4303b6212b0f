"""The process that `math_verify` asks: lines of JSON in, lines of JSON out.

It is run as a file, imports nothing of burnish, and ends itself if a comparison outlives its asker.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import resource
import signal
import sys
from typing import Any, TextIO

MEMORY = 4 * 2**30
"""Bytes of addresses that it may take."""


def main() -> None:
    """Answers until there are no more questions."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever libraries print goes elsewhere
    sys.set_int_max_str_digits(100_000)
    logging.disable(logging.CRITICAL)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    compare = load()
    for line in sys.stdin:
        question = json.loads(line)
        reply: dict[str, Any] = {}
        if question:
            signal.setitimer(signal.ITIMER_REAL, question["timeout"] + 1)  # kills, even inside C code
            reply["score"] = compare(question["said"], question["right"])
            signal.setitimer(signal.ITIMER_REAL, 0)
        say(out, reply)


def say(out: TextIO, reply: dict[str, Any]) -> None:
    """One line."""
    out.write(json.dumps(reply) + "\n")
    out.flush()


def load() -> Any:
    """The comparison; its first calls fill the parser's tables."""
    from math_verify import parse, verify

    def read(text: str) -> list[Any]:
        whole = text if "$" in text or "\\boxed" in text else f"${text}$"
        return parse(whole, parsing_timeout=None)

    def compare(said: str, right: str) -> float | None:
        try:
            gold = read(right)
        except Exception:  # noqa: BLE001  sympy raises anything
            gold = []
        if not gold:
            return None
        try:
            return float(verify(gold, read(said), timeout_seconds=None))
        except Exception:  # noqa: BLE001
            return 0.0

    compare("x^2", "\\frac{1}{2}")
    return compare


if __name__ == "__main__":
    main()
