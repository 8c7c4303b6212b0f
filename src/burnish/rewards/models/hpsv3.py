"""HPSv3 (2508.03789): Qwen2-VL is asked how good an image is for its prompt, a small head reads the answer.

What it is asked must be, letter by letter, what the weights were trained on: it is read from the source of
the official package, which is not run.
"""

from __future__ import annotations

import ast
import re
from importlib.util import find_spec
from pathlib import Path

import torch
import transformers
from PIL import Image
from torch import Tensor

from burnish.errors import RewardError
from burnish.rewards.hub import pick_device
from burnish.rewards.models.common import (
    Score,
    in_batches,
    load_config,
    load_image_processor,
    load_tokenizer,
)
from burnish.rewards.models.weights import build, check, linear_stack, read_weights, under

SOURCE = "HPSv3.safetensors of MizzenAI/HPSv3"
BASE = "Qwen/Qwen2-VL-7B-Instruct"
REWARD, IMAGE = "<|Reward|>", "<|image_pad|>"
PIXELS = 256 * 28 * 28
"""About as many pixels every image is scaled to."""
PROMPT = "{text_prompt}"
"""Stands for the prompt in the question."""
CHAT = (
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    "<|im_start|>user\n<|vision_start|>{image}<|vision_end|>{question}<|im_end|>\n<|im_start|>assistant\n"
)
"""Qwen2-VL's chat of one question about one image."""


def hpsv3(
    path: str,
    base: str,
    instruction: str | None = None,
    device: str = "auto",
    batch: int = 8,
    dtype: str | None = None,
) -> Score:
    """The mean μ of the preference that the head reads from the hidden state at the reward token.

    As in the official code, tokens of the image have consecutive positions like those of text, not Qwen2-VL's
    rows and columns, and the head computes in float32.

    Args:
        path: the official `HPSv3.safetensors`; its Qwen2-VL may have transformers' names of before or since
            4.52.
        base: folder of Qwen2-VL-7B-Instruct; its configuration, tokenizer and image processor are read, its
            weights are not.
        instruction: text file with the question, `{text_prompt}` for the prompt and `<|Reward|>` where the
            head reads; None: from the package `hpsv3` (pip install --no-deps hpsv3).
        device: where it runs; auto takes the accelerator if any.
        batch: images at a time.
        dtype: of Qwen2-VL; by default bfloat16, on the CPU float32.

    Returns:
        A reward, about −5 to 15 with the released weights.

    Raises:
        RewardError: a folder or file is missing, holds something else, or does not fit the other.
    """
    asks = read_instruction(instruction)
    place = pick_device(device, "hpsv3")
    dtype = dtype or ("float32" if place.type == "cpu" else "bfloat16")
    if dtype not in ("float32", "bfloat16", "float16"):
        raise RewardError(f"reward hpsv3: dtype is {dtype!r}; choose float32, bfloat16 or float16")
    config = load_config("hpsv3", base, BASE, "qwen2_vl")
    weights = read_weights("hpsv3", path, SOURCE)
    layers, body = under(weights, "rm_head."), present_names(weights)
    table = "language_model.embed_tokens.weight"
    check("hpsv3", [] if table in body else ["lacks model.embed_tokens.weight"], path, SOURCE)
    rows, width = body[table].shape
    config.text_config.vocab_size = rows
    words = load_tokenizer("hpsv3", base, BASE, rows, additional_special_tokens=[REWARD])
    reward, pad = (words.convert_tokens_to_ids(token) for token in (REWARD, IMAGE))
    if reward != rows - 1 or pad != config.image_token_id:
        raise RewardError(
            f"reward hpsv3: {REWARD} and {IMAGE} are tokens {reward} and {pad} in {base}, but {rows - 1} and "
            f"{config.image_token_id} to the model; give the folder of {BASE}"
        )
    seen = load_image_processor("hpsv3", base, BASE)
    model = build("hpsv3", transformers.Qwen2VLModel, config, body, path, SOURCE, dtype=getattr(torch, dtype))
    head = linear_stack("hpsv3", layers, width, path, SOURCE, relu=True).to(place)
    model.to(place)

    def score(images: list[Image.Image], texts: list[str]) -> Tensor:
        pictures = seen(
            images=images, size={"shortest_edge": PIXELS, "longest_edge": PIXELS}, return_tensors="pt"
        )
        counts = pictures.image_grid_thw.prod(-1) // seen.merge_size**2
        asked = [question(asks, text, int(count)) for text, count in zip(texts, counts, strict=True)]
        tokens = words(asked, padding=True, return_tensors="pt")
        ids_BL = tokens.input_ids.to(place)
        position_L = torch.arange(ids_BL.shape[1], device=place)
        hidden_BLD = model(
            input_ids=ids_BL,
            attention_mask=tokens.attention_mask.to(place),
            position_ids=position_L.expand(3, *ids_BL.shape),
            pixel_values=pictures.pixel_values.to(place),
            image_grid_thw=pictures.image_grid_thw.to(place),
            use_cache=False,
        ).last_hidden_state
        last_B = (position_L * (ids_BL == reward)).amax(-1)
        hidden_BD = hidden_BLD[torch.arange(len(last_B), device=place), last_B]
        return head(hidden_BD.float())[:, 0]

    return in_batches("hpsv3", batch, score)


def question(asks: str, prompt: str, count: int) -> str:
    """What the model reads about an image of `count` tokens and its prompt."""
    return CHAT.format(image=IMAGE * count, question=asks.replace(PROMPT, prompt))


def read_instruction(path: str | None) -> str:
    """What the model is asked about an image, with its two markers.

    Args:
        path: a text file, or None for the constants of the installed package `hpsv3`, whose source is read
            but not run.

    Raises:
        RewardError: no such file or package, or the markers are not there.
    """
    package = find_spec("hpsv3") if path is None else None
    if path is None and (package is None or not package.submodule_search_locations):
        raise RewardError(
            "reward hpsv3 needs the question that HPSv3 was trained on: pip install --no-deps hpsv3, or give "
            "the option instruction"
        )
    places = package.submodule_search_locations if package else None
    file = Path(next(iter(places))) / "dataset" / "data_collator_qwen.py" if places else Path(str(path))
    try:
        text = file.expanduser().read_text(encoding="utf-8")
    except (OSError, ValueError) as problem:
        raise RewardError(f"reward hpsv3: {file} cannot be read as text ({problem})") from None
    if path is None:
        known = _constants(text)
        text = known.get("INSTRUCTION", "") + known.get("prompt_with_special_token", "")
    if text.count(PROMPT) != 1 or text.count(REWARD) != 1:
        raise RewardError(f"reward hpsv3: {file} must hold {PROMPT} and {REWARD}, once each")
    return text


def _constants(source: str) -> dict[str, str]:
    """The texts that a module's source gives names to."""
    return {
        statement.targets[0].id: statement.value.value
        for statement in ast.parse(source).body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Name)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    }


def present_names(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The body's weights as transformers names them since 4.52; both heads are left out."""
    body = {name: value for name, value in weights.items() if not name.startswith(("lm_head.", "rm_head."))}
    flat = {re.sub(r"^model\.(?=visual\.|language_model\.)", "", name): value for name, value in body.items()}
    return {re.sub(r"^model\.", "language_model.", name): value for name, value in flat.items()}
