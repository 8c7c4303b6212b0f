"""From a local folder in the hub's transformers format to a language policy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from burnish.errors import ModelError
from burnish.policies.language.families import FAMILIES
from burnish.policies.language.policy import LanguagePolicy
from burnish.policies.language.prompts import Encoder
from burnish.policies.language.vllm import VllmEngine
from burnish.recipes.schema import Model

TARGETS = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
"""Modules that LoRA adapts unless the recipe names others: every linear layer of the language model."""


def load_language(
    folder: Path, settings: Model, place: torch.device, dtype: torch.dtype, seed: int, *, critic: bool = False
) -> LanguagePolicy:
    """The vision-language model in `folder`, ready to sample and to train; with a value head for a critic.

    Raises:
        ModelError: an unknown model type, or files that transformers cannot read.
    """
    from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer

    kind = model_type(folder)
    try:
        model: Any = AutoModelForImageTextToText.from_pretrained(
            folder, dtype=dtype if settings.lora else torch.float32, local_files_only=True,
            attn_implementation="sdpa",
        )  # fmt: skip
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        images = None
        if (folder / "preprocessor_config.json").is_file() or (folder / "processor_config.json").is_file():
            images = AutoImageProcessor.from_pretrained(folder, local_files_only=True, backend="pil")
    except (OSError, ValueError, RuntimeError, KeyError) as problem:
        first = str(problem).strip().splitlines()[0]
        raise ModelError(f"{folder} could not be loaded as a {kind}: {first}") from problem
    if tokenizer.chat_template is None:
        raise ModelError(
            f"{folder} has no chat template: add chat_template.jinja, as the model's own page has it"
        )
    model.eval().requires_grad_(False).to(place)
    make_trainable(model, settings, seed)
    head = None
    if critic:
        head = torch.nn.Linear(model.config.get_text_config().hidden_size, 1).to(place)
        torch.nn.init.zeros_(head.weight)
        torch.nn.init.zeros_(head.bias)
    encoder = Encoder(model.config, tokenizer, images)
    length = settings.max_new_tokens
    engine = VllmEngine(**settings.engine.model_dump()) if settings.engine else None
    policy = LanguagePolicy(
        model,
        encoder,
        place,
        dtype,
        temperature=settings.temperature,
        max_tokens=length,
        critic=head,
        engine=engine,
    )
    if settings.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
        policy.recompute = True
    return policy


def model_type(folder: Path) -> str:
    """The `model_type` of `config.json`.

    Raises:
        ModelError: a damaged file, or a type that burnish has no family for.
    """
    try:
        kind = json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"]
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise ModelError(f"{folder / 'config.json'} cannot be read ({problem})") from None
    if kind not in FAMILIES:
        raise ModelError(f"{folder} is a {kind}; burnish can train {', '.join(FAMILIES)}")
    return kind


def make_trainable(model: Any, settings: Model, seed: int) -> None:
    """What the recipe trains has gradients: adapters or all weights; the vision tower only if it is tuned.

    Raises:
        ModelError: a LoRA target matches no module.
    """
    if settings.lora is None:
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(settings.tune_vision or ("visual" not in name and "vision" not in name))
        return
    from peft import LoraConfig

    torch.manual_seed(seed)
    targets: Any = settings.lora.targets or TARGETS
    config = LoraConfig(r=settings.lora.rank, lora_alpha=settings.lora.alpha, target_modules=targets)  # type: ignore[arg-type]
    try:
        model.add_adapter(config)
    except ValueError as problem:
        raise ModelError(f"model.lora.targets: {str(problem).splitlines()[0]}") from None
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
