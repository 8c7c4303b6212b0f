"""From a recipe's `model` section to a policy ready to sample and to train."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import torch

from burnish.engine.devices import find_device
from burnish.engine.quiet import quiet
from burnish.errors import ModelError
from burnish.policies.denoising.embeddings import EmbeddingCache, fingerprint
from burnish.policies.denoising.flux import Flux
from burnish.policies.denoising.policy import DenoisingPolicy
from burnish.policies.denoising.qwen_image import QwenImage
from burnish.policies.denoising.sd1 import StableDiffusion
from burnish.policies.denoising.sd3 import StableDiffusion3
from burnish.policies.denoising.z_image import ZImage
from burnish.policies.language.load import load_language
from burnish.recipes.schema import Model
from burnish.scenes.models import bundled

BACKBONES: dict[str, Any] = {
    "FluxPipeline": Flux,
    "StableDiffusion3Pipeline": StableDiffusion3,
    "QwenImagePipeline": QwenImage,
    "ZImagePipeline": ZImage,
    "StableDiffusionPipeline": StableDiffusion,
}
"""Pipeline class in `model_index.json` → backbone."""

WORDS = {"image": "images", "language": "text"}

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def pick_device(name: str | torch.device) -> torch.device:
    """`auto` becomes the accelerator where there is one.

    On CUDA, cuDNN's attention, torch 2.11's default on Hopper, gives way to the flash and memory-efficient
    kernels: its backward read illegal memory on the bundled models in bfloat16, and with some masks returns
    NaN (github.com/pytorch/pytorch/issues/196678).

    Raises:
        ModelError: the device is not on this machine.
    """
    try:
        device = find_device(name)
    except ValueError as reason:
        raise ModelError(f"run.device='{name}' cannot be used here ({reason}); try auto or cpu") from None
    if device.type == "cuda":
        torch.backends.cuda.enable_cudnn_sdp(False)
    return device


def folder_of(path: str) -> Path:
    """The model folder that `model.path` means: a bundled name or a local folder.

    Raises:
        ModelError: neither.
    """
    folder = Path(path).expanduser()
    if any((folder / name).is_file() for name in ("model_index.json", "config.json")):
        return folder
    if not folder.exists() and path.startswith("scenes-"):
        return bundled(path)
    what = "holds neither model_index.json nor config.json" if folder.is_dir() else "does not exist"
    raise ModelError(
        f"model.path={path!r} {what}; give a bundled name (scenes-small, scenes-mini, scenes-reader) "
        "or a folder in the format of diffusers or transformers"
    )


def kind_of(path: str) -> Literal["image", "language"]:
    """What the model at `path` makes: a diffusers folder images, a transformers folder language.

    Raises:
        ModelError: no such folder.
    """
    return "image" if (folder_of(path) / "model_index.json").is_file() else "language"


def index_of(path: str) -> tuple[Path, dict[str, Any]]:
    """The model folder that `model.path` means, and its `model_index.json`.

    Raises:
        ModelError: no such folder, a damaged index, or a pipeline class that burnish has no backbone for.
    """
    folder = folder_of(path)
    try:
        index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
        name = index.get("_class_name")
    except (OSError, ValueError, AttributeError) as problem:
        raise ModelError(f"{folder / 'model_index.json'} cannot be read ({problem})") from None
    if name not in BACKBONES:
        raise ModelError(f"{folder} is a {name}; burnish can train {', '.join(BACKBONES)}")
    return folder, index


def load_pipeline(path: str, dtype: torch.dtype = torch.float32) -> tuple[Any, str]:
    """The diffusers pipeline at `path` and its class name.

    Raises:
        ModelError: an unknown pipeline class, or files that diffusers cannot read.
    """
    import diffusers

    folder, index = index_of(path)
    name = index["_class_name"]
    quiet("transformers", "diffusers")
    try:
        pipe = getattr(diffusers, name).from_pretrained(folder, dtype=dtype, local_files_only=True)
    except (OSError, ValueError, RuntimeError, KeyError) as problem:
        first = str(problem).strip().splitlines()[0]
        raise ModelError(f"{folder} could not be loaded as a {name}: {first}") from problem
    pipe.set_progress_bar_config(disable=True)
    return pipe, name


def load_policy(
    settings: Model | str, device: str | torch.device = "auto", seed: int = 0, *, critic: bool = False
) -> Any:
    """The policy a recipe's `model` section describes.

    Args:
        settings: the section, or just its `path`: a bundled name or a local diffusers folder, whose
            `model_index.json` decides the backbone.
        device: where it runs.
        seed: of fresh LoRA weights.
        critic: whether a language model gets a value head.

    Returns:
        A `DenoisingPolicy` or a `LanguagePolicy`; both answer to the same calls.

    Raises:
        ModelError: the folder is missing, broken, of an unknown class, or does not fit the settings.
    """
    if isinstance(settings, str):
        settings = Model(path=settings, kind=kind_of(settings))
    place = pick_device(device)
    dtype = DTYPES[settings.dtype]
    folder = folder_of(settings.path)
    found = kind_of(settings.path)
    if found != settings.kind:
        raise ModelError(f"{folder} makes {WORDS[found]}: set model.kind to {found}")
    if found == "language":
        quiet("transformers", "diffusers")
        return load_language(folder, settings, place, dtype, seed, critic=critic)
    pipe, name = load_pipeline(settings.path, dtype if settings.lora else torch.float32)
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval().requires_grad_(False)
    if type(pipe.vae).__name__ == "AutoencoderKL":  # others take video and have five axes
        pipe.vae.to(memory_format=torch.channels_last)
    denoiser = pipe.transformer if hasattr(pipe, "transformer") else pipe.unet
    (denoiser if settings.offload else pipe).to(place)
    backbone = BACKBONES[name](pipe, settings)
    make_trainable(backbone, settings, seed)
    if settings.gradient_checkpointing:
        backbone.denoiser.enable_gradient_checkpointing()
    if settings.compile:
        backbone.denoiser.compile_repeated_blocks()
    cache = None
    if settings.embeddings is not None:
        cache = EmbeddingCache(Path(settings.embeddings), fingerprint(folder_of(settings.path), settings))
    return DenoisingPolicy(backbone, place, dtype, offload=settings.offload, cache=cache)


def make_trainable(backbone: Any, settings: Model, seed: int) -> None:
    """What the recipe trains has gradients: all of the denoiser, or fresh adapters.

    Raises:
        ModelError: a LoRA target matches no module.
    """
    if settings.lora is None:
        backbone.denoiser.requires_grad_(True)
    else:
        add_lora(backbone, settings, seed)


def add_lora(backbone: Any, settings: Model, seed: int) -> None:
    """Binds fresh float32 adapters to the backbone's target modules.

    Raises:
        ModelError: a target matches no module.
    """
    from peft import LoraConfig

    assert settings.lora is not None
    targets = settings.lora.targets or backbone.lora_targets
    names = [name for name, _ in backbone.denoiser.named_modules()]
    for target in targets:
        if not any(name == target or name.endswith("." + target) for name in names):
            raise ModelError(f"model.lora.targets: {target!r} matches no module of {settings.path}")
    torch.manual_seed(seed)
    config = LoraConfig(
        r=settings.lora.rank,
        lora_alpha=settings.lora.alpha,  # type: ignore[arg-type]  # peft scales by alpha / rank, any number
        target_modules=targets,
        init_lora_weights="gaussian",
    )
    backbone.denoiser.add_adapter(config)
    for parameter in backbone.denoiser.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
