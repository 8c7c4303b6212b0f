"""sample, evaluate, score, serve-reward: pictures and answers, and what they are worth."""

from __future__ import annotations

import json
import os
from pathlib import Path

from burnish.cli.words import (
    UsageError,
    at_least,
    cell,
    parser_of,
    print_table,
)

HYBRID = "of a run: the tuned model takes the first N steps, its base the rest"


def sample(rest: list[str]) -> None:
    """Draw pictures, or write answers, with a model or a run."""
    parser = parser_of(
        sample, 'MODEL_OR_RUN ["PROMPT" …] [--prompts FILE] [--out DIR] [--count N] [--seed N] …'
    )
    parser.add_argument("model", metavar="MODEL_OR_RUN")
    parser.add_argument("texts", nargs="*", metavar="PROMPT")
    parser.add_argument("--prompts", metavar="FILE", help="prompt file, or scenes:test")
    parser.add_argument("--out", type=Path, default=Path("samples"), help="folder (default: samples)")
    parser.add_argument("--count", type=at_least(1), default=1, help="pictures a prompt (default: 1)")
    parser.add_argument("--seed", type=at_least(0), default=0)
    parser.add_argument("--steps", type=at_least(1), default=28, help="denoising steps (default: 28)")
    parser.add_argument("--hybrid", type=at_least(0), metavar="N", help=HYBRID)
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
        "hybrid": options.hybrid,
    }
    sample_to_folder(options.model, prompts, options.out, **settings)
    total = len(prompts) * options.count
    print(f"{total} sample{'s' if total > 1 else ''} in {options.out}")


def evaluate(rest: list[str]) -> None:
    """Score a model or a run on fixed prompts with fixed seeds."""
    parser = parser_of(evaluate, "MODEL_OR_RUN [--prompts SOURCE] [--reward NAME …] [--base] [--json] …")
    parser.add_argument("model", metavar="MODEL_OR_RUN")
    parser.add_argument(
        "--prompts",
        help="scenes:SPLIT[/CATEGORY], scenes-vqa:SPLIT or a file (default: the embedded world's test)",
    )
    parser.add_argument(
        "--reward", action="append", metavar="NAME", help="repeatable (default: the embedded world's own)"
    )
    parser.add_argument("--count", type=at_least(1), default=256, help="prompts (default: 256)")
    parser.add_argument("--group-size", type=at_least(1), default=1, help="pictures a prompt (default: 1)")
    parser.add_argument("--seed", type=at_least(0), default=1234)
    parser.add_argument("--steps", type=at_least(1), default=10, help="denoising steps (default: 10)")
    parser.add_argument("--hybrid", type=at_least(0), metavar="N", help=HYBRID)
    parser.add_argument("--base", action="store_true", help="of a run: the model it began with")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", action="store_true", help="one JSON list instead of a table")
    options = parser.parse_intermixed_args(rest)
    from burnish.evaluate.evaluate import evaluate_model

    rows = evaluate_model(
        options.model,
        prompts=options.prompts,
        rewards=options.reward,
        count=options.count,
        group_size=options.group_size,
        seed=options.seed,
        steps=options.steps,
        device=options.device,
        base=options.base,
        hybrid=options.hybrid,
    )
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    columns = list(dict.fromkeys(key for row in rows for key in row))
    print_table("", columns, [[cell(row.get(key)) for key in columns] for row in rows])


def score(rest: list[str]) -> None:
    """Score a folder of pictures with prompts, or a run's base and tuned model, by any reward."""
    parser = parser_of(score, "DIR_OR_RUN --reward NAME[,option=value …] … [--out FILE.jsonl] [--json]")
    parser.add_argument(
        "folder", type=Path, metavar="DIR_OR_RUN", help="pictures with prompts.jsonl or NAME.txt; or a run"
    )
    parser.add_argument("--reward", action="append", required=True, metavar="NAME", help="repeatable")
    parser.add_argument("--out", type=Path, help="also write one JSON line a picture")
    parser.add_argument("--json", action="store_true", help="one JSON list instead of a table")
    options = parser.parse_intermixed_args(rest)
    from burnish.evaluate.score import score_folder, score_run, summary

    run = (options.folder / "recipe.yaml").is_file()
    rows = (score_run if run else score_folder)(options.folder, options.reward)
    if options.out:
        try:
            options.out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        except OSError as problem:
            raise UsageError(f"cannot write {options.out}: {problem.strerror}") from None
    means = rows if run else summary(rows, [name for name in rows[0] if name not in ("file", "prompt")])
    if options.json:
        print(json.dumps(means, indent=2))
        return
    columns = list(means[0])
    print_table("", columns, [[cell(row[key]) for key in columns] for row in means])


def serve_reward(rest: list[str]) -> None:
    """Serve rewards over HTTP, for `rewards.0.name=http://HOST:PORT`."""
    parser = parser_of(serve_reward, "NAME … [--host HOST] [--port N]")
    parser.add_argument(
        "names", nargs="+", metavar="NAME", help="rewards, NAME or NAME,option=value; their sum is served"
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=at_least(1), default=8765)
    options = parser.parse_intermixed_args(rest)
    from burnish.rewards.remote.protocol import TOKEN_VARIABLE
    from burnish.rewards.remote.server import serve
    from burnish.rewards.reward import load_rewards

    serve(load_rewards(options.names), options.host, options.port, os.environ.get(TOKEN_VARIABLE))
