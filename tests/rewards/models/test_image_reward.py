"""ImageReward on a small model in the official file's names, against BLIP's arithmetic written out."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional
from transformers import BertTokenizer

from burnish.errors import RewardError
from burnish.rewards.models.image_reward import image_reward

WIDTH, TEXT_WIDTH, SIDE, PATCH = 128, 64, 64, 16
LAYERS = 2
SIZES = {0: (32, 64), 2: (16, 32), 4: (8, 16), 6: (4, 8), 7: (1, 4)}


def official(vocabulary: int) -> dict[str, Tensor]:
    """Random weights under the names of THUDM's modules; with what is in the file and not needed."""
    generator = torch.Generator().manual_seed(2)
    weights: dict[str, Tensor] = {}

    def linear(name: str, rows: int, columns: int) -> None:
        weights[f"{name}.weight"] = torch.randn(rows, columns, generator=generator) / columns**0.5
        weights[f"{name}.bias"] = torch.randn(rows, generator=generator) * 0.1

    def norm(name: str, width: int) -> None:
        weights[f"{name}.weight"] = 1 + torch.randn(width, generator=generator) * 0.1
        weights[f"{name}.bias"] = torch.randn(width, generator=generator) * 0.1

    eye, mouth = "blip.visual_encoder.", "blip.text_encoder."
    small = 0.01  # as small as in trained ones, where a norm's eps counts
    weights[f"{eye}cls_token"] = small * torch.randn(1, 1, WIDTH, generator=generator)
    places = (SIDE // PATCH) ** 2 + 1
    weights[f"{eye}pos_embed"] = small * torch.randn(1, places, WIDTH, generator=generator)
    patch = small * torch.randn(WIDTH, 3, PATCH, PATCH, generator=generator) / 16
    weights |= {f"{eye}patch_embed.proj.weight": patch, f"{eye}patch_embed.proj.bias": torch.zeros(WIDTH)}
    for block in (f"{eye}blocks.{number}." for number in range(LAYERS)):
        norm(f"{block}norm1", WIDTH)
        linear(f"{block}attn.qkv", 3 * WIDTH, WIDTH)
        linear(f"{block}attn.proj", WIDTH, WIDTH)
        norm(f"{block}norm2", WIDTH)
        linear(f"{block}mlp.fc1", 96, WIDTH)
        linear(f"{block}mlp.fc2", WIDTH, 96)
    norm(f"{eye}norm", WIDTH)
    weights[f"{mouth}embeddings.position_ids"] = torch.arange(40)[None]
    weights[f"{mouth}embeddings.word_embeddings.weight"] = torch.randn(
        vocabulary, TEXT_WIDTH, generator=generator
    )
    weights[f"{mouth}embeddings.position_embeddings.weight"] = torch.randn(
        40, TEXT_WIDTH, generator=generator
    )
    norm(f"{mouth}embeddings.LayerNorm", TEXT_WIDTH)
    for layer in (f"{mouth}encoder.layer.{number}." for number in range(LAYERS)):
        for kind, keys in (("attention", TEXT_WIDTH), ("crossattention", WIDTH)):
            linear(f"{layer}{kind}.self.query", TEXT_WIDTH, TEXT_WIDTH)
            linear(f"{layer}{kind}.self.key", TEXT_WIDTH, keys)
            linear(f"{layer}{kind}.self.value", TEXT_WIDTH, keys)
            linear(f"{layer}{kind}.output.dense", TEXT_WIDTH, TEXT_WIDTH)
            norm(f"{layer}{kind}.output.LayerNorm", TEXT_WIDTH)
        linear(f"{layer}intermediate.dense", 80, TEXT_WIDTH)
        linear(f"{layer}output.dense", TEXT_WIDTH, 80)
        norm(f"{layer}output.LayerNorm", TEXT_WIDTH)
    linear("blip.vision_proj", 8, WIDTH)
    linear("blip.text_proj", 8, TEXT_WIDTH)
    for number, (rows, columns) in SIZES.items():
        linear(f"mlp.layers.{number}", rows, columns)
    return weights


class Blip:
    """The forward pass of ImageReward, by its own names."""

    def __init__(self, weights: dict[str, Tensor]):
        self.weights = weights

    def linear(self, values: Tensor, name: str) -> Tensor:
        return functional.linear(values, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def norm(self, values: Tensor, name: str, eps: float) -> Tensor:
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return functional.layer_norm(values, weight.shape, weight, bias, eps)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
        """Heads of 64 numbers."""
        q, k, v = (part.unflatten(-1, (-1, 64)).transpose(1, 2) for part in (query, key, value))
        found = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return found.transpose(1, 2).flatten(2)

    def see(self, pixels: Tensor) -> Tensor:
        eye = "blip.visual_encoder."
        conv = (self.weights[f"{eye}patch_embed.proj.{part}"] for part in ("weight", "bias"))
        patches = functional.conv2d(pixels, *conv, stride=PATCH).flatten(2).mT
        first = self.weights[f"{eye}cls_token"].expand(len(pixels), -1, -1)
        hidden = torch.cat([first, patches], 1) + self.weights[f"{eye}pos_embed"]
        for block in (f"{eye}blocks.{number}." for number in range(LAYERS)):
            qkv = self.linear(self.norm(hidden, f"{block}norm1", 1e-6), f"{block}attn.qkv")
            hidden = hidden + self.linear(self.attend(*qkv.chunk(3, -1)), f"{block}attn.proj")
            inner = functional.gelu(self.linear(self.norm(hidden, f"{block}norm2", 1e-6), f"{block}mlp.fc1"))
            hidden = hidden + self.linear(inner, f"{block}mlp.fc2")
        return self.norm(hidden, f"{eye}norm", 1e-6)

    def read(self, ids: Tensor, mask: Tensor, seen: Tensor) -> Tensor:
        mouth = "blip.text_encoder."
        hidden = self.weights[f"{mouth}embeddings.word_embeddings.weight"][ids]
        hidden = hidden + self.weights[f"{mouth}embeddings.position_embeddings.weight"][: ids.shape[1]]
        hidden = self.norm(hidden, f"{mouth}embeddings.LayerNorm", 1e-12)
        for layer in (f"{mouth}encoder.layer.{number}." for number in range(LAYERS)):
            for kind, other in (("attention", None), ("crossattention", seen)):
                keys = hidden if other is None else other
                q = self.linear(hidden, f"{layer}{kind}.self.query")
                k, v = (self.linear(keys, f"{layer}{kind}.self.{part}") for part in ("key", "value"))
                padding = None if other is not None else (1 - mask.float())[:, None, None] * -10000.0
                found = self.linear(self.attend(q, k, v, padding), f"{layer}{kind}.output.dense")
                hidden = self.norm(hidden + found, f"{layer}{kind}.output.LayerNorm", 1e-12)
            inner = functional.gelu(self.linear(hidden, f"{layer}intermediate.dense"))
            found = self.linear(inner, f"{layer}output.dense")
            hidden = self.norm(hidden + found, f"{layer}output.LayerNorm", 1e-12)
        return hidden

    def score(self, pixels: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        found = self.read(ids, mask, self.see(pixels))[:, 0]
        for number in SIZES:
            found = self.linear(found, f"mlp.layers.{number}")
        return (found[:, 0] - 0.16717362830052426) / 1.0333394966054072


@pytest.fixture(scope="module")
def bert(tmp_path_factory) -> str:
    """Folder of a tokenizer of whole words, as bert-base-uncased has it."""
    folder = tmp_path_factory.mktemp("bert")
    words = sorted({word for text in tiny.corpus() for word in text.split()})
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    BertTokenizer(vocab={word: number for number, word in enumerate(names)}).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def weights(bert) -> dict[str, Tensor]:
    return official(len(BertTokenizer.from_pretrained(bert)) + 2)


@pytest.fixture(scope="module")
def file(weights, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("reward") / "ImageReward.pt"
    torch.save(weights, path)
    return str(path)


def test_the_score_is_blips_own(file, bert, weights, images, prompts, prepared):
    tokens = BertTokenizer.from_pretrained(bert)(
        [prompt.text for prompt in prompts], padding="max_length", truncation=True, max_length=35,
        return_tensors="pt",
    )  # fmt: skip
    assert tokens.attention_mask.sum(1).tolist() == [5, 5, 5, 35, 4]
    expected = Blip(weights).score(prepared(SIDE), tokens.input_ids, tokens.attention_mask)
    assert expected.std() > 0.05
    found = image_reward(file, bert)(images, prompts)
    assert found == pytest.approx(expected.tolist(), abs=3e-5)


def test_a_score_depends_on_its_own_image_and_prompt_alone(file, bert, images, prompts):
    whole = image_reward(file, bert)(images, prompts)
    assert image_reward(file, bert, batch=1)(images, prompts) == pytest.approx(whole, abs=1e-4)
    backwards = image_reward(file, bert, batch=2)(images[::-1], prompts[::-1])
    assert backwards == pytest.approx(whole[::-1], abs=1e-4)
    other = image_reward(file, bert)(images, prompts[::-1])
    assert np.abs(np.subtract(other, whole)).max() > 1e-3  # the prompt counts


def test_the_same_from_safetensors(file, bert, weights, images, prompts, tmp_path):
    save_file(weights, tmp_path / "ImageReward.safetensors")
    found = image_reward(str(tmp_path / "ImageReward.safetensors"), bert)(images, prompts)
    assert found == image_reward(file, bert)(images, prompts)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("blip.visual_encoder.norm.bias", "lacks post_layernorm.bias"),
        ("blip.visual_encoder.pos_embed", "lacks embeddings.position_embedding;"),
        (
            "blip.text_encoder.encoder.layer.1.output.dense.weight",
            "lacks encoder.layer.1.output.dense.weight",
        ),
        ("mlp.layers.4.weight", "lacks 4.weight"),
    ],
)
def test_a_file_that_lacks_something_is_refused(bert, weights, tmp_path, name, sentence):
    path = tmp_path / "ImageReward.safetensors"
    save_file({key: value for key, value in weights.items() if key != name}, path)
    with pytest.raises(
        RewardError, match=f"^reward image_reward: .*tensors {sentence}.* download ImageReward.pt of"
    ):
        image_reward(str(path), bert)


def test_tokenizers_that_do_not_fit_are_refused(file, bert, weights, tmp_path):
    with pytest.raises(
        RewardError, match=r"^reward image_reward: no folder nowhere; download bert-base-uncased"
    ):
        image_reward(file, "nowhere")
    with pytest.raises(RewardError, match=r"^reward image_reward: no tokenizer in"):
        image_reward(file, str(tmp_path))
    fewer = dict(weights)
    fewer["blip.text_encoder.embeddings.word_embeddings.weight"] = torch.ones(9, TEXT_WIDTH)
    torch.save(fewer, tmp_path / "fewer.pt")
    with pytest.raises(
        RewardError, match=r"^reward image_reward: the tokenizer in .* has \d+ tokens, the model 9"
    ):
        image_reward(str(tmp_path / "fewer.pt"), bert)
