"""What a batch of completions keeps of its decisions.

Axes: P prompts, B rollouts, T tokens of the longest completion.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from burnish.core import units
from burnish.core.corrections import mismatch
from burnish.policies.language.prompts import Encoded
from burnish.recipes.schema import Unit


@dataclass(frozen=True)
class Rollouts:
    """B completions.

    Attributes:
        prompts: the P prompts, encoded.
        prompt_B: prompt of each rollout; also its group.
        token_BT: sampled ids, int64; anything after the first end of text is padding.
        mask_BT: True up to and including the first end of text.
        log_prob_BT: under the weights that sampled, by the scoring pass; float32.
        sampled_log_prob_BT: the same, as the generation itself computed it; float32.
        value_BT: the critic's value before each token; None without a critic.
        boundary_BT: True where a reasoning segment ends (a line).
        complete_B: whether the completion ended by itself.
    """

    prompts: list[Encoded]
    prompt_B: Tensor
    token_BT: Tensor
    mask_BT: Tensor
    log_prob_BT: Tensor
    sampled_log_prob_BT: Tensor
    value_BT: Tensor | None
    boundary_BT: Tensor
    complete_B: Tensor

    def __len__(self) -> int:
        return len(self.token_BT)

    @property
    def numbers(self) -> dict[str, float]:
        """Mean length in tokens, share cut off, and how far generation is from scoring (`engine/…`)."""
        return {
            "completion_length": self.mask_BT.sum(1).float().mean().item(),
            "truncated": 1 - self.complete_B.float().mean().item(),
            **{f"engine/{name}": value for name, value in mismatch(self.log_weight_BT, self.mask_BT).items()},
        }

    @property
    def log_weight_BT(self) -> Tensor:
        """log of the training's over the generation's probability of each token (old weights both)."""
        return self.log_prob_BT - self.sampled_log_prob_BT

    @property
    def choice_BT(self) -> Tensor:
        """What was drawn: two rollouts are the same when these are."""
        return self.token_BT

    def unit(self, settings: Unit) -> Tensor:
        """The unit of each token, [T] or [B, T]."""
        steps = self.token_BT.shape[1]
        if settings.name == "decision":
            return units.decision(steps)
        if settings.name == "sequence":
            return units.sequence(steps)
        if isinstance(settings.sizes, list):
            return torch.arange(steps) // settings.sizes[0]
        return units.segments(self.boundary_BT, self.mask_BT)

    def chosen(self, which_B: Tensor) -> Rollouts:
        """These rollouts alone, with their prompts, numbered from 0."""
        rows = ("prompt_B", "token_BT", "mask_BT", "log_prob_BT", "sampled_log_prob_BT", "boundary_BT")
        picked = {name: getattr(self, name)[which_B] for name in (*rows, "complete_B")}
        value_BT = None if self.value_BT is None else self.value_BT[which_B]
        kept, picked["prompt_B"] = picked["prompt_B"].unique(return_inverse=True)
        return replace(self, **picked, value_BT=value_BT, prompts=[self.prompts[i] for i in kept.tolist()])

    @classmethod
    def gather(cls, batches: list[Rollouts]) -> Rollouts:
        """Several batches of different prompts as one, groups numbered anew."""
        return cls.join(batches)

    @classmethod
    def join(cls, parts: list[Rollouts]) -> Rollouts:
        """Parts of one batch, or several batches, as a whole; groups of different prompts stay apart."""
        if len(parts) == 1:
            return parts[0]
        longest = max(part.token_BT.shape[1] for part in parts)
        prompts: list[Encoded] = []
        groups: list[Tensor] = []
        seen: dict[int, int] = {}
        for part in parts:
            if id(part.prompts) not in seen:
                seen[id(part.prompts)] = len(prompts)
                prompts.extend(part.prompts)
            groups.append(part.prompt_B + seen[id(part.prompts)])

        def whole(name: str) -> Tensor:
            values = [getattr(part, name) for part in parts]
            return torch.cat([nn.functional.pad(v, (0, longest - v.shape[1])) for v in values])

        names = ("token_BT", "mask_BT", "log_prob_BT", "sampled_log_prob_BT", "boundary_BT")
        return cls(
            prompts=prompts,
            prompt_B=torch.cat(groups),
            value_BT=whole("value_BT") if parts[0].value_BT is not None else None,
            complete_B=torch.cat([part.complete_B for part in parts]),
            **{name: whole(name) for name in names},
        )
