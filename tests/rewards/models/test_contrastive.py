"""CLIP score, PickScore and HPSv2.1 on small CLIP models, against the library and open_clip's arithmetic."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional
from transformers import AutoTokenizer, CLIPImageProcessorPil, CLIPModel

from burnish.errors import RewardError
from burnish.rewards.models import contrastive
from burnish.rewards.models.contrastive import clip_score, hpsv2, letterbox, pickscore
from burnish.types import Prompt

SIDE, PATCH, EMBEDDING = 32, 8, 24
MEAN, STD = CLIPImageProcessorPil.image_mean, CLIPImageProcessorPil.image_std


def cosines(folder: str, pixels: Tensor, prompts: list[Prompt]) -> Tensor:
    """By `CLIPModel.forward`, pair by pair."""
    model, tokenizer = CLIPModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    found = []
    for row, prompt in zip(pixels, prompts, strict=True):
        limit = model.config.text_config.max_position_embeddings
        tokens = tokenizer(prompt.text, truncation=True, max_length=limit, return_tensors="pt")
        with torch.no_grad():
            out = model(pixel_values=row[None], input_ids=tokens.input_ids)
            found.append(out.logits_per_image[0, 0] / model.logit_scale.exp())
    return torch.stack(found)


def test_clip_score_is_the_cosine_in_percent_but_not_negative(clip_folder, images, prompts, prepared):
    expected = cosines(clip_folder, prepared(SIDE), prompts)
    assert expected.min() < 0 < expected.max()
    found = clip_score(clip_folder)(images, prompts)
    assert found == pytest.approx((100 * expected.clamp(min=0)).tolist(), abs=1e-3)


def test_pickscore_is_the_cosine_times_the_logit_scale(clip_folder, images, prompts, prepared):
    scale = CLIPModel.from_pretrained(clip_folder).logit_scale.exp().item()
    expected = scale * cosines(clip_folder, prepared(SIDE), prompts)
    assert pickscore(clip_folder)(images, prompts) == pytest.approx(expected.tolist(), abs=1e-4)


def test_the_model_sees_what_the_librarys_processor_makes(
    clip_folder, images, prompts, prepared, monkeypatch
):
    seen = []
    embed = contrastive.embed_images
    monkeypatch.setattr(
        contrastive, "embed_images", lambda model, pixels: seen.append(pixels) or embed(model, pixels)
    )
    clip_score(clip_folder)(images, prompts)
    library = CLIPImageProcessorPil.from_pretrained(clip_folder)
    for row, image in zip(seen[0], images, strict=True):
        assert torch.equal(row, library(images=image, return_tensors="pt").pixel_values[0])
    torch.testing.assert_close(seen[0], prepared(SIDE))  # and the library does what CLIP's preprocessing does


@pytest.mark.parametrize("maker", [clip_score, pickscore, hpsv2])
def test_a_score_depends_on_its_own_image_and_prompt_alone(clip_folder, images, prompts, maker):
    whole = maker(clip_folder, batch=8)(images, prompts)
    assert len(whole) == len(images)
    assert len(set(whole)) > 2
    assert maker(clip_folder, batch=1)(images, prompts) == pytest.approx(whole, abs=1e-4)
    assert maker(clip_folder, batch=2)(images[::-1], prompts[::-1]) == pytest.approx(whole[::-1], abs=1e-4)
    assert maker(clip_folder)([], []) == []


def test_hpsv2_shows_the_whole_image_on_black(images):
    black = -np.array(MEAN) / np.array(STD)
    (upright,) = letterbox([Image.fromarray(images[2])], SIDE, MEAN, STD)  # 33 × 70 → 15 × 32
    assert upright.shape == (3, SIDE, SIDE)
    for column in (*range(8), *range(23, 32)):
        np.testing.assert_allclose(upright[:, :, column], np.repeat(black[:, None], SIDE, 1), rtol=1e-5)
    inside = upright[:, :, 8:23] * torch.tensor(STD)[:, None, None] + torch.tensor(MEAN)[:, None, None]
    resized = np.asarray(Image.fromarray(images[2]).resize((15, SIDE), Image.BICUBIC)) / 255
    clear = (resized > 0.05) & (resized < 0.95)  # Pillow cuts what overshoots
    assert np.abs(inside.movedim(0, -1).numpy() - resized)[clear].max() < 1.5 / 255


def test_hpsv2_is_the_plain_cosine_where_nothing_is_resized(clip_folder, images, prompts, prepared):
    expected = cosines(clip_folder, prepared(SIDE)[1:2], prompts[1:2])
    assert hpsv2(clip_folder)(images[1:2], prompts[1:2]) == pytest.approx(expected.tolist(), abs=1e-5)


def open_clip_weights(vocabulary: int, places: int, width: int = 32) -> dict[str, Tensor]:
    """A random model of two layers in open_clip's names."""
    generator = torch.Generator().manual_seed(5)

    def noise(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator) * 0.2

    weights = {
        "positional_embedding": noise(places, width),
        "token_embedding.weight": noise(vocabulary, width),
        "text_projection": noise(width, EMBEDDING),
        "logit_scale": torch.tensor(3.0),
        "visual.class_embedding": noise(width),
        "visual.positional_embedding": noise((SIDE // PATCH) ** 2 + 1, width),
        "visual.proj": noise(width, EMBEDDING),
        "visual.conv1.weight": noise(width, 3, PATCH, PATCH),
    }
    for name in ("ln_final", "visual.ln_pre", "visual.ln_post"):
        weights |= {f"{name}.weight": 1 + noise(width), f"{name}.bias": noise(width)}
    for tower in ("", "visual."):
        for block in (f"{tower}transformer.resblocks.{number}." for number in range(2)):
            for name in ("ln_1", "ln_2"):
                weights |= {f"{block}{name}.weight": 1 + noise(width), f"{block}{name}.bias": noise(width)}
            for name, rows, columns in (
                ("attn.in_proj_", 3 * width, width),
                ("attn.out_proj.", width, width),
                ("mlp.c_fc.", 64, width),
                ("mlp.c_proj.", width, 64),
            ):
                weights |= {f"{block}{name}weight": noise(rows, columns), f"{block}{name}bias": noise(rows)}
    return weights


def open_clip_blocks(
    hidden_BLD: Tensor, weights: dict[str, Tensor], tower: str, mask: Tensor | None
) -> Tensor:
    """The residual blocks of a tower by torch's multi-head attention, as open_clip has them."""
    hidden = hidden_BLD.transpose(0, 1)
    width = hidden.shape[-1]
    for number in range(2):
        own = {
            name.removeprefix(f"{tower}transformer.resblocks.{number}."): value
            for name, value in weights.items()
            if name.startswith(f"{tower}transformer.resblocks.{number}.")
        }
        normal = functional.layer_norm(hidden, (width,), own["ln_1.weight"], own["ln_1.bias"])
        attended, _ = functional.multi_head_attention_forward(
            normal, normal, normal, width, 2,
            own["attn.in_proj_weight"], own["attn.in_proj_bias"], None, None, False, 0.0,
            own["attn.out_proj.weight"], own["attn.out_proj.bias"], training=False, attn_mask=mask,
        )  # fmt: skip
        hidden = hidden + attended
        normal = functional.layer_norm(hidden, (width,), own["ln_2.weight"], own["ln_2.bias"])
        inner = functional.gelu(functional.linear(normal, own["mlp.c_fc.weight"], own["mlp.c_fc.bias"]))
        hidden = hidden + functional.linear(inner, own["mlp.c_proj.weight"], own["mlp.c_proj.bias"])
    return hidden.transpose(0, 1)


def open_clip_cosine(weights: dict[str, Tensor], pixels_BCHW: Tensor, ids_L: Tensor, end: int) -> Tensor:
    """Image and text through both towers of open_clip."""

    def normal(values: Tensor, name: str) -> Tensor:
        return functional.layer_norm(
            values, values.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"]
        )

    patches = functional.conv2d(pixels_BCHW, weights["visual.conv1.weight"], stride=PATCH).flatten(2).mT
    first = weights["visual.class_embedding"].expand(len(patches), 1, -1)
    seen = torch.cat([first, patches], 1) + weights["visual.positional_embedding"]
    seen = open_clip_blocks(normal(seen, "visual.ln_pre"), weights, "visual.", None)
    image = normal(seen[:, 0], "visual.ln_post") @ weights["visual.proj"]
    said = weights["token_embedding.weight"][ids_L] + weights["positional_embedding"][: len(ids_L)]
    causal = torch.full((len(ids_L),) * 2, -torch.inf).triu(1)
    said = normal(open_clip_blocks(said[None], weights, "", causal), "ln_final")
    text = said[0, ids_L.tolist().index(end)] @ weights["text_projection"]
    return functional.cosine_similarity(image, text[None])


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_hpsv2_reads_the_official_file(clip_folder, images, prompts, tmp_path, suffix):
    tokenizer = AutoTokenizer.from_pretrained(clip_folder)
    weights = open_clip_weights(len(tokenizer), 16)
    file = tmp_path / f"HPS{suffix}"
    if suffix == ".pt":
        torch.save({"epoch": 3, "name": "HPS", "state_dict": weights}, file)
    else:
        save_file(weights, file)
    found = hpsv2(clip_folder, weights=str(file))(images, prompts)
    for image, prompt, score in zip(images, prompts, found, strict=True):
        pixels = letterbox([Image.fromarray(image)], SIDE, MEAN, STD)
        ids = tokenizer(prompt.text, truncation=True, max_length=16, return_tensors="pt").input_ids[0]
        expected = open_clip_cosine(weights, pixels, ids, tokenizer.eos_token_id)
        assert score == pytest.approx(expected.item(), abs=1e-4)
    assert np.std(found) > 0.01


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda w: w.pop("visual.proj"), "lacks visual_projection.weight; download HPS_v2.1_compressed.pt"),
        (lambda w: w.update(strange=torch.ones(1)), "has the unknown strange; download"),
        (lambda w: w.update(ln_final=torch.ones(1)), "has the unknown text_model.ln_final"),
        (
            lambda w: w.update({"visual.class_embedding": torch.ones(7)}),
            r"has vision_model.embeddings.class_embedding of shape \[7\], not \[32\]",
        ),
    ],
)
def test_a_file_of_another_model_is_refused(
    clip_folder: str, tmp_path: Path, change: Callable[[Any], Any], sentence: str
):
    weights = open_clip_weights(len(AutoTokenizer.from_pretrained(clip_folder)), 16)
    change(weights)
    save_file(weights, tmp_path / "HPS.safetensors")
    with pytest.raises(RewardError, match=f"^reward hpsv2: .*HPS.safetensors {sentence}"):
        hpsv2(clip_folder, weights=str(tmp_path / "HPS.safetensors"))


