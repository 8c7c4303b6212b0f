"""The command line: one function a command; heavy imports wait until a command needs them.

Exit codes: 0 done, 1 a bug, 2 something the user can mend (one sentence on stderr), 130 interrupted.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Callable

from burnish import __version__
from burnish.cli.benchmarks import benchmark
from burnish.cli.pictures import evaluate, sample, score, serve_reward
from burnish.cli.runs import compare, report
from burnish.cli.scenes import scenes
from burnish.cli.studies import study
from burnish.cli.training import doctor, plan, resume, train
from burnish.cli.words import Interrupted, UsageError
from burnish.errors import BurnishError

COMMANDS: dict[str, Callable[[list[str]], None]] = {
    "train": train,
    "resume": resume,
    "plan": plan,
    "doctor": doctor,
    "sample": sample,
    "evaluate": evaluate,
    "benchmark": benchmark,
    "score": score,
    "serve-reward": serve_reward,
    "compare": compare,
    "study": study,
    "report": report,
    "scenes": scenes,
}


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(arguments)
    except BurnishError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Interrupted as stop:
        print(f"interrupted; resume with: {stop}", file=sys.stderr)
        return 130
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except SystemExit as stop:  # --help and --version
        return stop.code if isinstance(stop.code, int) else 0


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0
    command, rest = arguments[0], arguments[1:]
    if command in ("--version", "-V"):
        print(f"burnish {__version__}")
        return 0
    if command not in COMMANDS:
        close = difflib.get_close_matches(command, COMMANDS, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(COMMANDS)}"
        raise UsageError(f"no command {command!r}; {hint}")
    COMMANDS[command](rest)
    return 0


def _overview() -> str:
    lines = [
        "usage: burnish COMMAND …",
        "",
        "Reinforcement-learning post-training of models that make images or read them.",
        "",
    ]
    lines += [f"  {name:12} {_summary(function)}" for name, function in COMMANDS.items()]
    lines += ["", "burnish COMMAND --help explains a command. A first run:  burnish train scenes"]
    return "\n".join(lines)


def _summary(function: Callable[..., None]) -> str:
    return (function.__doc__ or "").splitlines()[0]
