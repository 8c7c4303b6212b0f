"""`burnish plan`: what a recipe will cost, from the model's configuration files alone; no weight is read.

The networks are built without storage (torch's meta device). Floating-point operations are counted by torch
while they run there, attention included; activations are the tensors that autograd keeps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from burnish.engine.quiet import quiet
from burnish.errors import ModelError
from burnish.policies.load import BACKBONES, DTYPES, index_of, make_trainable
from burnish.recipes import work
from burnish.recipes.schema import Model, Recipe

CARDS = {"24 GB (RTX 4090)": (24, 165e12), "80 GB (H100)": (80, 989e12), "141 GB (H200)": (141, 989e12)}
"""Memory in GB and dense bf16 FLOP/s, by the makers' data sheets."""
UTILISATION = 0.3
"""Share of a card's FLOP/s that the time estimate expects."""


@dataclass(frozen=True)
class Phase:
    """One phase of a training step.

    Attributes:
        name: encode, sample, decode or train.
        flops: floating-point operations of all its forwards (and backwards).
        gigabytes: memory while it runs, weights included, in 10⁹ bytes.
    """

    name: str
    flops: float
    gigabytes: float


@dataclass(frozen=True)
class Plan:
    """The estimate of a run.

    Attributes:
        parameters: of each network of the pipeline, in numbers.
        trained: trained parameters.
        phases: of one step.
        steps: training steps of the run.
    """

    parameters: dict[str, int]
    trained: int
    phases: list[Phase]
    steps: int

    @property
    def gigabytes(self) -> float:
        """The largest phase."""
        return max(phase.gigabytes for phase in self.phases)

    def hours(self, flops_per_second: float) -> float:
        """Of the whole run without evaluations, at `UTILISATION`."""
        each = sum(phase.flops for phase in self.phases)
        return each * self.steps / (flops_per_second * UTILISATION) / 3600


