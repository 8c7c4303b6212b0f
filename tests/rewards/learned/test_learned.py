"""Learned rewards on small local models in the official formats, against the libraries' own computation."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
import transformers
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from burnish.errors import RewardError
from burnish.rewards.learned.aesthetic import aesthetic
from burnish.rewards.learned.clip import Clip, clip_score, fitted, hpsv2, pickscore
from burnish.rewards.learned.hpsv3 import hpsv3, read_instruction
from burnish.rewards.learned.image_reward import image_reward
from burnish.rewards.reward import load_rewards, read_reward
from burnish.scenes import models
from burnish.scenes.renderer import draw
from burnish.types import Prompt

TEXTS = ["a red circle", "a blue square left of a green star", "two stars"]
PROMPTS = [Prompt(text) for text in TEXTS]


def pictures(side: int = 48) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [draw(text, rng, side) for text in TEXTS]


def oblong() -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.integers(0, 255, (40, 64, 3), np.uint8), rng.integers(0, 255, (70, 33, 3), np.uint8)]


def randomise(module: nn.Module, seed: int = 3, scale: float = 0.2) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A `CLIPModel` with tokenizer and image processor, as the hub holds them."""
    folder = tmp_path_factory.mktemp("clip")
    tokenizer, _ = models.tokenizers(tiny.corpus())
    text = tiny.clip_config(tokenizer, hidden_act="gelu").to_dict()
    vision = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
              "image_size": 32, "patch_size": 8, "hidden_act": "gelu"}  # fmt: skip
    model = transformers.CLIPModel(
        transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=24)
    )
    randomise(model)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    processor(32).save_pretrained(folder)
    return str(folder)


def processor(side: int) -> Any:
    return transformers.CLIPImageProcessor(
        size={"shortest_edge": side}, crop_size={"height": side, "width": side}
    )


def cosines(folder: str, images: list[np.ndarray], prompts: list[Prompt]) -> torch.Tensor:
    """By `CLIPModel` itself, one pair at a time."""
    model = transformers.CLIPModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    image_processor = transformers.AutoImageProcessor.from_pretrained(folder)
    found = []
    for image, prompt in zip(images, prompts, strict=True):
        pixels = image_processor(images=Image.fromarray(image), return_tensors="pt")
        longest = model.config.text_config.max_position_embeddings
        tokens = tokenizer(
            prompt.text, padding="max_length", truncation=True, max_length=longest, return_tensors="pt"
        )
        with torch.no_grad():
            out = model(**pixels, input_ids=tokens.input_ids, attention_mask=tokens.attention_mask)
        found.append(out.logits_per_image[0, 0] / model.logit_scale.exp())
    return torch.stack(found).detach()


