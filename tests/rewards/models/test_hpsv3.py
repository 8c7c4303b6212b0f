"""HPSv3 on a small Qwen2-VL in the official file's names, against the steps of the official forward pass."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import (
    AutoTokenizer,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
)

from burnish.errors import RewardError
from burnish.rewards.models.hpsv3 import hpsv3, read_instruction
from burnish.types import Prompt

ASKS = str(Path(__file__).with_name("question.txt"))
QUESTION = Path(ASKS).read_text()
MARKS = ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> str:
    """Folder of Qwen2-VL without weights: configuration, tokenizer that pads on the left, image processor."""
    folder = tmp_path_factory.mktemp("qwen")
    tokenizer = tiny.qwen_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": [*tiny.SPECIALS[1:], *MARKS]})
    tokenizer.padding_side = "left"
    tokenizer.save_pretrained(folder)
    Qwen2VLImageProcessorPil().save_pretrained(folder)
    numbers = dict(zip(MARKS, tokenizer.convert_tokens_to_ids(MARKS), strict=True))
    Qwen2VLConfig(
        text_config={
            "vocab_size": len(tokenizer) + 50, "hidden_size": 32, "intermediate_size": 48,
            "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
            "bos_token_id": 0, "eos_token_id": 0,
            "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 1e4},
        },
        vision_config={"depth": 1, "embed_dim": 32, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2},
        image_token_id=numbers["<|image_pad|>"], video_token_id=numbers["<|video_pad|>"],
        vision_start_token_id=numbers["<|vision_start|>"], vision_end_token_id=numbers["<|vision_end|>"],
    ).save_pretrained(folder)  # fmt: skip
    return str(folder)


@pytest.fixture(scope="module")
def made(base) -> tuple[Any, nn.Sequential]:
    """The model with the reward token in its table, and the head."""
    config = Qwen2VLConfig.from_pretrained(base)
    config.text_config.vocab_size = len(AutoTokenizer.from_pretrained(base)) + 1
    model = Qwen2VLForConditionalGeneration(config).eval()
    head = nn.Sequential(
        nn.Linear(32, 12), nn.ReLU(), nn.Dropout(0.05), nn.Linear(12, 6), nn.ReLU(), nn.Linear(6, 2)
    ).eval()  # fmt: skip
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for scale, module in ((0.3, model), (1.0, head)):
            for parameter in module.parameters():
                parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))
    return model, head


def official(made: tuple[Any, nn.Sequential]) -> dict[str, torch.Tensor]:
    """The state under the names of transformers 4.45, when HPSv3 was trained."""
    model, head = made
    weights = {f"rm_head.{name}": value for name, value in head.state_dict().items()}
    for name, value in model.state_dict().items():
        name = name.replace("model.language_model.", "model.").replace("model.visual.", "visual.")
        weights[name] = value
    assert {"visual.patch_embed.proj.weight", "model.embed_tokens.weight", "lm_head.weight"} <= set(weights)
    return weights


@pytest.fixture(scope="module")
def file(made, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("hpsv3") / "HPSv3.safetensors"
    save_file(official(made), path)
    return str(path)


def means(
    base: str, made: tuple[Any, nn.Sequential], images: list[np.ndarray], prompts: list[Prompt]
) -> list:
    """Image by image as the official code goes: the language model alone, without positions given."""
    model, head = made
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|Reward|>"]})
    found = []
    for image, prompt in zip(images, prompts, strict=True):
        height, width = resized(*image.shape[:2])
        picture = Image.fromarray(image).resize((width, height), Image.BICUBIC)
        seen = Qwen2VLImageProcessorPil.from_pretrained(base)(images=picture, return_tensors="pt")
        assert seen.image_grid_thw.tolist() == [[1, height // 14, width // 14]]
        text = (
            "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<|vision_start|>"
            + "<|image_pad|>" * (height * width // 784)
            + f"<|vision_end|>{QUESTION.replace('{text_prompt}', prompt.text)}<|im_end|>\n"
            + "<|im_start|>assistant\n"
        )
        ids = tokenizer(text, return_tensors="pt").input_ids
        with torch.no_grad():
            embedded = model.get_input_embeddings()(ids)
            features = torch.cat(
                model.get_image_features(seen.pixel_values, seen.image_grid_thw).pooler_output
            )
            embedded[ids == model.config.image_token_id] = features
            hidden = model.model.language_model(inputs_embeds=embedded).last_hidden_state
            found.append(head(hidden[ids == tokenizer.convert_tokens_to_ids("<|Reward|>")])[-1, 0].item())
    return found


def resized(height: int, width: int) -> tuple[int, int]:
    """Multiples of 28 near the image's shape, of 256·28² pixels or somewhat less, from small images more."""
    scale = math.sqrt(256 * 28 * 28 / (height * width))
    whole = math.floor if round(height / 28) * round(width / 28) > 256 else math.ceil
    return whole(height * scale / 28) * 28, whole(width * scale / 28) * 28


def test_the_score_is_the_official_mean(base, made, file, images, prompts):
    large = np.random.default_rng(3).integers(0, 256, (512, 896, 3), dtype=np.uint8)
    images, prompts = [*images, large], [*prompts, Prompt("a large one")]
    expected = means(base, made, images, prompts)
    assert np.std(expected) > 0.01
    found = hpsv3(file, base, ASKS)(images, prompts)
    assert found == pytest.approx(expected, abs=1e-3)