def plan(recipe: Recipe) -> Plan:
    """The estimate for a recipe; takes seconds at any size of model.

    Raises:
        ModelError: the folder is missing, or its configuration cannot be read.
    """
    settings, sampling = recipe.model, recipe.sampling
    if settings.kind == "language":
        raise ModelError("burnish plan estimates image models only; burnish doctor measures a language model")
    pipe, backbone = skeleton(settings)
    modules = {name: part for name, part in pipe.components.items() if isinstance(part, nn.Module)}
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in modules.items()}
    denoiser = next(name for name, part in modules.items() if part is backbone.denoiser)
    trained = sum(p.numel() for p in backbone.denoiser.parameters() if p.requires_grad)
    if settings.lora:
        counts[denoiser] -= trained
    first, last = recipe.trained_steps
    batch = sampling.prompts_per_step * sampling.group_size

    forward, working = measure_forward(backbone)
    update, kept = measure_update(backbone, settings)
    decode, pixels = measure_decode(backbone)
    guided = 2 if backbone.guide else 1
    tokens = next(iter(backbone.blank().values())).shape[0]
    texts = sum(count for name, count in counts.items() if name.startswith("text_encoder"))
    decisions = batch * (last - first)

    frozen = 2 if settings.lora and settings.dtype == "bfloat16" else 4  # bytes a weight that is not trained
    copies = 1 if recipe.train.ema is not None else 0
    remembers = recipe.algorithm.divergence.name != "none" or recipe.evaluation.hybrid is not None
    copies += remembers and settings.lora is None
    always = counts[denoiser] * frozen if settings.lora else 0
    always += trained * 4 * (4 + copies)  # weight, gradient, two moments, averages
    others = {name: count * frozen for name, count in counts.items() if name != denoiser}
    waiting = 0 if settings.offload else sum(others.values())
    kept_rollouts = decisions * 3 * math.prod(backbone.latent_shape) * 4

    def phase(name: str, flops: float, *memory: float) -> Phase:
        return Phase(name, float(flops), (always + sum(memory)) / 1e9)

    rows = min(sampling.rows, batch)
    stacked = max(1, sampling.rows // (last - first)) * (last - first)  # a rollout's decisions stay together
    encoding = 2 * texts * tokens * sampling.prompts_per_step
    sampled = batch * (work.drawn(recipe) + work.asked_before(recipe))
    referred = forward if recipe.algorithm.divergence.beta > 0 else 0
    phases = [
        phase("encode", encoding, max(waiting, texts * frozen)),
        phase("sample", forward * guided * sampled,
              waiting, kept_rollouts, rows * guided * working),
        phase("decode", decode * batch, max(waiting, others.get("vae", 0)), kept_rollouts, rows * pixels),
        phase("train", (update + referred) * guided * batch * work.trained(recipe),
              waiting, kept_rollouts, stacked * guided * kept),
    ]  # fmt: skip
    return Plan(counts, trained, phases, recipe.train.steps)


def skeleton(settings: Model, place: torch.device | str = "meta") -> tuple[Any, Any]:
    """The pipeline and its backbone from configuration alone, adapters bound.

    On `meta` the networks have no storage; on another device their weights are as initialised.
    """
    import diffusers
    import transformers

    quiet("transformers", "diffusers")
    folder, index = index_of(settings.path)
    name = index["_class_name"]
    dtype = DTYPES[settings.dtype]
    parts: dict[str, Any] = {}
    for part, found in index.items():
        if part.startswith("_") or not isinstance(found, list):
            parts |= {} if part.startswith("_") else {part: found}
            continue
        library, kind = found
        if kind is None:
            parts[part] = None
            continue
        cls: Any = getattr(diffusers if library == "diffusers" else transformers, kind)
        try:
            with torch.device(place):
                if isinstance(cls, type) and issubclass(cls, diffusers.ModelMixin):
                    parts[part] = cls.from_config(cls.load_config(folder / part)).to(dtype).eval()
                elif isinstance(cls, type) and issubclass(cls, transformers.PreTrainedModel):
                    configuration: Any = cls.config_class
                    network: Any = cls(configuration.from_pretrained(folder / part))
                    parts[part] = network.to(dtype).eval()
        except (OSError, ValueError) as problem:
            raise ModelError(f"{folder / part} could not be read: {str(problem).splitlines()[0]}") from None
        if part not in parts:
            parts[part] = cls.from_pretrained(folder / part, local_files_only=True)
    pipe = getattr(diffusers, name)(**parts)
    for module in pipe.components.values():
        if isinstance(module, nn.Module):
            module.requires_grad_(False)
    with torch.device(place):
        backbone = BACKBONES[name](pipe, settings)
        make_trainable(backbone, settings, seed=0)
        backbone.denoiser.to(dtype)
    return pipe, backbone


def _inputs(backbone: Any) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    dtype = next(backbone.denoiser.parameters()).dtype
    latents = torch.zeros(1, *backbone.latent_shape, dtype=dtype, device="meta")
    with torch.device("meta"):
        blank = backbone.blank()
    condition = {
        name: value[None].to(dtype) if value.is_floating_point() else value[None]
        for name, value in blank.items()
    }
    return latents, torch.full((1,), 0.5, device="meta"), condition


def measure_forward(backbone: Any) -> tuple[int, int]:
    """FLOPs and working bytes of one unguided prediction for one image."""
    largest = _Largest(backbone.denoiser)
    with torch.no_grad(), FlopCounterMode(display=False) as counter, largest, _fused_attention():
        backbone.predict(*_inputs(backbone))
    return counter.get_total_flops(), largest.bytes


def measure_update(backbone: Any, settings: Model) -> tuple[int, int]:
    """FLOPs of one prediction with its backward pass, and the bytes autograd keeps for it."""
    denoiser = backbone.denoiser
    owned = _storages(denoiser)

    def run() -> tuple[int, int]:
        kept: dict[int, int] = {}

        def keep(value: Tensor) -> Tensor:
            storage = value.untyped_storage()
            if storage._cdata not in owned:
                kept[storage._cdata] = storage.nbytes()
                holders.append(storage)
            return value

        holders: list[Any] = []
        with FlopCounterMode(display=False) as counter, _fused_attention():
            with saved_tensors_hooks(keep, lambda value: value):
                predicted = backbone.predict(*_inputs(backbone))
            predicted.sum().backward()
        denoiser.zero_grad(set_to_none=True)
        return counter.get_total_flops(), sum(kept.values())

    flops, everything = run()
    if not settings.gradient_checkpointing:
        return flops, everything
    denoiser.enable_gradient_checkpointing()
    flops, inputs = run()
    blocks = sum(len(part) for part in denoiser.children() if isinstance(part, nn.ModuleList))
    return flops, inputs + everything // max(1, blocks)


def measure_decode(backbone: Any) -> tuple[int, int]:
    """FLOPs and working bytes of the autoencoder's decoder for one image."""
    vae = backbone.pipe.vae
    channels = getattr(vae.config, "latent_channels", None) or vae.config.z_dim
    scale = backbone.pipe.vae_scale_factor
    shape = [1, channels, backbone.height // scale, backbone.width // scale]
    if type(vae).__name__ != "AutoencoderKL":
        shape.insert(2, 1)
    largest = _Largest(vae)
    with torch.no_grad(), FlopCounterMode(display=False) as counter, largest:
        vae.decode(torch.zeros(shape, dtype=vae.dtype, device="meta"), return_dict=False)
    return counter.get_total_flops(), largest.bytes


@contextmanager
def _fused_attention() -> Iterator[None]:
    """Inside, attention is one kernel that never holds the matrix of scores, as on accelerators."""
    original = nn.functional.scaled_dot_product_attention

    def fused(
        query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, *_: Any, **__: Any
    ) -> Tensor:
        if attn_mask is not None:
            attn_mask = attn_mask.to(query.dtype).expand(*query.shape[:3], key.shape[2])
        return torch.ops.aten._scaled_dot_product_efficient_attention(query, key, value, attn_mask, True)[0]

    nn.functional.scaled_dot_product_attention = fused
    try:
        yield
    finally:
        nn.functional.scaled_dot_product_attention = original


class _Largest(TorchDispatchMode):
    """The most bytes that one operation reads and writes beside weights: a floor of the working set."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self.owned, self.bytes = _storages(module), 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves((args, result)) if isinstance(leaf, Tensor)]
        mine = [tensor.nbytes for tensor in tensors if tensor.untyped_storage()._cdata not in self.owned]
        self.bytes = max(self.bytes, sum(mine))
        return result


def _storages(module: nn.Module) -> set[int]:
    """Identities of the storages of its parameters and buffers."""
    return {value.untyped_storage()._cdata for value in (*module.parameters(), *module.buffers())}