def test_clip_scores_are_the_models_own_cosines(clip_folder: str) -> None:
    expected = cosines(clip_folder, pictures(), PROMPTS)
    assert expected.std() > 1e-3
    scale = float(transformers.CLIPModel.from_pretrained(clip_folder).logit_scale.detach().exp())
    found = {
        "clip_score": (clip_score(clip_folder), 100 * expected.clamp(min=0)),
        "pickscore": (pickscore(clip_folder), scale * expected),
        "hpsv2": (hpsv2(clip_folder), expected),
    }
    for name, (function, values) in found.items():
        np.testing.assert_allclose(function(pictures(), PROMPTS), values, rtol=2e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("maker", [clip_score, pickscore, hpsv2])
def test_batches_change_nothing(clip_folder: str, maker: Callable[..., Any]) -> None:
    whole, single = (maker(clip_folder, batch=batch)(pictures(), PROMPTS) for batch in (8, 1))
    np.testing.assert_allclose(whole, single, rtol=1e-4, atol=1e-5)
    backwards = maker(clip_folder)(pictures()[::-1], PROMPTS[::-1])
    np.testing.assert_allclose(backwards[::-1], whole, rtol=1e-4, atol=1e-5)


def test_pixels_are_the_processors(clip_folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = Clip(clip_folder, "clip_score", "cpu", 1)
    seen: list[torch.Tensor] = []
    vision = clip.model.vision_model.forward
    monkeypatch.setattr(
        clip.model.vision_model,
        "forward",
        lambda pixel_values: seen.append(pixel_values) or vision(pixel_values),
    )
    images = [Image.fromarray(image) for image in [*pictures(), *oblong()]]
    clip.images(images)
    library = transformers.AutoImageProcessor.from_pretrained(clip_folder)
    for image, pixels in zip(images, seen, strict=True):
        assert torch.equal(pixels, library(images=image, return_tensors="pt").pixel_values)


def test_hpsv2_sees_the_whole_of_an_oblong_image(clip_folder: str) -> None:
    images, prompts = oblong(), PROMPTS[:2]
    padded = [np.asarray(fitted(Image.fromarray(image), 32)) for image in images]
    assert all(image.shape == (32, 32, 3) for image in padded)
    assert (padded[0][:5] == 0).all()  # 64 × 40 becomes 32 × 20, with 6 black rows at either side
    np.testing.assert_allclose(
        hpsv2(clip_folder)(images, prompts), cosines(clip_folder, padded, prompts), rtol=1e-3
    )
    assert not np.allclose(
        hpsv2(clip_folder)(images, prompts), cosines(clip_folder, images, prompts), rtol=1e-3
    )


def open_clip_names(model: Any) -> dict[str, torch.Tensor]:
    """The state dict as open_clip would write this model; the inverse of what is tested, written apart."""
    state, found = model.state_dict(), {"logit_scale": model.logit_scale.detach()}
    for tower, prefix in (("text_model", ""), ("vision_model", "visual.")):
        for i in range(2):
            layer, block = f"{tower}.encoder.layers.{i}.", f"{prefix}transformer.resblocks.{i}."
            for kind in ("weight", "bias"):
                parts = [state[f"{layer}self_attn.{part}_proj.{kind}"] for part in ("q", "k", "v")]
                found[f"{block}attn.in_proj_{kind}"] = torch.cat(parts)
                found[f"{block}attn.out_proj.{kind}"] = state[f"{layer}self_attn.out_proj.{kind}"]
                found[f"{block}ln_1.{kind}"] = state[f"{layer}layer_norm1.{kind}"]
                found[f"{block}ln_2.{kind}"] = state[f"{layer}layer_norm2.{kind}"]
                found[f"{block}mlp.c_fc.{kind}"] = state[f"{layer}mlp.fc1.{kind}"]
                found[f"{block}mlp.c_proj.{kind}"] = state[f"{layer}mlp.fc2.{kind}"]
    for kind in ("weight", "bias"):
        found[f"ln_final.{kind}"] = state[f"text_model.final_layer_norm.{kind}"]
        found[f"visual.ln_pre.{kind}"] = state[f"vision_model.pre_layrnorm.{kind}"]
        found[f"visual.ln_post.{kind}"] = state[f"vision_model.post_layernorm.{kind}"]
    embeddings = "text_model.embeddings."
    found["token_embedding.weight"] = state[f"{embeddings}token_embedding.weight"]
    found["positional_embedding"] = state[f"{embeddings}position_embedding.weight"]
    embeddings = "vision_model.embeddings."
    found["visual.class_embedding"] = state[f"{embeddings}class_embedding"]
    found["visual.positional_embedding"] = state[f"{embeddings}position_embedding.weight"]
    found["visual.conv1.weight"] = state[f"{embeddings}patch_embedding.weight"]
    found["text_projection"] = state["text_projection.weight"].T.contiguous()
    found["visual.proj"] = state["visual_projection.weight"].T.contiguous()
    return found


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_hpsv2_reads_the_official_file(clip_folder: str, tmp_path: Path, suffix: str) -> None:
    other = transformers.CLIPModel.from_pretrained(clip_folder)
    randomise(other, seed=11)
    names, file = open_clip_names(other), tmp_path / f"HPS{suffix}"
    if suffix == ".pt":
        torch.save({"epoch": 1, "state_dict": names}, file)
    else:
        save_file({name: value.clone().contiguous() for name, value in names.items()}, file)
    folder = tmp_path / "other"
    other.save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(clip_folder).save_pretrained(folder)
    processor(32).save_pretrained(folder)
    found = hpsv2(clip_folder, weights=str(file))(pictures(), PROMPTS)
    np.testing.assert_allclose(found, hpsv2(str(folder))(pictures(), PROMPTS), rtol=1e-5)
    assert not np.allclose(found, hpsv2(clip_folder)(pictures(), PROMPTS))


def test_aesthetic_is_the_head_on_the_unit_embedding(clip_folder: str, tmp_path: Path) -> None:
    sizes = [24, 16, 8, 4, 2, 1]
    layers = nn.Sequential(
        nn.Linear(sizes[0], sizes[1]), nn.Dropout(0.2), nn.Linear(sizes[1], sizes[2]), nn.Dropout(0.2),
        nn.Linear(sizes[2], sizes[3]), nn.Dropout(0.1), nn.Linear(sizes[3], sizes[4]),
        nn.Linear(sizes[4], sizes[5]),
    ).eval()  # fmt: skip
    randomise(layers)
    torch.save(
        {f"layers.{name}": value for name, value in layers.state_dict().items()}, tmp_path / "head.pth"
    )
    found = aesthetic(clip_folder, str(tmp_path / "head.pth"))(pictures(), PROMPTS)
    model = transformers.CLIPModel.from_pretrained(clip_folder).eval()
    library = transformers.AutoImageProcessor.from_pretrained(clip_folder)
    pixels = library(
        images=[Image.fromarray(image) for image in pictures()], return_tensors="pt"
    ).pixel_values
    with torch.no_grad():
        seen = model.visual_projection(model.vision_model(pixels).pooler_output)
        expected = layers(seen / seen.norm(dim=-1, keepdim=True))[:, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert expected.std() > 0
    torch.save({"layers.0.weight": torch.ones(2, 7), "layers.0.bias": torch.ones(2)}, tmp_path / "x.pth")
    with pytest.raises(RewardError, match="does not take 24 features: it belongs to another model"):
        aesthetic(clip_folder, str(tmp_path / "x.pth"))


@pytest.fixture(scope="module")
def blip(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, Any, Any, nn.Sequential]:
    """ImageReward's file with its own names, a BERT tokenizer, and the modules that made it."""
    folder = tmp_path_factory.mktemp("blip")
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *sorted({w for t in tiny.corpus() for w in t.split()}),
    ]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    tokenizer = transformers.BertTokenizer(vocab={word: i for i, word in enumerate(words)})
    tokenizer.save_pretrained(folder / "bert")
    vision = transformers.BlipVisionModel(
        transformers.BlipVisionConfig(
            hidden_size=128, intermediate_size=96, num_hidden_layers=2, num_attention_heads=2, image_size=64,
            patch_size=16, layer_norm_eps=1e-6,
        )
    ).eval()  # fmt: skip
    text = transformers.BlipTextModel(
        transformers.BlipTextConfig(
            vocab_size=len(words) + 2, hidden_size=64, intermediate_size=80, num_hidden_layers=2,
            num_attention_heads=1, max_position_embeddings=40, encoder_hidden_size=128,
        ),
        add_pooling_layer=False,
    ).eval()  # fmt: skip
    sizes = [64, 16, 8, 4, 2, 1]
    linear = [nn.Linear(i, o) for i, o in pairwise(sizes)]
    for module in (vision, text, *linear):
        randomise(module, scale=0.5)
    names = {f"blip.text_encoder.{n}": v for n, v in text.state_dict().items()}
    back = {"post_layernorm.": "norm.", "encoder.layers.": "blocks.", ".layer_norm1.": ".norm1.",
            ".layer_norm2.": ".norm2.", ".self_attn.projection": ".attn.proj", ".self_attn.qkv": ".attn.qkv",
            "embeddings.class_embedding": "cls_token", "embeddings.position_embedding": "pos_embed",
            "embeddings.patch_embedding": "patch_embed.proj"}  # fmt: skip
    for name, value in vision.state_dict().items():
        for new, old in back.items():
            name = name.replace(new, old)
        names[f"blip.visual_encoder.{name}"] = value
    for number, layer in zip((0, 2, 4, 6, 7), linear, strict=True):  # dropouts stand between
        names[f"mlp.layers.{number}.weight"], names[f"mlp.layers.{number}.bias"] = layer.weight, layer.bias
    names["blip.vision_proj.weight"] = torch.ones(2, 2)
    torch.save(names, folder / "ImageReward.pt")
    return str(folder / "ImageReward.pt"), str(folder / "bert"), vision, text, nn.Sequential(*linear)


def test_image_reward_is_the_head_on_the_first_token(blip: tuple[str, str, Any, Any, nn.Sequential]) -> None:
    file, bert, vision, text, head = blip
    found = image_reward(file, bert)(pictures(80), PROMPTS)
    tokenizer = transformers.AutoTokenizer.from_pretrained(bert)
    for image, prompt, score in zip(pictures(80), PROMPTS, found, strict=True):
        pixels = processor(64)(images=Image.fromarray(image), return_tensors="pt").pixel_values
        tokens = tokenizer(
            prompt.text, padding="max_length", truncation=True, max_length=35, return_tensors="pt"
        )
        with torch.no_grad():
            seen = vision(pixels).last_hidden_state
            read = text(
                input_ids=tokens.input_ids, attention_mask=tokens.attention_mask, encoder_hidden_states=seen,
                encoder_attention_mask=torch.ones(seen.shape[:2], dtype=torch.long),
            ).last_hidden_state  # fmt: skip
            expected = (head(read[:, 0]) - 0.16717362830052426) / 1.0333394966054072
        assert score == pytest.approx(float(expected), rel=1e-3, abs=1e-5)
    assert np.std(found) > 0.01
    np.testing.assert_allclose(
        image_reward(file, bert, batch=1)(pictures(80), PROMPTS), found, rtol=1e-3, atol=1e-4
    )


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, str, Any, nn.Sequential]:
    """A Qwen2-VL folder, HPSv3's file with the names of its time, a question, and the modules."""
    folder = tmp_path_factory.mktemp("qwen")
    tokenizer = tiny.qwen_tokenizer()
    marks = ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>", "<|vision_pad|>"]
    tokenizer.add_special_tokens({"additional_special_tokens": [*tiny.SPECIALS[1:], *marks]})
    ids = dict(zip(marks, tokenizer.convert_tokens_to_ids(marks), strict=True))
    template = (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% for part in m['content'] %}"
        "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
        "{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
    )
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    transformers.Qwen2VLImageProcessor().save_pretrained(folder)
    config = transformers.Qwen2VLConfig(
        text_config={
            "vocab_size": len(tokenizer) + 1, "hidden_size": 32, "intermediate_size": 48,
            "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
            "max_position_embeddings": 2048,
            "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 1e6},
        },
        vision_config={"depth": 1, "embed_dim": 32, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2},
        image_token_id=ids["<|image_pad|>"], video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"], vision_end_token_id=ids["<|vision_end|>"],
    )  # fmt: skip
    model = transformers.Qwen2VLModel(config).eval()
    randomise(model, scale=0.5)
    config.save_pretrained(folder)
    head = nn.Sequential(
        nn.Linear(32, 8), nn.ReLU(), nn.Dropout(0.05), nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2)
    ).eval()  # fmt: skip
    randomise(head, scale=0.5)
    names = {f"rm_head.{n}": v.clone() for n, v in head.state_dict().items()}
    for name, value in model.state_dict().items():
        old = name.replace("language_model.", "model.") if name.startswith("language_model.") else name
        names[old] = value.clone()
    names["lm_head.weight"] = torch.ones(2, 2)
    save_file(names, folder / "HPSv3.safetensors")
    (folder / "question.txt").write_text("Judge. Prompt - {text_prompt}\nRating: <|Reward|> END")
    return str(folder), str(folder / "HPSv3.safetensors"), str(folder / "question.txt"), model, head


