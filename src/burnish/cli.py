"""The command line: one function a command; heavy imports wait until a command needs them.

Exit codes: 0 done, 1 a bug, 2 something the user can mend (one sentence on stderr), 130 interrupted.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from burnish import __version__
from burnish.errors import BurnishError


class UsageError(BurnishError):
    """Arguments that a command does not understand."""


class Interrupted(Exception):
    """Ctrl-C during a run that can be resumed."""


class _Parser(argparse.ArgumentParser):
    """A parser that complains in one sentence."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(arguments)
    except BurnishError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Interrupted as stop:
        print(f"interrupted; resume with: burnish resume {stop}", file=sys.stderr)
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
    lines = ["usage: burnish COMMAND …", "", "Reinforcement-learning post-training of image models.", ""]
    lines += [f"  {name:12} {_summary(function)}" for name, function in COMMANDS.items()]
    lines += ["", "burnish COMMAND --help explains a command. A first run:  burnish train scenes"]
    return "\n".join(lines)


def _summary(function: Callable[..., None]) -> str:
    return (function.__doc__ or "").splitlines()[0]


def _parser(command: str, usage: str) -> _Parser:
    return _Parser(
        prog=f"burnish {command}",
        usage=f"burnish {command} {usage}",
        description=COMMANDS[command].__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def _train(rest: list[str]) -> None:
    """Train a model by a recipe: a bundled name (scenes, flux_dev_lora), a YAML file or a run folder.

    Any leaf can be overridden: burnish train scenes algorithm.preset=chunk_grpo train.lr=1e-4 run.dir=runs/b
    """
    parser = _parser("train", "[RECIPE] [key.sub=value …] [--dry-run]")
    parser.add_argument("words", nargs="*", metavar="RECIPE key.sub=value", help="default recipe: scenes")
    parser.add_argument("--dry-run", action="store_true", help="print the resolved recipe and stop")
    options = parser.parse_intermixed_args(rest)
    recipe = _recipe(options.words)
    if options.dry_run:
        from burnish.recipes.load import dump_yaml

        print(dump_yaml(recipe), end="")
        return
    from burnish.train.run import train

    _print_folder(_resumable(recipe.run.dir, lambda: train(recipe)))


def _resume(rest: list[str]) -> None:
    """Continue a run from its newest checkpoint, exactly as if it had not stopped."""
    parser = _parser("resume", "RUN [--steps N]")
    parser.add_argument("run", metavar="RUN", help="folder of the run")
    parser.add_argument("--steps", type=_at_least(0), help="new total of training steps")
    options = parser.parse_intermixed_args(rest)
    from burnish.train.run import resume

    _print_folder(_resumable(options.run, lambda: resume(Path(options.run), steps=options.steps)))


def _sample(rest: list[str]) -> None:
    """Draw pictures with a model or a run."""
    parser = _parser(
        "sample", 'MODEL_OR_RUN ["PROMPT" …] [--prompts FILE] [--out DIR] [--count N] [--seed N] …'
    )
    parser.add_argument("model", metavar="MODEL_OR_RUN")
    parser.add_argument("texts", nargs="*", metavar="PROMPT")
    parser.add_argument("--prompts", metavar="FILE", help="prompt file, or scenes:test")
    parser.add_argument("--out", type=Path, default=Path("samples"), help="folder (default: samples)")
    parser.add_argument("--count", type=_at_least(1), default=1, help="pictures a prompt (default: 1)")
    parser.add_argument("--seed", type=_at_least(0), default=0)
    parser.add_argument("--steps", type=_at_least(1), default=28, help="denoising steps (default: 28)")
    parser.add_argument("--device", default="auto")
    options = parser.parse_intermixed_args(rest)
    from burnish.data.prompts import load_prompts
    from burnish.types import Prompt

    prompts = [Prompt(text) for text in options.texts]
    if options.prompts:
        prompts += load_prompts(options.prompts)
    if not prompts or any(not prompt.text.strip() for prompt in prompts):
        raise UsageError("nothing to draw: give a prompt in quotes, or --prompts FILE")
    from burnish.evaluate.sample import sample_to_folder

    settings = {
        "count": options.count,
        "seed": options.seed,
        "steps": options.steps,
        "device": options.device,
    }
    sample_to_folder(options.model, prompts, options.out, **settings)
    total = len(prompts) * options.count
    print(f"{total} picture{'s' if total > 1 else ''} in {options.out}")


def _evaluate(rest: list[str]) -> None:
    """Score a model or a run on fixed prompts with fixed seeds."""
    parser = _parser("evaluate", "MODEL_OR_RUN [--prompts SOURCE] [--reward NAME …] [--base] [--json] …")
    parser.add_argument("model", metavar="MODEL_OR_RUN")
    parser.add_argument(
        "--prompts", default="scenes:test", help="scenes:SPLIT or a file (default: scenes:test)"
    )
    parser.add_argument(
        "--reward", action="append", metavar="NAME", help="repeatable (default: scenes_strict, scenes_graded)"
    )
    parser.add_argument("--count", type=_at_least(1), default=256, help="prompts (default: 256)")
    parser.add_argument("--seed", type=_at_least(0), default=1234)
    parser.add_argument("--steps", type=_at_least(1), default=10, help="denoising steps (default: 10)")
    parser.add_argument("--base", action="store_true", help="of a run: the model it began with")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", action="store_true", help="one JSON list instead of a table")
    options = parser.parse_intermixed_args(rest)
    from burnish.evaluate.evaluate import evaluate_model

    rows = evaluate_model(
        options.model,
        prompts=options.prompts,
        rewards=options.reward or ["scenes_strict", "scenes_graded"],
        count=options.count,
        seed=options.seed,
        steps=options.steps,
        device=options.device,
        base=options.base,
    )
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    columns = list(dict.fromkeys(key for row in rows for key in row))
    _print_table("", columns, [[_cell(row.get(key)) for key in columns] for row in rows])


def _score(rest: list[str]) -> None:
    """Score a folder of pictures with prompts by any reward."""
    parser = _parser("score", "DIR --reward NAME … [--out FILE.jsonl] [--json]")
    parser.add_argument("folder", type=Path, metavar="DIR", help="pictures, with prompts.jsonl or NAME.txt")
    parser.add_argument("--reward", action="append", required=True, metavar="NAME", help="repeatable")
    parser.add_argument("--out", type=Path, help="also write one JSON line a picture")
    parser.add_argument("--json", action="store_true", help="one JSON list instead of a table")
    options = parser.parse_intermixed_args(rest)
    from burnish.evaluate.score import score_folder, summary

    rows = score_folder(options.folder, options.reward)
    if options.out:
        try:
            options.out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        except OSError as problem:
            raise UsageError(f"cannot write {options.out}: {problem.strerror}") from None
    means = summary(rows, [name for name in rows[0] if name not in ("file", "prompt")])
    if options.json:
        print(json.dumps(means, indent=2))
        return
    columns = list(means[0])
    _print_table("", columns, [[_cell(row[key]) for key in columns] for row in means])


def _doctor(rest: list[str]) -> None:
    """Say in minutes whether a run can learn: one step on your own model, looked at from all sides."""
    parser = _parser("doctor", "[RECIPE] [key.sub=value …]")
    parser.add_argument("words", nargs="*", metavar="RECIPE key.sub=value", help="as for burnish train")
    recipe = _recipe(parser.parse_intermixed_args(rest).words)
    from burnish.train.doctor import diagnose

    faults = 0
    for finding in diagnose(recipe):
        faults += not finding.ok
        print(f"{'ok   ' if finding.ok else 'FAULT'} {finding.check}: {finding.message}", flush=True)
    if faults:
        raise UsageError(f"{faults} fault{'s' if faults > 1 else ''} found; mend them before a long run")


def _serve_reward(rest: list[str]) -> None:
    """Serve rewards over HTTP, for `rewards.0.name=http://HOST:PORT`."""
    parser = _parser("serve-reward", "NAME … [--host HOST] [--port N]")
    parser.add_argument("names", nargs="+", metavar="NAME", help="rewards; their sum is served")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=_at_least(1), default=8765)
    options = parser.parse_intermixed_args(rest)
    from burnish.recipes.schema import Reward
    from burnish.rewards.remote.protocol import TOKEN_VARIABLE
    from burnish.rewards.remote.server import serve
    from burnish.rewards.reward import load_rewards

    rewards = load_rewards([Reward(name=name) for name in options.names])
    print(f"http://{options.host}:{options.port}", flush=True)
    serve(rewards, options.host, options.port, os.environ.get(TOKEN_VARIABLE))


