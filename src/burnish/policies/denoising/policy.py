"""A denoiser as a policy: `sample` makes rollouts, `evaluate` scores their decisions again.

A decision is one stochastic denoising transition x' = a·x + b·v + s·ε. What the update needs of it is
kept: x, the time, the prediction v_old that was followed and the noise ε that was drawn. The log of
the importance ratio follows directly from v_new − v_old (see `core.ratios.gaussian_log_ratio`), so it is
exactly zero while the weights are unchanged.

Axes: P prompts, B rollouts, T trained decisions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from burnish.core import divergences, ratios, transitions, units
from burnish.engine import rng
from burnish.errors import RecipeError
from burnish.policies.denoising.backbone import Backbone, Condition
from burnish.policies.denoising.conditions import Conditioned
from burnish.policies.denoising.embeddings import EmbeddingCache
from burnish.policies.denoising.matching import copies
from burnish.policies.denoising.rollouts import Rollouts
from burnish.policies.reference import Referenced
from burnish.recipes.schema import Ratio, Recipe
from burnish.types import Prompt

EXACT = Ratio()


class DenoisingPolicy(Conditioned, Referenced):
    """The one denoising loop, for every backbone.

    Args:
        backbone: conditioning and prediction.
        device: where it runs.
        dtype: of the forward pass; trained weights and log-ratios stay float32.
        offload: whether text encoders and autoencoder wait on the CPU while not in use.
        cache: prompt embeddings on disk.
    """

    def __init__(
        self,
        backbone: Backbone,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        *,
        offload: bool = False,
        cache: EmbeddingCache | None = None,
    ):
        self.backbone, self.device, self.dtype = backbone, device, dtype
        self.offload, self.cache = offload, cache
        self.made_of = type(backbone.pipe).__name__
        self._embedded: dict[str, Condition] = {}

    kind = "denoising"

    @property
    def network(self) -> Any:
        """The denoiser."""
        return self.backbone.denoiser

    def table(self, recipe: Recipe, step: int) -> transitions.Table:
        """How training step `step` samples: stochastic inside the window, an ODE elsewhere.

        Raises:
            RecipeError: the transition is not made for this model.
        """
        sampling = recipe.sampling
        schedule = self.backbone.schedule(sampling.steps)
        try:
            table = transitions.table(sampling.transition, schedule, sampling.eta)
        except ValueError as problem:
            raise RecipeError(f"sampling.transition: {problem}") from None
        return table.window(*recipe.trained_steps_at(step), transitions.table("ode", schedule))

    def check(self, recipe: Recipe) -> None:
        """Refuses what a recipe asks and this model cannot do.

        Raises:
            RecipeError: with the key and what to write.
        """
        self.table(recipe, 1)

    def roll(
        self, prompts: list[Prompt], recipe: Recipe, step: int, seed: tuple[int | str, ...]
    ) -> Iterator[Rollouts]:
        """A training step's rollouts, whole groups at a time, as many as fit in `sampling.rows`."""
        sampling = recipe.sampling
        parts = self.parts(
            [prompt.text for prompt in prompts],
            sampling.group_size,
            self.table(recipe, step),
            seed=seed,
            shared_noise=sampling.shared_noise,
            rows=sampling.rows,
        )
        if recipe.algorithm.ratio.of_copies:
            return copies(self, parts, len(prompts) * sampling.group_size, recipe, step, seed)
        return parts

    def micro(self, rows: int, steps: int) -> int:
        """Rollouts of `steps` decisions in one forward of `rows` images."""
        return max(1, rows // steps)

    def outputs(self, rollouts: Rollouts, rows: int) -> np.ndarray:
        """The images, uint8 [B, H, W, 3]."""
        return self.decode(rollouts.final_B, rows)

    def respond(
        self,
        prompts: list[Prompt],
        *,
        steps: int,
        seeds: list[int],
        rows: int,
        greedy: bool = True,
        hybrid: int | None = None,
    ) -> np.ndarray:
        """One image a prompt, deterministic, so always greedy: uint8 [P, H, W, 3]."""
        texts = [prompt.text for prompt in prompts]
        return self.generate(texts, steps, seeds=seeds, rows=rows, hybrid=hybrid)

    def save(self, folder: Path) -> None:
        """The tuned weights in the hub's format: an adapter, or the whole pipeline."""
        if getattr(self.backbone.denoiser, "peft_config", None):
            self.backbone.save_lora(folder)
        else:
            self.backbone.pipe.save_pretrained(folder)

    def predict(self, latents: Tensor, time_B: Tensor, condition: Condition, rows: int) -> Tensor:
        """Predictions [B, …] float32, in forwards of at most `rows` images (twice that when guided)."""
        parts = []
        for start in range(0, len(latents), rows):
            part = slice(start, start + rows)
            mine = {key: value[part] for key, value in condition.items()}
            with self._autocast():
                parts.append(self._guided(latents[part], time_B[part], mine))
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _guided(self, latents: Tensor, time_B: Tensor, condition: Condition) -> Tensor:
        """One prediction: with the prompt, or with and without it in one forward, combined."""
        backbone = self.backbone
        if backbone.guide is None:
            return backbone.predict(latents, time_B, condition).float()
        assert backbone.guidance is not None
        names = [name for name in condition if not name.startswith("unprompted_")]
        both = {name: torch.cat([condition[f"unprompted_{name}"], condition[name]]) for name in names}
        predicted = backbone.predict(torch.cat([latents, latents]), torch.cat([time_B, time_B]), both).float()
        unprompted, prompted = predicted.chunk(2)
        return backbone.guide(prompted, unprompted, backbone.guidance)

    def sample(
        self,
        texts: list[str],
        group_size: int,
        table: transitions.Table,
        *,
        seed: tuple[int | str, ...],
        shared_noise: bool,
        rows: int,
    ) -> Rollouts:
        """`group_size` rollouts for each of the P prompts, B = P·group_size, groups contiguous.

        Args:
            texts: P prompts.
            group_size: rollouts a prompt.
            table: the transition's affine rows, one a step; rows with s = 0 are deterministic.
            seed: keys of all noise drawn here.
            shared_noise: whether a group starts from the same initial noise.
            rows: images in one forward.
        """
        return Rollouts.join(
            list(self.parts(texts, group_size, table, seed=seed, shared_noise=shared_noise, rows=rows))
        )

    @torch.no_grad()
    def parts(
        self,
        texts: list[str],
        group_size: int,
        table: transitions.Table,
        *,
        seed: tuple[int | str, ...],
        shared_noise: bool,
        rows: int,
    ) -> Iterator[Rollouts]:
        """`sample`, as many whole groups at a time as fit in `rows` images (at least one group).

        The noise is drawn for the whole batch and cut, so the parts do not change it; every part carries
        the condition of all prompts.
        """
        condition, shape = self.condition(texts), self.backbone.latent_shape
        prompt_B = torch.arange(len(texts)).repeat_interleave(group_size)
        starts = len(texts) if shared_noise else len(prompt_B)
        x_B = rng.noise((starts, *shape), *seed, "initial").repeat_interleave(len(prompt_B) // starts, 0)

        @cache
        def noise_B(t: int) -> Tensor:
            return rng.noise((len(prompt_B), *shape), *seed, "transition", t)

        size, alike = max(1, rows // group_size) * group_size, group_size if shared_noise else 1
        for start in range(0, len(prompt_B), size):
            part = slice(start, start + size)
            yield self._roll(x_B[part], part, prompt_B[part], alike, noise_B, table, condition, rows)

    def _roll(
        self,
        x_B: Tensor,
        part: slice,
        prompt_B: Tensor,
        alike: int,
        noise_B: Callable[[int], Tensor],
        table: transitions.Table,
        condition: Condition,
        rows: int,
    ) -> Rollouts:
        """The denoising loop over the rollouts `part` of the batch.

        Every `alike` consecutive ones begin with the same noise, and stay the same until the first step that
        draws some: as long, one of them is computed for all.
        """
        x = x_B[::alike].to(self.device, torch.float32)
        spread = {key: value[prompt_B[::alike].to(value.device)] for key, value in condition.items()}
        steps, decided = len(table.s_T), table.s_T > 0
        time_T = self.backbone.schedule(steps).time_T
        kept: dict[str, list[Tensor]] = {"x": [], "v": [], "noise": []}
        change = []
        for t in range(steps):
            if decided[t] and len(x) < len(prompt_B):
                x = x.repeat_interleave(alike, 0)
                spread = {key: value.repeat_interleave(alike, 0) for key, value in spread.items()}
            time_B = torch.full((len(x),), float(time_T[t]), device=x.device)
            v = self.predict(x, time_B, spread, rows)
            a, b, s = (float(row[t]) for row in (table.a_T, table.b_T, table.s_T))
            following = a * x + b * v
            if s > 0:
                noise = noise_B(t)[part].to(x.device)
                following = following + s * noise
                for name, value in (("x", x), ("v", v), ("noise", noise)):
                    kept[name].append(value)
                change.append(units.relative_l1(torch.stack([x, following], 1)))
            x = following
        x = x.repeat_interleave(len(prompt_B) // len(x), 0)  # where no step draws noise
        latents_BT, prediction_BT, noise_BT = (
            torch.stack(values, 1) if values else x.new_zeros(len(x), 0, *x.shape[1:])
            for values in kept.values()
        )
        return Rollouts(
            latents_BT=latents_BT,
            prediction_BT=prediction_BT,
            noise_BT=noise_BT,
            time_T=time_T[decided],
            b_T=table.b_T[decided],
            s_T=table.s_T[decided],
            prompt_B=prompt_B,
            condition=condition,
            final_B=x,
            l1rel_T=torch.cat(change).double().cpu() if change else torch.zeros(0, dtype=torch.float64),
        )

    def evaluate(
        self, rollouts: Rollouts, which_B: Tensor, rows: int, divergence: str = "none"
    ) -> tuple[Tensor, Tensor]:
        """Exact log-ratios and divergences of the decisions: the first two of `measure`."""
        log_ratio_BT, divergence_BT, _ = self.measure(rollouts, which_B, rows, divergence)
        return log_ratio_BT, divergence_BT

    def measure(
        self,
        rollouts: Rollouts,
        which_B: Tensor,
        rows: int,
        divergence: str = "none",
        ratio: Ratio = EXACT,
        keep_BT: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Log-ratios, divergences and drifts of the decisions under the current weights.

        The kept decisions of the chosen rollouts are stacked into one forward (or several of `rows` rows).

        Args:
            rollouts: from `sample` or `roll`.
            which_B: indices of the rollouts to score, [b].
            rows: stacked timesteps in one forward.
            divergence: a member of `core.divergences.DIVERGENCES`.
            ratio: how the log-ratio is measured.
            keep_BT: decisions that are asked for, bool [b, T]; the others are not computed and count 0.

        Returns:
            `log_ratio_BT` [b, T] with gradient, `divergence_BT` [b, T] from the reference (zeros for none),
            and `drift_BT` [b, T] from the policy that sampled, as `core.ratios.RATIOS` has it.
        """
        which, steps = which_B.to(self.device), len(rollouts.time_T)
        everything = torch.ones(len(which), steps, dtype=torch.bool)
        keep_BT = (everything if keep_BT is None else keep_BT).to(self.device)
        t_N, b_N = keep_BT.T.nonzero(as_tuple=True)  # time-major, as it was sampled
        x = rollouts.latents_BT[which[b_N], t_N]
        prompts = rollouts.prompt_B[which_B.cpu()][b_N.cpu()]
        condition = {key: value[prompts.to(value.device)] for key, value in rollouts.condition.items()}
        time, b, s = (
            value.to(self.device, torch.float32)[t_N]
            for value in (rollouts.time_T, rollouts.b_T, rollouts.s_T)
        )
        v = self.predict(x, time, condition, rows)
        v_old, noise = rollouts.followed(which[b_N], t_N, v.detach())
        options = {"beta": ratio.beta} if ratio.name == "contrast" else {}
        log_ratio, drift = ratios.RATIOS[ratio.name](noise, v, v_old, b, s, **options)
        distance = torch.zeros_like(log_ratio)
        if divergence != "none":
            with self.reference(), torch.no_grad():
                v_reference = self.predict(x, time, condition, rows)
            distance = divergences.DIVERGENCES[divergence](v, v_reference, b, s)
        log_ratio_BT, distance_BT, drift_BT = (
            value.new_zeros(keep_BT.shape).index_put((b_N, t_N), value)
            for value in (log_ratio, distance, drift)
        )
        return log_ratio_BT, distance_BT, drift_BT

    @torch.no_grad()
    def generate(
        self, texts: list[str], steps: int, *, seeds: list[int], rows: int, hybrid: int | None = None
    ) -> np.ndarray:
        """Deterministic (ODE) images, uint8 [P, H, W, 3]; one seed a prompt fixes its noise.

        With `hybrid` the reference weights take the steps from that one on (GCPO, 2510.21583).
        """
        schedule = self.backbone.schedule(steps)
        table = transitions.table("ode", schedule)
        shape = self.backbone.latent_shape
        images = []
        for start in range(0, len(texts), rows):
            part = texts[start : start + rows]
            condition = self.condition(part)
            noise = [
                rng.noise(shape, "image", seed, device=self.device) for seed in seeds[start : start + rows]
            ]
            x = torch.stack(noise).float()
            for t in range(steps):
                time_B = torch.full((len(x),), float(schedule.time_T[t]), device=x.device)
                with nullcontext() if hybrid is None or t < hybrid else self.reference():
                    v = self.predict(x, time_B, condition, rows)
                x = float(table.a_T[t]) * x + float(table.b_T[t]) * v
            images.append(self.decode(x, rows))
        return np.concatenate(images)

    def decode(self, latents: Tensor, rows: int) -> np.ndarray:
        """uint8 images [B, H, W, 3]."""
        with self._present("vae"):
            return np.concatenate([self.backbone.decode(part) for part in latents.split(rows)])

    def pipeline_images(self, texts: list[str], steps: int, noise: Tensor) -> np.ndarray:
        """What the `diffusers` pipeline itself draws from this noise: uint8 [B, height, width, 3]."""
        with self._present(""):
            return self.backbone.pipeline_images(texts, steps, noise)

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.dtype)
