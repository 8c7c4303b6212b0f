"""The recipe's section `algorithm`: one member of each axis of a method."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from burnish.recipes.presets import PRESETS, fill

PresetName = Literal[
    "dance_grpo", "flow_grpo", "slas", "chunk_grpo", "slas_chunk",
    "dr_grpo", "rloo", "reinforce_pp", "gspo", "cispo", "sapo",
    "grpo_guard", "tempflow", "flow_dppo", "awm", "diffusion_nft",
    "grpo", "dapo", "gmpo", "remax", "ppo", "custom",
]  # fmt: skip


class Section(BaseModel):
    """A part of a recipe: frozen, and closed to keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Advantage(Section):
    """Whose credit, how large."""

    name: Literal[
        "grpo", "dance_grpo", "dr_grpo", "batch_std", "slas", "rloo", "reinforce_pp", "remax", "gae"
    ] = "batch_std"
    gamma: float = Field(
        default=0.5, ge=0, description="SLAS exponent: sign(d)·|d|^(1+gamma); only with name: slas."
    )
    order: Literal["scale_first", "power_first"] = Field(
        default="scale_first", description="SLAS: std before or after the power."
    )
    lam: float = Field(default=1.0, ge=0, le=1, description="GAE's λ; only with name: gae.")
    value_weight: float = Field(
        default=0.5, gt=0, description="Weight of the critic's loss; only with name: gae."
    )
    value_clip: float = Field(
        default=0.2, gt=0, description="Range the critic may move in an update; only with name: gae."
    )
    value_warmup: int = Field(
        default=0, ge=0, description="First steps in which the critic alone learns; only with name: gae."
    )
    clamp: float | None = Field(default=5.0, gt=0, description="Advantages are clamped to ±clamp; null: not.")
    combine: Literal["sum", "gdpo"] = Field(
        default="sum",
        description="Several rewards: advantage of the weighted sum, or GDPO's weighted sum of advantages.",
    )


class Unit(Section):
    """Which decisions share one importance ratio."""

    name: Literal["decision", "chunk", "sequence"] = "decision"
    sizes: list[int] | Literal["dynamic"] | None = Field(
        default=None,
        description="Chunk sizes, summing to the trained steps, or dynamic (measured on this model); for "
        "language [n] (n tokens a chunk) or dynamic (a sentence or line of the reasoning a chunk).",
    )
    fraction: float = Field(
        default=1.0, gt=0, le=1, description="Share of each rollout's units that is trained."
    )
    weighted: bool = Field(
        default=False, description="Draw units by their mean relative L1 change, not uniformly."
    )


class Ratio(Section):
    """How the log-ratio of a decision is measured, and what the decisions of an image model are."""

    name: Literal["exact", "guard", "matching", "contrast"] = Field(
        default="exact",
        description="Of transitions: exact, or guard (without bias, one scale for all steps: GRPO-Guard). Of "
        "noised copies: matching (AWM), contrast (DiffusionNFT).",
    )
    power: float = Field(
        default=0.0, ge=0, le=4, description="Matching: the loss at noise level σ weighs σ^power."
    )
    beta: float = Field(
        default=1.0, gt=0, description="Contrast: how far the implicit predictions are from the old one."
    )

    @property
    def of_copies(self) -> bool:
        """Whether decisions are noised copies of the finished image."""
        return self.name in ("matching", "contrast")


class Weights(Section):
    """How much each decision counts in the loss."""

    name: Literal["none", "noise", "guard", "signal"] = Field(
        default="none",
        description="none; noise: by the noise a step draws (TempFlow-GRPO); guard: equal gradients of the "
        "steps (GRPO-Guard); signal: by the signal-to-noise ratio of a step's gradient.",
    )


class Objective(Section):
    """How far the ratio is trusted."""

    name: Literal["clip", "clip_higher", "dual_clip", "cispo", "sapo", "gmpo", "dppo", "nft"] = "clip"
    clip_low: float = Field(default=1e-3, gt=0, lt=1)
    clip_high: float | None = Field(
        default=None,
        gt=0,
        description="Upper range of clip_higher, dual_clip, cispo and gmpo; null: as clip_low, "
        "and for clip_higher 1.4 times that (DAPO's 0.2 and 0.28).",
    )
    threshold: float | None = Field(
        default=None,
        gt=0,
        description="dppo: largest divergence from the old policy (images: mean of d²/2; language: change of "
        "the token's probability); null: as clip_low.",
    )
    advantage_max: float = Field(default=5.0, gt=0, description="nft: the advantage that counts as certain.")
    average: Literal["rollouts", "decisions", "constant"] = Field(
        default="rollouts",
        description="Mean over each rollout's units and then rollouts; over all units of the batch alike "
        "(DAPO); or a sum over the longest possible rollout (Dr.GRPO).",
    )

    @property
    def upper(self) -> float | None:
        """The upper range in force; None: as the lower."""
        return (
            1.4 * self.clip_low if self.name == "clip_higher" and self.clip_high is None else self.clip_high
        )

    @property
    def options(self) -> dict[str, Any]:
        """What the objective's function is told."""
        if self.name == "dppo":
            return {"threshold": self.threshold or self.clip_low}
        if self.name == "nft":
            return {"largest": self.advantage_max}
        return {"low": self.clip_low, "high": self.upper}


class Divergence(Section):
    """How far from the reference model."""

    name: Literal["none", "gaussian", "k1", "k2", "k3"] = Field(
        default="none", description="gaussian for denoisers (exact); k1, k2, k3 for tokens (estimates)."
    )
    beta: float = Field(default=0.0, ge=0)
    in_reward: bool = Field(
        default=False, description="k1, k2, k3: taken off the reward instead of added to the loss."
    )


class Correction(Section):
    """Language models: weights for tokens that the rollouts' engine draws with other odds than training."""

    name: Literal["none", "truncate", "mask", "sequence_truncate", "sequence_mask"] = "none"
    cap: float = Field(default=3.0, ge=1, description="Largest weight.")


class Algorithm(Section):
    """A method: one member of each axis. The preset's row fills what is not written."""

    preset: PresetName = "slas"
    advantage: Advantage = Advantage()
    ratio: Ratio = Ratio()
    unit: Unit = Unit()
    weights: Weights = Weights()
    objective: Objective = Objective()
    divergence: Divergence = Divergence()
    correction: Correction = Correction()

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        preset = values.get("preset", cls.model_fields["preset"].default)
        return fill(values, PRESETS.get(preset, {}) if isinstance(preset, str) else {})