def _recipe(words: list[str]) -> Any:
    """The recipe that `[RECIPE] [key.sub=value …]` names."""
    from burnish.recipes.load import load_recipe

    names = [word for word in words if "=" not in word or Path(word).is_file()]
    if len(names) > 1:
        raise UsageError(f"give one recipe, not {' and '.join(names)}; overrides look like train.lr=1e-4")
    return load_recipe(names[0] if names else None, [word for word in words if word not in names])


def _compare(rest: list[str]) -> None:
    """Compare runs by method: gain over the base model, mean ± standard error over seeds."""
    parser = _parser("compare", "RUN … [--json]")
    parser.add_argument("runs", nargs="+", metavar="RUN")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_intermixed_args(rest)
    from burnish.evaluate.compare import compare_runs

    result = compare_runs([Path(run) for run in options.runs])
    if options.json:
        print(json.dumps(result.as_dict(), indent=2))
        return
    for table in result.tables():
        _print_table(*table)
    for warning in result.warnings:
        print(f"warning: {warning}")


def _report(rest: list[str]) -> None:
    """Write a run's report: one HTML file with curves and pictures."""
    parser = _parser("report", "RUN")
    parser.add_argument("run", metavar="RUN")
    options = parser.parse_intermixed_args(rest)
    from burnish.report.html import write_report

    print(write_report(Path(options.run)))


