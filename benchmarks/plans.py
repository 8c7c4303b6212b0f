"""The table of docs/backbones.md: `burnish plan` of every bundled recipe on its published architecture.

python benchmarks/plans.py
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from burnish.recipes.load import load_recipe
from burnish.train.plan import CARDS, plan

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
import true_size

RECIPES = {
    "sd14_lora": "stable-diffusion-v1-4",
    "sd35_medium_lora": "stable-diffusion-3.5-medium",
    "z_image_lora": "Z-Image",
    "flux_dev_lora": "FLUX.1-dev",
    "qwen_image_lora": "Qwen-Image",
}
_, PEAK = CARDS["80 GB (H100)"]

print("| recipe | denoiser | trained | largest phase, GB | PFLOP a step | hours of 300 steps |")
print("|---|---|---|---|---|---|")
for name, architecture in RECIPES.items():
    with tempfile.TemporaryDirectory() as folder:
        found = plan(load_recipe(name, [f"model.path={true_size.save(architecture, Path(folder))}"]))
    denoiser = found.parameters.get("transformer") or found.parameters["unet"]
    each = sum(phase.flops for phase in found.phases) / 1e15
    print(f"| `{name}` | {denoiser / 1e9:.2f} B | {found.trained / 1e6:.0f} M ", end="")
    print(f"| {found.gigabytes:.1f} | {each:.1f} | {found.hours(PEAK):.0f} |", flush=True)
