"""How much a picture changes at each denoising step, and the chunks that follow: docs/studies/dynamics.

python benchmarks/dynamics.py [OUT]

L1rel(t) = ‖x_t − x_{t−1}‖₁ / ‖x_t‖₁ (Chunk-GRPO, 2510.21583) of the bundled models over 17 steps, for 32
prompts of four rollouts each: by the SDE that training draws from and by the ODE.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from burnish.core import transitions, units
from burnish.data.prompts import load_prompts
from burnish.engine import rng
from burnish.policies.load import load_policy
from burnish.recipes.schema import Model
from burnish.report.sheet import sheet
from burnish.report.svg import Series, curve

STEPS, PROMPTS, GROUP = 17, 32, 4


@torch.no_grad()
def change(name: str, kind: str) -> np.ndarray:
    """L1rel of each prompt at every step but the last, [PROMPTS, STEPS − 1]."""
    policy = load_policy(Model(path=name), "cpu")
    texts = [prompt.text for prompt in load_prompts("scenes:test")[:PROMPTS]]
    schedule = policy.backbone.schedule(STEPS)
    table = transitions.table(kind, schedule, **({} if kind == "ode" else {"eta": 0.7}))
    condition = policy.condition([text for text in texts for _ in range(GROUP)])
    x = rng.noise((PROMPTS * GROUP, *policy.backbone.latent_shape), 0, "dynamics")
    path = [x]
    for t in range(STEPS - 1):
        v = policy.predict(x, torch.full((len(x),), float(schedule.time_T[t])), condition, 64)
        x = float(table.a_T[t]) * x + float(table.b_T[t]) * v
        x = x + float(table.s_T[t]) * rng.noise(tuple(x.shape), 0, "dynamics", t)
        path.append(x)
    each = [units.relative_l1(torch.stack(path, 1)[i : i + GROUP]) for i in range(0, len(x), GROUP)]
    return torch.stack(each).double().numpy()


def main(out: Path) -> None:
    """Writes dynamics.svg and prints the table of README.md."""
    charts, rows = [], []
    for name in ("scenes-mini", "scenes-small"):
        lines = []
        for color, kind in enumerate(("flow_sde", "ode")):
            found = change(name, kind)
            mean, spread = found.mean(0), found.std(0, ddof=1)
            points = [(t + 1, float(m), float(s)) for t, (m, s) in enumerate(zip(mean, spread, strict=True))]
            lines.append(Series(kind, points, color))
            chunks = units.dynamic_chunks(torch.from_numpy(mean))
            own = [tuple(units.dynamic_chunks(torch.from_numpy(row))) for row in found]
            same = sum(sizes == tuple(chunks) for sizes in own) / len(own)
            numbers = " ".join(f"{value:.3f}" for value in mean)
            rows.append(
                f"| `{name}` | {kind} | {numbers} | {(spread / mean).mean():.2f} | {chunks} | {same:.0%} |"
            )
        charts.append((name, curve(lines, f"Relative L1 change of {name} by step")))
    out.mkdir(parents=True, exist_ok=True)
    (out / "dynamics.svg").write_text(sheet(charts, [("SDE, η = 0.7", 0), ("ODE", 1)], columns=2))
    print(
        "| model | sampler | L1rel at steps 1 to 16 | spread / mean | adaptive chunks | prompts that agree |"
    )
    print("|---|---|---|---|---|---|", *rows, sep="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/studies/dynamics"))
