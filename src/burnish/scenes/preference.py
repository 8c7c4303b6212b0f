"""The scenes preference: a small learned reward, imperfect on purpose, as real reward models are.

A `CLIPModel` in PickScore's form (Kirstain et al., 2305.01569): the score of an image for a prompt is the
scaled cosine of their embeddings, trained on pairs by the Bradley–Terry likelihood. The simulated raters
mostly look at whether the picture shows what was asked, but they also like saturated colours and large
objects, and they are noisy. So the score can be raised without making the picture truer: reward hacking
is possible, and the verifier sees it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageEnhance

from burnish.scenes import models
from burnish.scenes.grammar import COLORS, MIRROR, SHAPES, Scene, parse, prompts, sample
from burnish.scenes.renderer import layout, render
from burnish.scenes.verifier import verify

FOLDER = models.BUNDLED / "preference"
BLOCK = 500
MATCH, SATURATION, AREA, NOISE = 5.0, 8.0, 8.0, 0.5
"""The raters: weights of graded match, mean saturation and coloured area (both 0–1), and Gumbel noise."""


CARD = """---
library_name: transformers
license: apache-2.0
---
# burnish scenes preference

A `CLIPModel` that scores how well a picture of coloured shapes fits a prompt, trained on the pairwise choices
of simulated raters. It is imperfect on purpose: the raters are noisy and also like saturated colours and
large objects, so that a model trained on this reward can learn to please it without drawing what was asked.

