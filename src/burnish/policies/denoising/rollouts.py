"""What a batch of denoising rollouts keeps of its decisions.

Axes: B rollouts, T trained decisions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from burnish.core import units
from burnish.policies.denoising.backbone import Condition
from burnish.recipes.schema import Unit

ROWS = ("latents_BT", "prediction_BT", "noise_BT", "prompt_B", "final_B")
"""What has one row a rollout."""


@dataclass(frozen=True)
class Rollouts:
    """B rollouts with the T decisions of each that are trained.

    Attributes:
        latents_BT: [B, T, …] x before each decision, float32.
        prediction_BT: [B, T, …] the prediction followed (guided, if the model is), float32.
        noise_BT: [B, T, …] the standard normal noise drawn, float32.
        time_T: what the denoiser is told at the decisions, float64.
        b_T, s_T: rows of the transition table, float64.
        prompt_B: row of `condition` each rollout belongs to; also its group.
        condition: tensors with one row a prompt.
        final_B: [B, …] the denoised latents.
        l1rel_T: [T] relative L1 change of the latents at each decision (Chunk-GRPO), float64.
    """

    latents_BT: Tensor
    prediction_BT: Tensor
    noise_BT: Tensor
    time_T: Tensor
    b_T: Tensor
    s_T: Tensor
    prompt_B: Tensor
    condition: Condition
    final_B: Tensor
    l1rel_T: Tensor

    def __len__(self) -> int:
        return len(self.latents_BT)

    @property
    def numbers(self) -> dict[str, float]:
        """What the metrics say of these rollouts themselves."""
        return {}

    @property
    def mask_BT(self) -> Tensor:
        """Every decision counts, bool [B, T]."""
        return torch.ones(self.latents_BT.shape[:2], dtype=torch.bool)

    @property
    def choice_BT(self) -> Tensor:
        """What was drawn: two rollouts are the same when these are."""
        return self.noise_BT

    def followed(self, which_N: Tensor, t_N: Tensor, prediction: Tensor) -> tuple[Tensor, Tensor]:
        """The prediction that was followed and the noise that was drawn at N decisions, [N, …] each.

        Args:
            which_N: rollout of each decision.
            t_N: its number.
            prediction: [N, …] under the current weights.
        """
        return self.prediction_BT[which_N, t_N], self.noise_BT[which_N, t_N]

    def unit(self, settings: Unit) -> Tensor:
        """The unit of each trained decision, int64 [T]."""
        steps = len(self.time_T)
        if settings.name == "decision":
            return units.decision(steps)
        if settings.name == "sequence":
            return units.sequence(steps)
        sizes = settings.sizes if isinstance(settings.sizes, list) else units.dynamic_chunks(self.l1rel_T)
        return units.fixed_chunks(sizes)

    def chosen(self, which_B: Tensor) -> Rollouts:
        """These rollouts alone, with the conditions of their prompts, numbered from 0."""
        picked = {name: getattr(self, name)[which_B.to(getattr(self, name).device)] for name in ROWS}
        kept, picked["prompt_B"] = picked["prompt_B"].unique(return_inverse=True)
        condition = {name: value[kept.to(value.device)] for name, value in self.condition.items()}
        return replace(self, **picked, condition=condition)

    @classmethod
    def gather(cls, batches: list[Rollouts]) -> Rollouts:
        """Several batches of different prompts as one, groups numbered anew."""
        condition = {
            name: nn.utils.rnn.pad_sequence(
                [row for batch in batches for row in batch.condition[name]], batch_first=True
            )
            for name in batches[0].condition
        }
        prompts = [len(next(iter(batch.condition.values()))) for batch in batches]
        starts = [sum(prompts[:i]) for i in range(len(batches))]
        moved = [replace(b, prompt_B=b.prompt_B + start) for b, start in zip(batches, starts, strict=True)]
        return replace(cls.join(moved), condition=condition)

    @classmethod
    def join(cls, parts: list[Rollouts]) -> Rollouts:
        """The parts of one batch as a whole."""
        if len(parts) == 1:
            return parts[0]
        joined: dict[str, Any] = {name: torch.cat([getattr(part, name) for part in parts]) for name in ROWS}
        change = torch.stack([part.l1rel_T * len(part) for part in parts]).sum(0)
        return replace(parts[0], **joined, l1rel_T=change / sum(map(len, parts)))