def test_hpsv3_is_the_head_on_the_reward_token(qwen: tuple[str, str, str, Any, nn.Sequential]) -> None:
    folder, file, question, model, head = qwen
    found = hpsv3(file, folder, instruction=question)(pictures(56), PROMPTS)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|Reward|>"]})
    pad, reward = tokenizer.convert_tokens_to_ids(["<|image_pad|>", "<|Reward|>"])
    library = transformers.AutoImageProcessor.from_pretrained(folder)
    library.size = {"shortest_edge": 256 * 28 * 28, "longest_edge": 256 * 28 * 28}
    for image, prompt, score in zip(pictures(56), PROMPTS, found, strict=True):
        seen = library(images=Image.fromarray(image), return_tensors="pt")
        assert seen.image_grid_thw.tolist() == [[1, 32, 32]]  # 448 × 448 pixels, 256 merged patches
        text = (
            f"<|im_start|>user\n<|vision_start|>{'<|image_pad|>' * 256}<|vision_end|>Judge. Prompt - "
            f"{prompt.text}\nRating: <|Reward|> END<|im_end|>\n<|im_start|>assistant\n"
        )
        ids = tokenizer(text, return_tensors="pt").input_ids
        with torch.no_grad():
            hidden = model(input_ids=ids, mm_token_type_ids=(ids == pad).int(), **seen).last_hidden_state[0]
            expected = head(hidden[ids[0] == reward])[0, 0]
        assert score == pytest.approx(float(expected), rel=1e-3, abs=1e-5)
    assert np.std(found) > 0.01
    single = hpsv3(file, folder, instruction=question, batch=1)(pictures(56), PROMPTS)
    np.testing.assert_allclose(single, found, rtol=1e-3, atol=1e-4)


