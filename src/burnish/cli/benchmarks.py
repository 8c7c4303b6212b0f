"""benchmark: a model on published questions."""

from __future__ import annotations

import json
from pathlib import Path

from burnish.cli.words import at_least, cell, parser_of, print_table


def benchmark(rest: list[str]) -> None:
    """Ask a model or a run a published benchmark, from a local copy: mathvista, mmmu, refcoco …"""
    parser = parser_of(
        benchmark, "MODEL_OR_RUN NAME FILE_OR_FOLDER [--count N] [--frame FRAME] [--out DIR] [--json] …"
    )
    parser.add_argument("model", metavar="MODEL_OR_RUN")
    parser.add_argument(
        "name",
        metavar="NAME",
        help="mathvista, mmmu, mathverse, geometry3k, refcoco, countbench or superclevr",
    )
    parser.add_argument("data", type=Path, metavar="FILE_OR_FOLDER", help=".parquet, .jsonl or .json")
    parser.add_argument("--count", type=at_least(1), help="questions drawn by --seed (default: all)")
    parser.add_argument("--seed", type=at_least(0), default=0)
    parser.add_argument("--frame", help="of the model's boxes: pixels, resized, thousand or unit")
    parser.add_argument("--ask", default="", metavar="TEXT", help="words after every question")
    parser.add_argument("--max-new-tokens", type=at_least(1), help="longest answer (default: the model's)")
    parser.add_argument("--rows", type=at_least(1), default=16, help="questions in one forward (default: 16)")
    parser.add_argument("--base", action="store_true", help="of a run: the model it began with")
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder (default: results)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", action="store_true", help="the summary as JSON instead of a table")
    options = parser.parse_intermixed_args(rest)
    from burnish.evaluate.benchmarks.run import run_benchmark
    from burnish.evaluate.benchmarks.table import lines

    settings = {name: value for name, value in vars(options).items() if name != "json"}
    result = run_benchmark(**settings)
    if options.json:
        print(json.dumps({name: value for name, value in result.items() if name != "rows"}, indent=2))
        return
    table = lines(result)
    columns = list(dict.fromkeys(key for row in table for key in row))
    print_table("", columns, [[cell(row.get(key)) for key in columns] for row in table])
    print(f"every answer and how it was judged: {options.out / (options.name + '.json')}")