def _scenes(rest: list[str]) -> None:
    """The embedded world: `show PROMPT` draws it, `pretrain` and `preference` build the bundled models."""
    actions = ("show", "pretrain", "preference")
    if not rest or rest[0] in ("-h", "--help"):
        print(
            'usage: burnish scenes show "PROMPT" … [--out FILE.png] [--seed N]\n'
            "       burnish scenes pretrain …      the text-to-image model\n"
            "       burnish scenes preference …    the learned reward"
        )
        return
    if rest[0] not in actions:
        raise UsageError(f"no command scenes {rest[0]!r}; there are {', '.join(actions)}")
    if rest[0] == "pretrain":
        from burnish.scenes.pretrain import main as pretrain

        pretrain(rest[1:])
        return
    if rest[0] == "preference":
        from burnish.scenes.preference import main as preference

        preference(rest[1:])
        return
    parser = _Parser(prog="burnish scenes show", allow_abbrev=False)
    parser.add_argument(
        "texts", nargs="+", metavar="PROMPT", help="such as 'a red star left of a blue circle'"
    )
    parser.add_argument("--out", type=Path, default=Path("scene.png"))
    parser.add_argument("--seed", type=_at_least(0), default=0)
    parser.add_argument("--size", type=_at_least(16), default=128, help="pixels a picture (default: 128)")
    options = parser.parse_intermixed_args(rest[1:])
    import numpy as np
    from PIL import Image

    from burnish.scenes.renderer import draw

    rng = np.random.default_rng(options.seed)
    pictures = [draw(text, rng, options.size) for text in options.texts]
    try:
        Image.fromarray(np.concatenate(pictures, axis=1)).save(options.out)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot write {options.out}: {error}") from None
    print(options.out)


COMMANDS: dict[str, Callable[[list[str]], None]] = {
    "train": _train,
    "resume": _resume,
    "sample": _sample,
    "evaluate": _evaluate,
    "score": _score,
    "compare": _compare,
    "doctor": _doctor,
    "serve-reward": _serve_reward,
    "report": _report,
    "scenes": _scenes,
}


def _at_least(least: int) -> Callable[[str], int]:
    def whole_number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if value < least:
            raise argparse.ArgumentTypeError(f"{value} is below {least}")
        return value

    return whole_number


def _resumable(run: str, work: Callable[[], Path]) -> Path:
    try:
        return work()
    except KeyboardInterrupt:
        raise Interrupted(run) from None


def _print_folder(folder: Path) -> None:
    print(f"run: {folder}\nreport: {folder / 'report.html'}")


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _print_table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """A table: boxed on a terminal, Markdown elsewhere; never wrapped or cut."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    terminal = sys.stdout.isatty()
    table = Table(box=box.ROUNDED if terminal else box.MARKDOWN, title=title or None, title_justify="left")
    for index, name in enumerate(columns):
        numeric = all(not row[index] or row[index][0] in "0123456789+-" for row in rows)
        table.add_column(name, no_wrap=True, justify="right" if numeric and rows else "left")
    for row in rows:
        table.add_row(*row)
    console = Console(soft_wrap=True, markup=False, highlight=False)
    width = max(console.width, 2000) if not terminal else max(console.width, console.measure(table).maximum)
    Console(width=width, markup=False, highlight=False).print(table)
