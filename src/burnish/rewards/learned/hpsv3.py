"""HPSv3 (2508.03789): a Qwen2-VL that reads prompt and image, and a head on its reward token."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image
from torch import Tensor

from burnish.errors import RewardError
from burnish.rewards import hub
from burnish.rewards.learned.clip import Score
from burnish.rewards.learned.head import read_head
from burnish.types import Prompt

REWARD = "<|Reward|>"
"""The token whose hidden state the head reads."""
IMAGE = "<|image_pad|>"
PIXELS = 256 * 28 * 28
"""Every image is scaled to about this many pixels."""
PROMPT = "{text_prompt}"


def hpsv3(
    path: str, base: str, instruction: str | None = None, device: str = "auto", batch: int = 4
) -> Score:
    """The mean μ of the preference that HPSv3 predicts; its σ is not used, as in the official scoring.

    Args:
        path: the official file `HPSv3.safetensors`.
        base: folder of Qwen2-VL-7B-Instruct: configuration and processor; its weights are not read.
        instruction: text file with what the model is asked, `{text_prompt}` for the prompt and `<|Reward|>`
            for the reward token; None: read from the package `hpsv3` (pip install --no-deps hpsv3).
        device: where it runs, in bfloat16 on accelerators and float32 on the CPU.
        batch: images in one forward.

    Raises:
        RewardError: a file is missing or holds another model.
    """
    place = hub.pick_device(device, "hpsv3")
    question = read_instruction(instruction)
    tokenizer = hub.load(transformers.AutoTokenizer, base, "hpsv3", padding_side="right")
    tokenizer.add_special_tokens({"additional_special_tokens": [REWARD]})
    size = {"shortest_edge": PIXELS, "longest_edge": PIXELS}
    processor = hub.load(transformers.AutoImageProcessor, base, "hpsv3", size=size)
    weights = renamed(hub.read_weights(path, "hpsv3"))
    config = hub.load(transformers.Qwen2VLConfig, base, "hpsv3")
    words = weights.get("language_model.embed_tokens.weight")
    if words is None:
        raise RewardError(f"reward hpsv3: {path} holds no Qwen2-VL: give the official HPSv3.safetensors")
    config.text_config.vocab_size = len(words)
    head = read_head(weights, config.text_config.hidden_size, path, "hpsv3", "rm_head", relu=True).to(place)
    model, info = transformers.Qwen2VLModel.from_pretrained(
        None,
        config=config,
        state_dict={name: value for name, value in weights.items() if not name.startswith("rm_head.")},
        dtype=torch.float32 if place.type == "cpu" else torch.bfloat16,
        output_loading_info=True,
    )
    if lacking := sorted(info["missing_keys"]):
        raise RewardError(f"reward hpsv3: {path} lacks {lacking[0]}: it is not a checkpoint of HPSv3")
    model = model.to(place).eval()

    @torch.inference_mode()
    def score(images: Sequence[np.ndarray], prompts: Sequence[Prompt]) -> list[float]:
        scores: list[float] = []
        for start in range(0, len(images), batch):
            part = slice(start, start + batch)
            pictures = [Image.fromarray(image) for image in images[part]]
            seen = processor(images=pictures, return_tensors="pt").to(place)
            patches = seen.image_grid_thw.prod(-1).tolist()
            texts = [
                _chat(tokenizer, question.replace(PROMPT, prompt.text), count // processor.merge_size**2)
                for prompt, count in zip(prompts[part], patches, strict=True)
            ]
            tokens = tokenizer(texts, padding=True, return_tensors="pt").to(place)
            hidden = model(
                input_ids=tokens.input_ids,
                attention_mask=tokens.attention_mask,
                mm_token_type_ids=(tokens.input_ids == config.image_token_id).int(),
                pixel_values=seen.pixel_values,
                image_grid_thw=seen.image_grid_thw,
            ).last_hidden_state
            # a prompt may name the token too: the last one is the question's own
            at = (tokens.input_ids == tokenizer.convert_tokens_to_ids(REWARD)).long().cumsum(1).argmax(1)
            scores += head(hidden[torch.arange(len(at)), at].float())[:, 0].tolist()
        return scores

    return score


def read_instruction(path: str | None) -> str:
    """What the model is asked about an image, with its two markers.

    Args:
        path: a text file, or None for the constants of the installed package `hpsv3`, whose source is read
            but not run.

    Raises:
        RewardError: no such file or package, or the markers are not there.
    """
    if path is not None:
        where, text = path, hub.existing(path, "hpsv3").read_text(encoding="utf-8")
    else:
        found = find_spec("hpsv3")
        if found is None or not found.submodule_search_locations:
            raise RewardError(
                "reward hpsv3 needs the question HPSv3 was trained on: pip install --no-deps hpsv3, "
                "or give the option instruction"
            )
        file = Path(next(iter(found.submodule_search_locations))) / "dataset" / "data_collator_qwen.py"
        where, text = str(file), ""
        constants = _constants(hub.existing(str(file), "hpsv3").read_text(encoding="utf-8"))
        text = constants.get("INSTRUCTION", "") + constants.get("prompt_with_special_token", "")
    if text.count(PROMPT) != 1 or text.count(REWARD) != 1:
        raise RewardError(f"reward hpsv3: {where} must hold {PROMPT} and {REWARD}, once each")
    return text


def _constants(source: str) -> dict[str, str]:
    """The module's own names for texts."""
    return {
        statement.targets[0].id: statement.value.value
        for statement in ast.parse(source).body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Name)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    }


def renamed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Older and newer names of Qwen2-VL's weights → those of transformers' `Qwen2VLModel`.

    >>> list(renamed({"model.layers.0.input_layernorm.weight": torch.zeros(1)}))
    ['language_model.layers.0.input_layernorm.weight']
    """
    found = {}
    for name, value in weights.items():
        if name.startswith("lm_head."):
            continue
        name = re.sub(r"^model\.(?=visual\.|language_model\.)", "", name)
        found[re.sub(r"^model\.", "language_model.", name)] = value
    return found


def _chat(tokenizer: Any, question: str, patches: int) -> str:
    """The conversation as text, the image standing for as many tokens as it has merged patches."""
    content = [{"type": "image"}, {"type": "text", "text": question}]
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
    )
    return text.replace(IMAGE, IMAGE * patches, 1)