- agrees with the raters on {agreement:.1%} of unseen pairs (the raters' own noise is in that number)
- trained by `{command}`; the seed fixes data and initial weights, bits differ between machines
- use: `burnish train rewards.0.name=scenes_preference`
"""


class Preference:
    """Scores images against prompts; higher is preferred. Differences are log-odds of being preferred."""

    def __init__(self, folder: Path = FOLDER, device: str = "cpu"):
        from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

        model: Any = CLIPModel.from_pretrained(folder, dtype=torch.float32)
        self.model = model.to(device).eval()
        self.tokenizer = CLIPTokenizer.from_pretrained(folder)
        self.processor = CLIPImageProcessorPil.from_pretrained(folder)

    @torch.no_grad()
    def score(self, images: Sequence[np.ndarray], texts: Sequence[str]) -> list[float]:
        """One score an image: uint8 arrays [H, W, 3] of any size, with one prompt each."""
        if len(images) != len(texts):
            raise ValueError(f"{len(images)} images but {len(texts)} prompts: give one prompt an image")
        pixels = self.processor(
            [Image.fromarray(image) for image in images], return_tensors="pt"
        ).pixel_values
        ids = tokenize(self.tokenizer, list(texts))
        return similarity(self.model, pixels.to(self.model.device), ids.to(self.model.device)).tolist()


@cache
def load(device: str = "cpu") -> Preference:
    """The bundled preference model."""
    return Preference(device=device)


def similarity(model: Any, pixels: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """Scaled cosine [B] of image and text embeddings, pair by pair."""
    image = model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output)
    text = model.text_projection(model.text_model(input_ids=ids).pooler_output)
    cosine = torch.nn.functional.cosine_similarity(image, text, dim=-1)
    return cosine * model.logit_scale.exp()


def tokenize(tokenizer: Any, texts: list[str]) -> torch.Tensor:
    """Padded CLIP ids [B, L]."""
    return tokenizer(
        texts, padding="max_length", truncation=True, max_length=models.TEXT_TOKENS, return_tensors="pt"
    ).input_ids


def altered(scene: Scene, rng: np.random.Generator) -> Scene:
    """`scene` with one requirement changed: a shape, a colour, a count or the relation."""
    thing = scene.things[0]
    changes = [replace(thing, shape=str(rng.choice(SHAPES))), replace(thing, color=str(rng.choice(COLORS)))]
    if len(scene.things) == 1:
        changes.append(replace(thing, count=int(rng.integers(1, 5))))
    first = changes[rng.integers(len(changes))]
    relation = scene.relation
    if relation and rng.random() < 0.5:
        first, relation = thing, MIRROR[relation]
    return replace(scene, things=(first, *scene.things[1:]), relation=relation)


def liking(image: np.ndarray, text: str, rng: np.random.Generator) -> float:
    """A simulated rater's noisy liking of one image for one prompt."""
    values = image.astype(np.float32) / 255
    saturation = values.max(-1) - values.min(-1)
    match = verify(image, text).graded
    return float(
        MATCH * match
        + SATURATION * saturation.mean()
        + AREA * (saturation > 0.4).mean()
        + rng.gumbel() * NOISE
    )


def rate_block(seed: int) -> tuple[np.ndarray, list[str], np.ndarray]:
    """`BLOCK` rated pairs: images [BLOCK, 2, 32, 32, 3], prompts, and whether the first was preferred."""
    rng = np.random.default_rng([seed, 77])
    pairs, texts, first = [], [], []
    for _ in range(BLOCK):
        text = sample(rng, "train")
        pair = []
        for _ in range(2):
            scene = parse(text)
            if rng.random() < 0.5:
                scene = altered(scene, rng) if rng.random() < 0.8 else parse(sample(rng, "train"))
            picture = Image.fromarray(render(layout(scene, rng), models.PIXELS))
            pair.append(np.asarray(ImageEnhance.Color(picture).enhance(rng.uniform(0.6, 1.5))))
        pairs.append(np.stack(pair))
        texts.append(text)
        first.append(liking(pair[0], text, rng) > liking(pair[1], text, rng))
    return np.stack(pairs), texts, np.array(first)


def build() -> tuple[Any, Any, Any]:
    """A fresh CLIP model, tokenizer and image processor."""
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

    tokenizer, _ = models.tokenizers([text for split in ("train", "test", "ood") for text in prompts(split)])
    shared = {"hidden_size": 96, "intermediate_size": 192, "num_attention_heads": 3}
    text = {
        **shared,
        "num_hidden_layers": 2,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": models.TEXT_TOKENS,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    vision = {**shared, "num_hidden_layers": 4, "image_size": models.PIXELS, "patch_size": 8}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=64))
    side = {"height": models.PIXELS, "width": models.PIXELS}
    processor = CLIPImageProcessorPil(size={"shortest_edge": models.PIXELS}, crop_size=side)
    return model, tokenizer, processor


def main(argv: list[str] | None = None) -> int:
    """`burnish scenes preference`: rates pairs, trains the scorer, saves it."""
    parser = argparse.ArgumentParser(prog="burnish scenes preference", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=30_000)
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    settings = parser.parse_args(argv)
    with ProcessPoolExecutor(settings.workers, mp_context=get_context("spawn")) as pool:
        seeds = range(settings.seed * 10**6, settings.seed * 10**6 + -(-settings.pairs // BLOCK))
        blocks = list(pool.map(rate_block, seeds))
    images = torch.from_numpy(np.concatenate([block[0] for block in blocks])).to(settings.device)
    texts = [text for block in blocks for text in block[1]]
    preferred = torch.from_numpy(np.concatenate([block[2] for block in blocks])).to(settings.device)
    torch.manual_seed(settings.seed)
    model, tokenizer, processor = build()
    model.to(settings.device).train()
    ids = tokenize(tokenizer, texts).to(settings.device)
    mean, std = (
        torch.tensor(values, device=settings.device)[:, None, None]
        for values in (processor.image_mean, processor.image_std)
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.steps)
    kept = len(texts) - min(2000, len(texts) // 4)  # the last pairs are for validation

    def margin(rows: torch.Tensor) -> torch.Tensor:
        scores = [
            similarity(model, (images[rows, side].permute(0, 3, 1, 2) / 255 - mean) / std, ids[rows])
            for side in (0, 1)
        ]
        return scores[0] - scores[1]

    agreement = 0.0
    for step in range(1, settings.steps + 1):
        rows = torch.randint(kept, (256,), device=settings.device)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(margin(rows), preferred[rows].float())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 500 == 0 or step == settings.steps:
            model.eval()
            with torch.no_grad():
                held = torch.arange(kept, len(texts), device=settings.device)
                agreement = ((margin(held) > 0) == preferred[held]).float().mean().item()
            model.train()
            print(
                f"preference {step}/{settings.steps}  loss {loss.item():.3f}  agreement {agreement:.3f}",
                flush=True,
            )
    settings.out.mkdir(parents=True, exist_ok=True)
    command = f"burnish scenes preference --out FOLDER --pairs {settings.pairs} --steps {settings.steps}"
    card = CARD.format(agreement=agreement, command=f"{command} --seed {settings.seed}")
    (settings.out / "README.md").write_text(card, encoding="utf-8")
    model.to("cpu", torch.float16).save_pretrained(settings.out)
    tokenizer.save_pretrained(settings.out)
    processor.save_pretrained(settings.out)
    return 0
