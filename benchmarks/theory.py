"""The study of docs/studies/theory: the theory of SLAS on policies small enough to enumerate.

    python benchmarks/theory.py                          # three minutes of one core; writes runs/theory
    python benchmarks/theory.py --worlds 10 --out /tmp/theory

No model, no data, no network. The numbers are a function of the number of worlds alone.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from burnish.cli.words import at_least
from burnish.study.exact.pages import write
from burnish.study.exact.results import gather

WORLDS = 60


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("runs/theory"), help="folder (default: runs/theory)")
    parser.add_argument("--worlds", type=at_least(4), default=WORLDS, help="of each regime (default: 60)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = gather(options.worlds, lambda text: print(text, flush=True))
    command = "python benchmarks/theory.py"
    command += "" if options.worlds == WORLDS else f" --worlds {options.worlds}"
    write(found, command, options.out)
    print(f"page: {options.out / 'index.html'} ({time.process_time():.0f} s of processor time)")


main()
