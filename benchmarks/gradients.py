"""How much of a gradient is signal, step by step: docs/studies/gradients.

python benchmarks/gradients.py [BATCHES] [OUT]

The base model's gradient from batches of 8 prompts × 12 pictures, apart for every trained decision. What two
batches share is signal: the agreement of a decision is the mean cosine between its gradients of two batches,
± one standard error (jackknife over batches). 48 batches take about five minutes on one core.

Axes: N batches, T decisions, D parameters.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from burnish.core import advantages, weights
from burnish.data.prompts import load_prompts
from burnish.policies.load import load_policy
from burnish.recipes.load import load_recipe
from burnish.report.sheet import sheet
from burnish.report.svg import Series, curve
from burnish.rewards.reward import load_reward
from burnish.train.update import Credit, accumulate

MODEL, PROMPTS, GROUP, LEVELS = "scenes-mini", 8, 12, 5
ODE = ["sampling.transition=ode", "sampling.shared_noise=false"]
KINDS = {
    "transitions": ["algorithm.preset=slas", "algorithm.advantage.gamma=0"],
    "matching (AWM)": ["algorithm.preset=awm", *ODE],
    "contrast (DiffusionNFT)": ["algorithm.preset=diffusion_nft", *ODE],
}
"""What a decision is; the advantage is `batch_std` in all."""


def products(overrides: Sequence[str], batches: int) -> tuple[Tensor, Tensor, Tensor]:
    """Inner products of the gradients, [N, T, N, T], and the transitions' b and s, [T] each."""
    shape = [
        f"model.path={MODEL}",
        f"sampling.window=[0,{LEVELS}]",
        f"sampling.prompts_per_step={PROMPTS}",
        f"sampling.group_size={GROUP}",
    ]
    recipe = load_recipe("scenes", [*shape, *overrides])
    policy, judge = load_policy(recipe.model, "cpu"), load_reward("scenes_graded")
    prompts, random, found = load_prompts("scenes:train"), np.random.default_rng(0), []
    parameters = list(policy.parameters.values())
    for batch in range(batches):
        chosen = [prompts[i] for i in random.choice(len(prompts), PROMPTS, replace=False)]
        parts = list(policy.roll(chosen, recipe, 1, ("gradients", batch)))
        rollouts = type(parts[0]).join(parts)
        images = policy.outputs(rollouts, recipe.sampling.rows)
        scores = judge(list(images), [chosen[i] for i in rollouts.prompt_B.tolist()])
        reward_B = torch.tensor([float(score) for score in scores], dtype=torch.float64)
        advantage_B = advantages.batch_std(reward_B, rollouts.prompt_B).float()
        for t in range(LEVELS):
            keep_BT = torch.zeros(rollouts.mask_BT.shape, dtype=torch.bool)
            keep_BT[:, t] = True
            credit = Credit(advantage_B, torch.arange(LEVELS), keep_BT, len(keep_BT), at_start=True)
            for parameter in parameters:
                parameter.grad = None
            accumulate(policy, rollouts, credit, recipe.algorithm, recipe.sampling.rows)
            found.append(torch.cat([p.grad.flatten() for p in parameters if p.grad is not None]))
    gradient_ND = torch.stack(found)
    size = (batches, LEVELS, batches, LEVELS)
    return (gradient_ND @ gradient_ND.T).double().view(size), rollouts.b_T, rollouts.s_T


def agreement(product_NTNT: Tensor, weight_T: Tensor) -> tuple[float, Tensor]:
    """Mean cosine between the weighted sums of different batches, and what it is without each batch, [N]."""
    product_NN = torch.einsum("t,ntms,s->nm", weight_T, product_NTNT, weight_T)
    length_N = product_NN.diagonal().sqrt()
    others_N = (product_NN / (length_N[:, None] * length_N)).sum(1) - 1
    count = len(others_N)
    without_N = (others_N.sum() - 2 * others_N) / ((count - 1) * (count - 2))
    return float(others_N.sum() / (count * (count - 1))), without_N


def error(without_N: Tensor) -> float:
    """Standard error by the jackknife."""
    count = len(without_N)
    return float(((count - 1) / count * (without_N - without_N.mean()).square().sum()).sqrt())


def main(batches: int, out: Path) -> None:
    """Writes gradients.svg and prints the tables of README.md."""
    lines, steps, sums = [], [], []
    for color, (kind, overrides) in enumerate(KINDS.items()):
        product_NTNT, b_T, s_T = products(overrides, batches)
        length_T = torch.einsum("ntnt->nt", product_NTNT).sqrt().mean(0)
        points, cells = [], []
        for t, one_T in enumerate(torch.eye(LEVELS, dtype=torch.float64)):
            mean, without_N = agreement(product_NTNT, one_T)
            points.append((t + 1, mean, error(without_N)))
            cells.append(f"{mean:.3f} ± {error(without_N):.3f} · {length_T[t] / length_T.max():.2f}")
        lines.append(Series(kind, points, color))
        steps.append(f"| {kind} | {' | '.join(cells)} |")
        named = weights.WEIGHTS if kind == "transitions" else {"none": weights.none}
        for first, last in ((0, 4), (0, 5), (1, 5)):
            plain: tuple[float, Tensor] | None = None
            for name, weigh in named.items():
                weight_T = torch.zeros(LEVELS, dtype=torch.float64)
                weight_T[first:last] = weigh(b_T[first:last], s_T[first:last])
                mean, without_N = agreement(product_NTNT, weight_T)
                plain = plain or (mean, without_N)
                more = f"{mean - plain[0]:+.3f} ± {error(without_N - plain[1]):.3f}" if name != "none" else ""
                own = f"{mean:.3f} ± {error(without_N):.3f}"
                sums.append(f"| {kind} | [{first}, {last}] | {name} | {own} | {more} |")
    out.mkdir(parents=True, exist_ok=True)
    chart = curve(lines, "Agreement of two batches' gradients by step")
    legend = [(kind, color) for color, kind in enumerate(KINDS)]
    (out / "gradients.svg").write_text(sheet([(MODEL, chart)], legend, columns=1))
    numbers = (f"step {t + 1}" for t in range(LEVELS))
    print(f"| decisions | {' | '.join(numbers)} |", "|---" * (LEVELS + 1) + "|", *steps, sep="\n")
    print(
        "",
        "| decisions | window | weights | agreement | over none |",
        "|---|---|---|---|---|",
        *sums,
        sep="\n",
    )


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 48,
        Path(sys.argv[2] if len(sys.argv) > 2 else "docs/studies/gradients"),
    )
