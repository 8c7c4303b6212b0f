"""Mathematics: whether two expressions are equal, by `math-verify` in a process that can be killed.

An expression like 9^9^9^9 keeps sympy busy for ever, inside code that no exception interrupts.
"""

from __future__ import annotations

import importlib.util
import json
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

from burnish.errors import RewardError
from burnish.rewards.text.extract import answer_of, check_place, truth
from burnish.rewards.text.match import check_number
from burnish.types import Completion, Prompt

CHILD = Path(__file__).with_name("math_child.py")
START = 120.0
"""Seconds that the process may take to load sympy."""
LONGEST = 1000
"""Characters of an answer; a longer one earns 0."""


def math_verify(where: str = "boxed", column: str | None = None, timeout: float = 5.0) -> MathVerify:
    """1 where the answer equals the right one as mathematics; 0 also where comparing takes too long.

    None where nothing of the right answer can be read.

    Args:
        where: `answer`, `boxed`, `last` or `whole`.
        column: of the right answer; None looks for it.
        timeout: seconds for one comparison, from 0.01 to 3600.

    Raises:
        RewardError: the package is missing, or an option is malformed.
    """
    return MathVerify(where, column, timeout)


class MathVerify:
    """The reward and its process, which starts with the first answer and again after it was killed."""

    def __init__(self, where: str, column: str | None, timeout: float):
        check_place(where)
        if importlib.util.find_spec("math_verify") is None:
            raise RewardError("reward math_verify needs the package math-verify: pip install 'burnish[math]'")
        check_number("math_verify", "timeout", timeout, 0.01, 3600)
        self.where, self.column, self.timeout = where, column, float(timeout)
        self.process: subprocess.Popen[bytes] | None = None

    def __call__(self, completions: list[Completion], prompts: list[Prompt]) -> list[float | None]:
        """1, 0 or None for each completion; the same comparison is made once."""
        known: dict[tuple[str, str], float | None] = {}
        found: list[float | None] = []
        for completion, prompt in zip(completions, prompts, strict=True):
            said, right = answer_of(completion.text, self.where), str(truth(prompt, self.column))
            if not said or len(said) > LONGEST:
                found.append(0.0)
                continue
            if (said, right) not in known:
                known[said, right] = self.compare(said, right)
            found.append(known[said, right])
        return found

    def compare(self, said: str, right: str) -> float | None:
        """1 if equal, else 0; None if `right` cannot be read."""
        process = self._started()
        reply = _exchange(process, {"said": said, "right": right, "timeout": self.timeout}, self.timeout)
        if reply is None:
            self.close()
            return 0.0
        return reply["score"]

    def close(self) -> None:
        """Ends the process."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            for stream in (self.process.stdin, self.process.stdout):
                if stream is not None:
                    stream.close()
            self.process = None

    def __del__(self) -> None:
        if getattr(self, "process", None) is not None:
            self.close()

    def _started(self) -> subprocess.Popen[bytes]:
        if self.process is not None and self.process.poll() is None:
            return self.process
        self.close()
        self.process = subprocess.Popen(  # noqa: S603  our own file, no shell
            [sys.executable, "-P", str(CHILD)],  # -P: our math.py must not hide Python's
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        if _exchange(self.process, {}, START) is None:
            self.close()
            raise RewardError("math_verify: its process does not start; try python -c 'import math_verify'")
        return self.process


def _exchange(process: subprocess.Popen[bytes], question: dict[str, Any], timeout: float) -> Any:
    """The process's answer, one line of JSON; None if it dies or takes longer than `timeout` seconds."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(question).encode() + b"\n")
        if not select.select([process.stdout], [], [], timeout)[0]:
            return None
        return json.loads(process.stdout.readline())
    except (OSError, ValueError):
        return None