def test_a_score_depends_on_its_own_image_and_prompt_alone(base, file, images, prompts):
    whole = hpsv3(file, base, ASKS)(images, prompts)
    assert hpsv3(file, base, ASKS, batch=1)(images, prompts) == pytest.approx(whole, abs=1e-3)
    backwards = hpsv3(file, base, ASKS, batch=2)(images[::-1], prompts[::-1])
    assert backwards == pytest.approx(whole[::-1], abs=1e-3)
    other = hpsv3(file, base, ASKS)(images, prompts[::-1])
    assert np.abs(np.subtract(other, whole)).max() > 1e-2  # the prompt counts


def test_a_prompt_that_names_the_reward_token_is_scored_at_the_last_one(base, made, file, images):
    prompts = [Prompt("a <|Reward|> in {braces}")]
    expected = means(base, made, images[:1], prompts)
    assert hpsv3(file, base, ASKS)(images[:1], prompts) == pytest.approx(expected, abs=1e-3)


def test_present_names_and_lower_precision(base, made, file, images, prompts, tmp_path):
    model, head = made
    present = {f"rm_head.{name}": value for name, value in head.state_dict().items()} | model.state_dict()
    save_file(present, tmp_path / "present.safetensors")
    expected = hpsv3(file, base, ASKS)(images, prompts)
    assert hpsv3(str(tmp_path / "present.safetensors"), base, ASKS)(images, prompts) == expected
    rough = hpsv3(file, base, ASKS, dtype="bfloat16")(images, prompts)
    assert rough != expected
    assert rough == pytest.approx(expected, abs=0.3 * np.ptp(expected))


def test_the_question_is_read_from_the_official_package_without_running_it(tmp_path, monkeypatch):
    package = tmp_path / "hpsv3" / "dataset"
    package.mkdir(parents=True)
    (tmp_path / "hpsv3" / "__init__.py").write_text("raise SystemExit('imported')\n")
    source = 'import nowhere\nINSTRUCTION = """\\nAsk {text_prompt}\\n"""\n'
    source += 'prompt_with_special_token = " <|Reward|> "\n'
    (package / "data_collator_qwen.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert read_instruction(None) == "\nAsk {text_prompt}\n <|Reward|> "


def test_without_the_package_the_install_line_is_named(monkeypatch):
    monkeypatch.setattr("burnish.rewards.models.hpsv3.find_spec", lambda name: None)
    with pytest.raises(RewardError, match="pip install --no-deps hpsv3, or give the option instruction"):
        read_instruction(None)


def test_a_question_that_is_missing_or_lacks_its_markers_is_refused(tmp_path):
    with pytest.raises(RewardError, match=r"no\.txt cannot be read as text"):
        read_instruction(str(tmp_path / "no.txt"))
    (tmp_path / "q.txt").write_text("How good is {text_prompt}?")
    with pytest.raises(RewardError, match=r"q\.txt must hold \{text_prompt\} and <\|Reward\|>, once each"):
        read_instruction(str(tmp_path / "q.txt"))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("model.embed_tokens.weight", "lacks model.embed_tokens.weight"),
        ("visual.merger.ln_q.weight", "lacks visual.merger.ln_q.weight"),
        ("rm_head.3.bias", "lacks 3.bias"),
    ],
)
def test_a_file_that_lacks_something_is_refused(base, file, tmp_path, name, sentence):
    path = tmp_path / "part.safetensors"
    save_file({key: value for key, value in load_file(file).items() if key != name}, path)
    with pytest.raises(
        RewardError, match=f"^reward hpsv3: .*part.safetensors {sentence}; download HPSv3.safe"
    ):
        hpsv3(str(path), base, ASKS)


def test_what_does_not_fit_is_refused(base, file, other_folder, tmp_path):
    with pytest.raises(
        RewardError, match=r"^reward hpsv3: no file x.pt; download HPSv3.safetensors of Mizzen"
    ):
        hpsv3("x.pt", base, ASKS)
    with pytest.raises(
        RewardError, match=r"^reward hpsv3: no folder y; download Qwen/Qwen2-VL-7B-Instruct there"
    ):
        hpsv3(file, "y", ASKS)
    with pytest.raises(
        RewardError, match=r"^reward hpsv3: .* holds a bert model, not qwen2_vl; give the folder"
    ):
        hpsv3(file, other_folder, ASKS)
    with pytest.raises(
        RewardError, match=r"^reward hpsv3: dtype is 'int8'; choose float32, bfloat16 or float16"
    ):
        hpsv3(file, base, ASKS, dtype="int8")
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.add_tokens(["more"])
    tokenizer.save_pretrained(tmp_path)
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_text((Path(base) / name).read_text())
    with pytest.raises(
        RewardError, match=r"^reward hpsv3: the tokenizer in .* has \d+ tokens, the model \d+;"
    ):
        hpsv3(file, str(tmp_path), ASKS)
    config = json.loads((Path(base) / "config.json").read_text())
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_text((Path(base) / name).read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"image_token_id": 5}))
    with pytest.raises(
        RewardError, match=r"^reward hpsv3: <\|Reward\|> and <\|image_pad\|> are tokens .* to the"
    ):
        hpsv3(file, str(tmp_path), ASKS)
