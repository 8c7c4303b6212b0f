"""The tables of docs/backbones.md and docs/papers.md: `burnish plan` of recipes on published architectures.

python benchmarks/plans.py
python benchmarks/plans.py papers
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from burnish.recipes.load import load_recipe
from burnish.train.plan import CARDS, plan

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
import true_size

BUNDLED = {
    "sd14_lora": "stable-diffusion-v1-4",
    "sd35_medium_lora": "stable-diffusion-3.5-medium",
    "z_image_lora": "Z-Image",
    "flux_dev_lora": "FLUX.1-dev",
    "qwen_image_lora": "Qwen-Image",
}
PAPERS = {
    "papers/dance_grpo_flux": "FLUX.1-dev",
    "papers/slas_flux": "FLUX.1-dev",
    "papers/gcpo_flux": "FLUX.1-dev",
    "papers/dance_grpo_sd14": "stable-diffusion-v1-4",
    "papers/slas_sd14": "stable-diffusion-v1-4",
    "papers/flow_grpo_sd35": "stable-diffusion-3.5-medium",
}
_, PEAK = CARDS["80 GB (H100)"]

chosen = PAPERS if sys.argv[1:] == ["papers"] else BUNDLED
print("| recipe | denoiser | trained | images a step | largest phase, GB | PFLOP a step | steps | hours |")
print("|---|---|---|---|---|---|---|---|")
for name, architecture in chosen.items():
    with tempfile.TemporaryDirectory() as folder:
        recipe = load_recipe(name, [f"model.path={true_size.save(architecture, Path(folder))}"])
        found = plan(recipe)
    denoiser = found.parameters.get("transformer") or found.parameters["unet"]
    each = sum(phase.flops for phase in found.phases) / 1e15
    images = recipe.sampling.prompts_per_step * recipe.sampling.group_size
    print(f"| `{name}` | {denoiser / 1e9:.2f} B | {found.trained / 1e6:.0f} M | {images:,} ", end="")
    print(f"| {found.gigabytes:.1f} | {each:.1f} | {found.steps} | {found.hours(PEAK):.0f} |", flush=True)
