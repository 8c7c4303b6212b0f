"""The recipe: everything a run depends on, as strict types that import neither torch nor a model.

A recipe is a YAML file with these sections; any leaf can be overridden on the command line as
`section.key=value`. Unknown keys and wrong types are refused before anything loads.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from burnish.recipes.algorithm import (
    Advantage,
    Algorithm,
    Correction,
    Divergence,
    Objective,
    PresetName,
    Ratio,
    Section,
    Unit,
    Weights,
)
from burnish.recipes.presets import OWN, fitting

__all__ = [
    "Advantage",
    "Algorithm",
    "Correction",
    "Data",
    "Divergence",
    "Engine",
    "Evaluation",
    "Lora",
    "Model",
    "Noisy",
    "Objective",
    "PresetName",
    "Ratio",
    "Recipe",
    "Reward",
    "Run",
    "Sampling",
    "Section",
    "Train",
    "Unit",
    "Weights",
]


class Run(Section):
    """Where a run lives and what makes it repeatable."""

    dir: str = Field(default="runs/scenes", description="Folder of this run; must not hold another run.")
    seed: int = Field(
        default=0, ge=0, description="Seeds prompts, noise, initial LoRA weights: everything random."
    )
    device: str = Field(
        default="auto", description="auto, cpu, cuda, cuda:1 …; auto takes the accelerator if any."
    )
    tensorboard: bool = Field(
        default=False, description="Also write TensorBoard events (extra: tensorboard)."
    )


class Lora(Section):
    """Low-rank adapters (peft) in place of full fine-tuning."""

    rank: int = Field(default=32, ge=1)
    alpha: float = Field(default=64.0, gt=0)
    targets: list[str] | None = Field(
        default=None, description="Module-name endings; None takes the backbone's own."
    )


class Engine(Section):
    """Language models: a vLLM server that draws the rollouts, and how adapters reach it."""

    url: str = Field(description="Up to and with /v1, such as http://localhost:8000/v1.")
    adapters: str = Field(description="A folder that the server sees under the same path.")
    workers: int = Field(default=32, ge=1, description="Requests at a time.")


class Model(Section):
    """The policy: a bundled model's name or a local folder in the hub's diffusers format."""

    path: str = Field(
        default="scenes-small",
        description="scenes-small, scenes-reader, or a folder in the format of diffusers or transformers.",
    )
    kind: Literal["image", "language"] = Field(
        default="image", description="What it makes: images, or text about images."
    )
    lora: Lora | None = Field(
        default=None, description="LoRA settings; null trains all weights of the transformer."
    )
    dtype: Literal["float32", "bfloat16"] = "float32"
    height: int | None = Field(default=None, ge=8, description="Pixels; null takes the model's default size.")
    width: int | None = Field(default=None, ge=8)
    guidance_scale: float | None = Field(
        default=None,
        ge=0,
        description="In sampling and training alike; null takes the model's own, 1 is none (Z-Image: 0).",
    )
    gradient_checkpointing: bool = Field(
        default=False,
        description="Recompute activations in the backward pass: less memory, a third more time.",
    )
    offload: bool = Field(
        default=False, description="Text encoders and autoencoder wait on the CPU while not in use."
    )
    embeddings: str | None = Field(
        default=None, description="Folder of a cache of prompt embeddings, keyed by model and text."
    )
    compile: bool = Field(
        default=False, description="torch.compile of the repeated blocks; pays in long GPU runs."
    )
    max_text_tokens: int = Field(
        default=512, ge=1, description="Upper bound; the tokenizer's own limit applies too."
    )
    temperature: float = Field(
        default=1.0, gt=0, description="Language models: of sampling and of scoring alike."
    )
    max_new_tokens: int = Field(default=256, ge=1, description="Language models: longest completion.")
    engine: Engine | None = Field(
        default=None, description="Language models: draws the rollouts; null draws them in this process."
    )
    tune_vision: bool = Field(
        default=False, description="Language models: train the vision tower too (without LoRA)."
    )


class Data(Section):
    """The training prompts."""

    prompts: str = Field(
        default="scenes:train",
        description="scenes:SPLIT[/CATEGORY+CATEGORY], or a .txt, .csv, .tsv or .jsonl file.",
    )
    column: str | None = Field(default=None, description="Prompt column of a csv/jsonl file; null finds it.")
    limit: int | None = Field(default=None, ge=1, description="Use only the first N prompts.")
    curriculum: str | None = Field(
        default=None, description="Column of numbers; every epoch goes from its lowest to its highest."
    )


class Reward(Section):
    """One reward and its weight: a built-in name, `FILE.py:NAME`, `package.module:NAME` or `http://HOST:PORT`."""

    name: str = "scenes_graded"
    weight: float = 1.0
    options: dict[str, Any] = Field(
        default={}, description="Keyword arguments of the reward, such as path: models/PickScore_v1."
    )

    @property
    def label(self) -> str:
        """The name without folders, as metrics and curves carry it."""
        return self.name.rstrip("/").rsplit("/", 1)[-1]


class Noisy(Section):
    """Some rollouts see noisy pictures, the gradient clean ones (NoisyRollout, 2504.13055)."""

    share: float = Field(default=0.5, gt=0, lt=1, description="Of each group's rollouts.")
    level: float = Field(
        default=0.5, gt=0, le=1, description="Standard deviation at first, of pixels in [-1, 1]; it fades."
    )


class Sampling(Section):
    """How rollouts are made: the schedule, the transition, and where it is stochastic."""

    steps: int = Field(default=6, ge=1, description="Denoising steps of a training rollout.")
    transition: Literal["flow_sde", "dance_sde", "cps", "ddim", "ode"] = Field(
        default="flow_sde",
        description="Flows: flow_sde, dance_sde, cps; diffusion models: ddim; where decisions are noised "
        "copies also ode.",
    )
    eta: float = Field(default=0.7, gt=0, description="Noise level of the transition.")
    window: tuple[int, int] | None = Field(
        default=(0, 3),
        strict=False,
        description="Steps [first, last) that are stochastic and trained (noised copies: whose noise levels "
        "are trained); null: all but the last.",
    )
    slide: int | None = Field(
        default=None,
        ge=1,
        description="Training steps after which the window moves on by one, from the last place back to the "
        "first; null: it stays.",
    )
    shared_noise: bool = Field(default=True, description="Same initial noise within a group.")
    group_size: int = Field(default=12, ge=1, description="Rollouts per prompt.")
    prompts_per_step: int = Field(default=16, ge=1, description="Distinct prompts per training step.")
    refill: int = Field(
        default=0,
        ge=0,
        description="Further rounds in which prompts whose rollouts earn all the same are replaced (DAPO).",
    )
    noisy: Noisy | None = Field(default=None, description="Language models: noisy views; null: none.")
    rows: int = Field(
        default=192, ge=1, description="Images or stacked timesteps in one forward (memory budget)."
    )


class Train(Section):
    """The optimiser and how long it runs."""

    steps: int = Field(default=60, ge=0, description="Training steps (rollout, score, update).")
    updates: int = Field(default=1, ge=1, description="Optimiser updates per batch of rollouts.")
    share: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Share of the rollouts with an advantage that get a backward pass, drawn by |advantage| "
        "and weighed so that the gradient keeps its mean.",
    )
    lr: float = Field(default=3e-4, gt=0)
    weight_decay: float = Field(default=1e-4, ge=0)
    warmup: int = Field(default=0, ge=0, description="Steps of linear warm-up of the learning rate.")
    max_grad_norm: float = Field(default=1.0, gt=0)
    ema: float | None = Field(
        default=0.9, gt=0, lt=1, description="Decay of the averaged weights; null: none."
    )
    checkpoint_every: int = Field(default=20, ge=1)
    keep_checkpoints: int = Field(default=2, ge=1, description="Newest checkpoints kept.")
    nonfinite_budget: int = Field(
        default=5, ge=0, description="Skipped non-finite updates before the run stops."
    )


class Evaluation(Section):
    """Fixed prompts, fixed seeds, deterministic sampling: what the curves show."""

    prompts: str = Field(default="scenes:test", description="As data.prompts.")
    also: list[str] = Field(default=["scenes:ood"], description="Further prompt sets, each its own curve.")
    reward: list[Reward] = Field(default=[Reward(name="scenes_strict"), Reward(name="scenes_graded")])
    every: int = Field(default=20, ge=1, description="Training steps between evaluations.")
    count: int = Field(default=512, ge=1, description="Prompts per set.")
    group_size: int = Field(
        default=1, ge=1, description="Images (completions) per prompt, whose mean is the prompt's score."
    )
    steps: int = Field(default=10, ge=1, description="ODE steps of an image.")
    hybrid: int | None = Field(
        default=None,
        ge=0,
        description="Images: how many of the steps the tuned weights take, the base takes the rest (GCPO); "
        "null: all.",
    )
    greedy: bool = Field(
        default=True, description="Language models: the likeliest tokens, or draws that the seed fixes."
    )
    seed: int = Field(default=1234, ge=0)
    pictures: int = Field(default=12, ge=0, description="Fixed prompts drawn in the grids.")
    held_out: list[str] = Field(
        default=[], description="Members of reward that training must not see: watched against its reward."
    )
    alarm: Literal["warn", "stop", "off"] = Field(
        default="warn", description="When the two part; stop ends the run and exports the held-out's best."
    )

    @field_validator("alarm", mode="before")
    @classmethod
    def _word(cls, value: Any) -> Any:
        return "off" if value is False else value  # YAML reads off as false


class Recipe(Section):
    """A whole run."""

    run: Run = Run()
    model: Model = Model()
    data: Data = Data()
    rewards: list[Reward] = Field(default=[Reward()], min_length=1)
    algorithm: Algorithm = Algorithm()
    sampling: Sampling = Sampling()
    train: Train = Train()
    evaluation: Evaluation = Evaluation()

    @model_validator(mode="after")
    def _combinations(self) -> Recipe:
        from burnish.recipes.check import impossible

        for sentence in impossible(self):
            raise ValueError(sentence)
        return self

    @property
    def trained_steps(self) -> tuple[int, int]:
        """The half-open range of stochastic, trained steps, where it begins if it slides."""
        return self.sampling.window or (0, max(1, self.sampling.steps - 1))

    def trained_steps_at(self, step: int) -> tuple[int, int]:
        """The range at training step `step` (from 1): MixGRPO's sliding window (2507.21802, §3.2)."""
        first, last = self.trained_steps
        if self.sampling.slide is None:
            return first, last
        places = self.sampling.steps - last  # never the last denoising step
        moved = (step - 1) // self.sampling.slide % places
        return first + moved, last + moved

    def dump(self) -> dict[str, Any]:
        """Plain dictionaries, lists and numbers, ready for YAML or JSON; loads back to an equal recipe.

        Keys that the chosen member of an axis does not read (say gamma without slas) are left out.
        """
        values = self.model_dump(mode="json")
        algorithm = values["algorithm"]
        for axis in OWN:
            algorithm[axis] = fitting(axis, algorithm[axis])
        return values
