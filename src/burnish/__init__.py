"""burnish: reinforcement-learning post-training of image models.

The public names below load on first use; `import burnish` alone imports neither torch nor a model.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_CONTENTS = {
    "BurnishError": "burnish.errors",
    "Prompt": "burnish.types",
    "Recipe": "burnish.recipes.schema",
    "load_recipe": "burnish.recipes.load",
    "dump_yaml": "burnish.recipes.load",
    "load_prompts": "burnish.data.prompts",
    "PromptSampler": "burnish.data.sampler",
    "load_policy": "burnish.policies.load",
    "load_rewards": "burnish.rewards.reward",
    "groupwise": "burnish.rewards.kinds",
    "pairwise": "burnish.rewards.kinds",
    "RewardSet": "burnish.rewards.reward",
    "evaluate_model": "burnish.evaluate.evaluate",
    "sample_to_folder": "burnish.evaluate.sample",
    "compare_runs": "burnish.evaluate.compare",
    "write_report": "burnish.report.html",
}

__all__ = ["__version__", *_CONTENTS]


def __getattr__(name: str) -> Any:
    if name not in _CONTENTS:
        raise AttributeError(f"module 'burnish' has no attribute {name!r}")
    return getattr(importlib.import_module(_CONTENTS[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
