"""benchmark: a model on published questions, or its pictures for published prompts."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from burnish.cli.words import Interrupted, Parser, at_least, cell, parser_of, print_table

READ = "mathvista, mmmu, mathverse, geometry3k, refcoco, countbench or superclevr"
DRAW = "geneval, unigenbench, wise, ocr or rewards"


def benchmark(rest: list[str]) -> None:
    """Run a published benchmark from a local copy: ask a model questions, or score the pictures it draws."""
    options = _parser().parse_intermixed_args(rest)
    given = {name: value for name, value in vars(options).items() if value is not None and name != "json"}
    from burnish.evaluate.benchmarks.drawn.run import run_drawn
    from burnish.evaluate.benchmarks.options import fitting
    from burnish.evaluate.benchmarks.registry import BENCHMARKS, named
    from burnish.evaluate.benchmarks.run import run_benchmark
    from burnish.evaluate.benchmarks.table import lines

    found = named(options.name)
    if options.name in BENCHMARKS:
        given.setdefault("out", Path("results"))
        fitting(found.name, given, run_benchmark)
        result = run_benchmark(**given)
        table = lines(result)
    else:
        given.setdefault("out", Path("results") / found.name)
        try:
            result = run_drawn(**given)
        except KeyboardInterrupt:
            raise Interrupted("the same command; what was drawn and judged is kept") from None
        table = [_drawn(row) for row in result["table"]]
    if options.json:
        print(json.dumps({name: value for name, value in result.items() if name != "rows"}, indent=2))
        return
    columns = list(dict.fromkeys(key for row in table for key in row))
    print_table("", columns, [[cell(row.get(key)) for key in columns] for row in table])
    print(f"every answer and how it was judged: {given['out'] / (options.name + '.json')}")


def _drawn(row: dict[str, Any]) -> dict[str, Any]:
    """A row as it is shown: numbers of four digits after the point."""
    return {name: f"{value:.4f}" if isinstance(value, float) else value for name, value in row.items()}


def _parser() -> Parser:
    parser = parser_of(
        benchmark, "MODEL_OR_RUN NAME FILE_OR_FOLDER [--count N] [--out DIR] [--json] [options of NAME] …"
    )
    parser.add_argument("model", metavar="MODEL_OR_RUN")
    parser.add_argument(
        "name", metavar="NAME", help=f"of models that read images: {READ}; that make them: {DRAW}"
    )
    parser.add_argument("data", type=Path, metavar="FILE_OR_FOLDER", help="a local copy of its rows")
    parser.add_argument("--count", type=at_least(1), help="rows drawn by --seed (default: all)")
    parser.add_argument("--seed", type=at_least(0), default=0)
    parser.add_argument("--rows", type=at_least(1), default=16, help="in one forward (default: 16)")
    parser.add_argument("--base", action="store_true", help="of a run: the model it began with")
    parser.add_argument("--out", type=Path, help="folder (default: results, or results/NAME for pictures)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", action="store_true", help="the summary as JSON instead of a table")
    reads = parser.add_argument_group("models that read images")
    reads.add_argument("--frame", help="of the model's boxes: pixels, resized, thousand or unit")
    reads.add_argument("--ask", metavar="TEXT", help="words after every question")
    reads.add_argument("--max-new-tokens", type=at_least(1), help="longest answer (default: the model's)")
    makes = parser.add_argument_group("models that make images")
    makes.add_argument("--images", type=at_least(1), help="a prompt (default: the original's number)")
    makes.add_argument("--steps", type=at_least(1), help="of denoising (default: 28)")
    makes.add_argument("--guidance", type=_scale, help="its scale (default: the model's)")
    makes.add_argument("--size", type=at_least(8), help="height and width in pixels (default: the model's)")
    makes.add_argument("--features", metavar="FOLDER", help="a CLIP model to measure diversity with")
    makes.add_argument(
        "--detector", metavar="FOLDER", help="geneval: Mask2Former or DETR of COCO, or OWL-ViT"
    )
    makes.add_argument("--clip", metavar="FOLDER", help="geneval: a CLIP model that names colours")
    makes.add_argument("--judge", metavar="URL", help="unigenbench, wise: an OpenAI-compatible API")
    makes.add_argument("--judge-model", metavar="NAME", help="unigenbench, wise: the model there")
    makes.add_argument(
        "--reward", action="append", metavar="NAME", help="rewards: NAME[,option=value …], repeatable"
    )
    return parser


def _scale(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e4:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0")
    return value