def copied(folder: str, to: Path, *, without: tuple[str, ...] = ()) -> str:
    shutil.copytree(folder, to, ignore=shutil.ignore_patterns(*without))
    return str(to)


def test_tokenizer_and_image_processor_may_lie_elsewhere(clip_folder, images, prompts, tmp_path):
    bare = copied(clip_folder, tmp_path / "bare", without=("*token*", "vocab*", "merges*", "preproc*"))
    expected = pickscore(clip_folder)(images, prompts)
    assert pickscore(bare, processor=clip_folder)(images, prompts) == expected
    with pytest.raises(
        RewardError, match=r"^reward pickscore: no tokenizer in .*bare; download that of yuval"
    ):
        pickscore(bare)
    unseeing = copied(clip_folder, tmp_path / "unseeing", without=("preproc*",))
    with pytest.raises(RewardError, match=r"^reward pickscore: .*unseeing cannot be loaded as AutoImageProc"):
        pickscore(unseeing)


def test_folders_that_do_not_fit_are_refused_in_a_sentence(clip_folder, other_folder, tmp_path):
    with pytest.raises(
        RewardError, match=r"^reward pickscore: no folder models/P; download yuvalkirstain/Pick"
    ):
        pickscore("models/P")
    with pytest.raises(
        RewardError, match=r"^reward clip_score: .* holds a bert model, not clip; give the folder"
    ):
        clip_score(other_folder)
    with pytest.raises(
        RewardError, match=r"^reward hpsv2: no file HPS.pt; download HPS_v2.1_compressed.pt of"
    ):
        hpsv2(clip_folder, weights="HPS.pt")
    part = copied(clip_folder, tmp_path / "part")
    weights = load_file(Path(part) / "model.safetensors")
    del weights["visual_projection.weight"]
    save_file(weights, Path(part) / "model.safetensors", {"format": "pt"})
    with pytest.raises(
        RewardError, match=r"^reward clip_score: .*part lacks visual_projection.weight; download"
    ):
        clip_score(part)
    many = copied(clip_folder, tmp_path / "many")
    config = json.loads((Path(many) / "config.json").read_text())
    config["text_config"]["vocab_size"] = 100
    (Path(many) / "config.json").write_text(json.dumps(config))
    with pytest.raises(RewardError, match=r"^reward clip_score: .*many"):
        clip_score(many)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RewardError, match=r"^reward clip_score: .*empty cannot be loaded as AutoConfig"):
        clip_score(str(tmp_path / "empty"))


def test_options_that_cannot_be_are_refused(clip_folder):
    with pytest.raises(
        RewardError, match=r"^reward clip_score: batch is 0; give a whole number of at least 1"
    ):
        clip_score(clip_folder, batch=0)
    with pytest.raises(RewardError, match=r"^reward clip_score: device 'abacus' cannot be used here"):
        clip_score(clip_folder, device="abacus")


def test_images_without_prompts_are_a_mistake_of_the_caller(clip_folder, images, prompts):
    with pytest.raises(ValueError, match="5 images but 4 prompts"):
        clip_score(clip_folder)(images, prompts[1:])