def test_the_question_is_read_from_the_official_package_without_running_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "hpsv3" / "dataset"
    package.mkdir(parents=True)
    (tmp_path / "hpsv3" / "__init__.py").write_text("raise SystemExit('imported')\n")
    source = 'import nowhere\nINSTRUCTION = """\\nAsk {text_prompt}\\n"""\n'
    source += 'prompt_with_special_token = " <|Reward|> "\n'
    (package / "data_collator_qwen.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert read_instruction(None) == "\nAsk {text_prompt}\n <|Reward|> "


def test_without_the_package_the_install_line_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("burnish.rewards.learned.hpsv3.find_spec", lambda name: None)
    with pytest.raises(RewardError, match="pip install --no-deps hpsv3, or give the option instruction"):
        read_instruction(None)


def test_a_question_without_its_markers_is_refused(tmp_path: Path) -> None:
    (tmp_path / "q.txt").write_text("How good is {text_prompt}?")
    with pytest.raises(RewardError, match=r"q\.txt must hold \{text_prompt\} and <\|Reward\|>, once each"):
        read_instruction(str(tmp_path / "q.txt"))


def test_files_that_are_missing_broken_or_of_another_model(clip_folder: str, tmp_path: Path) -> None:
    with pytest.raises(RewardError, match="reward pickscore: no folder nowhere: download the model"):
        pickscore("nowhere")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(RewardError, match="cannot be loaded as CLIPModel"):
        clip_score(str(tmp_path))
    with pytest.raises(RewardError, match=r"no file x\.pt"):
        hpsv2(clip_folder, weights="x.pt")
    broken = tmp_path / "broken.pt"
    broken.write_bytes(b"not weights")
    with pytest.raises(RewardError, match="cannot be read as weights"):
        hpsv2(clip_folder, weights=str(broken))
    torch.save({"a": torch.ones(1)}, broken)
    with pytest.raises(RewardError, match="it is not a checkpoint of this model"):
        hpsv2(clip_folder, weights=str(broken))
    torch.save([1, 2], broken)
    with pytest.raises(RewardError, match="holds no weights"):
        hpsv2(clip_folder, weights=str(broken))
    torch.save({"a": torch.ones(1)}, broken)
    with pytest.raises(RewardError, match="it is not a checkpoint of ImageReward"):
        image_reward(str(broken), "bert")
    with pytest.raises(RewardError, match="device 'abacus' cannot be used here"):
        clip_score(clip_folder, device="abacus")


class Harmful:
    """Pickled code that would leave a trace if it ran."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self) -> Any:
        return (Path.touch, (self.trace,))


def test_a_file_with_code_in_it_is_refused_and_not_run(clip_folder: str, tmp_path: Path) -> None:
    torch.save({"a": Harmful(tmp_path / "ran")}, tmp_path / "evil.pt")
    with pytest.raises(RewardError, match="cannot be read as weights"):
        hpsv2(clip_folder, weights=str(tmp_path / "evil.pt"))
    assert not (tmp_path / "ran").exists()


def test_every_one_loads_by_name(clip_folder: str) -> None:
    rewards = load_rewards(
        [read_reward(f"{name},path={clip_folder}") for name in ("clip_score", "pickscore", "hpsv2")]
    )
    scores = rewards.score(np.stack(pictures()), PROMPTS)
    assert set(scores.by_name) == {"clip_score", "pickscore", "hpsv2"}
    assert np.isfinite(scores.total_B).all()
