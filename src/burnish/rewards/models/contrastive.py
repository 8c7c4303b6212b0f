"""How near are an image and its prompt? CLIP score, PickScore and HPSv2.1, three ways of scaling one angle.

All are CLIP models (2103.00020) with weights of their own. Names of axes: B images, C colour channels,
H height, W width, D embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate, normalize, pad

from burnish.rewards.hub import load, pick_device
from burnish.rewards.models.common import (
    Score,
    in_batches,
    load_config,
    load_image_processor,
    load_tokenizer,
)
from burnish.rewards.models.open_clip import renamed
from burnish.rewards.models.weights import build, check, read_weights

CLIP = "a CLIP model such as openai/clip-vit-large-patch14"
PICKSCORE = "yuvalkirstain/PickScore_v1"
HPSV2 = "laion/CLIP-ViT-H-14-laion2B-s32B-b79K"
HPSV2_WEIGHTS = "HPS_v2.1_compressed.pt of xswu/HPSv2"

Prepare = Callable[[list[Image.Image]], Tensor]


def clip_score(path: str, processor: str | None = None, device: str = "auto", batch: int = 32) -> Score:
    """100·max(cos, 0): CLIPScore (2104.08718, eq. 1), with torchmetrics' weight of 100 in place of 2.5.

    Args:
        path: folder of a transformers CLIP model.
        processor: folder of its tokenizer and image processor, where they are not in `path`.
        device: where it runs; auto takes the accelerator if any.
        batch: images at a time.

    Returns:
        A reward between 0 and 100.

    Raises:
        RewardError: a folder is missing or holds something else.
    """
    model = load_clip("clip_score", path, CLIP, device)
    return _cosine(
        "clip_score", model, processor or path, CLIP, batch, lambda cosine_B: 100 * cosine_B.clamp(min=0)
    )


def pickscore(path: str, processor: str | None = None, device: str = "auto", batch: int = 32) -> Score:
    """exp(s)·cos with the learned logit scale s: PickScore (2305.01569, eq. 1, and its model card).

    Args:
        path: folder of PickScore_v1.
        processor: folder of laion/CLIP-ViT-H-14-laion2B-s32B-b79K, where `path` has no tokenizer and image
            processor.
        device: where it runs; auto takes the accelerator if any.
        batch: images at a time.

    Returns:
        A reward, about 15 to 25 with the released weights.

    Raises:
        RewardError: a folder is missing or holds something else.
    """
    model = load_clip("pickscore", path, PICKSCORE, device)
    return _cosine(
        "pickscore", model, processor or path, PICKSCORE, batch,
        lambda cosine_B: model.logit_scale.exp() * cosine_B,
    )  # fmt: skip


def hpsv2(path: str, weights: str | None = None, device: str = "auto", batch: int = 32) -> Score:
    """cos: HPSv2.1 (2306.09341) as the official `hpsv2.score` returns it, without the factor of 100.

    As there, a whole image is scaled into the model's square and centred on black, not cropped.

    Args:
        path: folder of CLIP-ViT-H-14 with tokenizer and image processor; HPSv2.1's own weights in the same
            format, unless `weights` are given.
        weights: the official `HPS_v2.1_compressed.pt`, or a `.safetensors` file with open_clip's names.
        device: where it runs; auto takes the accelerator if any.
        batch: images at a time.

    Returns:
        A reward between −1 and 1, about 0.2 to 0.4 with the released weights.

    Raises:
        RewardError: a folder or file is missing, holds something else, or does not fit the other.
    """
    model = load_clip("hpsv2", path, HPSV2, device, weights)
    seen = load_image_processor("hpsv2", path, HPSV2)
    side = model.config.vision_config.image_size

    def prepare(images: list[Image.Image]) -> Tensor:
        return letterbox(images, side, seen.image_mean, seen.image_std)

    return _cosine("hpsv2", model, path, HPSV2, batch, lambda cosine_B: cosine_B, prepare)


def load_clip(reward: str, path: str, source: str, device: str, weights: str | None = None) -> Any:
    """A CLIP model from a folder; with `weights`, its architecture from there, filled from an open_clip file.

    Raises:
        RewardError: a folder or file is missing, holds something else, or does not fit the other.
    """
    config = load_config(reward, path, source, "clip")
    if weights is not None:
        held = renamed(read_weights(reward, weights, HPSV2_WEIGHTS))
        model = build(
            reward, transformers.CLIPModel, config, held, weights, HPSV2_WEIGHTS, dtype=torch.float32
        )
    else:
        model, found = load(
            reward, transformers.CLIPModel, path, source, dtype=torch.float32, output_loading_info=True
        )
        check(reward, [f"lacks {name}" for name in sorted(found["missing_keys"])], path, source)
    return model.eval().requires_grad_(False).to(pick_device(device, reward))


def embed_images(model: Any, pixels_BCHW: Tensor) -> Tensor:
    """Unit embeddings [B, D] of prepared images."""
    seen = model.vision_model(pixel_values=pixels_BCHW.to(model.device)).pooler_output
    return normalize(model.visual_projection(seen), dim=-1)


def embed_texts(model: Any, tokenizer: Any, texts: Sequence[str]) -> Tensor:
    """Unit embeddings [B, D] of texts, cut at the model's limit; equal texts are read once."""
    distinct = list(dict.fromkeys(texts))
    limit = model.config.text_config.max_position_embeddings
    tokens = tokenizer(distinct, padding=True, truncation=True, max_length=limit, return_tensors="pt")
    tokens = {key: tokens[key].to(model.device) for key in ("input_ids", "attention_mask")}
    said = normalize(model.text_projection(model.text_model(**tokens).pooler_output), dim=-1)
    return said[[distinct.index(text) for text in texts]]


def letterbox(images: list[Image.Image], side: int, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Normalised pixels [B, C, side, side]: the longer side fits, the rest is black on both sides.

    Resized as numbers, bicubic and antialiased, hence not cut at 0 and 1.
    """
    rows = []
    for image in images:
        pixels_CHW = torch.from_numpy(np.array(image)).movedim(-1, 0) / 255
        height, width = (max(1, round(length * side / max(image.size))) for length in image.size[::-1])
        if max(image.size) != side:
            (pixels_CHW,) = interpolate(pixels_CHW[None], (height, width), mode="bicubic", antialias=True)
        left, top = (side - width) // 2, (side - height) // 2
        rows.append(pad(pixels_CHW, (left, side - width - left, top, side - height - top)))
    mean_C, std_C = (torch.tensor(values)[:, None, None] for values in (mean, std))
    return (torch.stack(rows) - mean_C) / std_C


def _cosine(
    reward: str,
    model: Any,
    processor: str,
    source: str,
    batch: int,
    scaled: Callable[[Tensor], Tensor],
    prepare: Prepare | None = None,
) -> Score:
    """The reward that scales the cosine between image and prompt."""
    tokenizer = load_tokenizer(reward, processor, source, model.config.text_config.vocab_size)
    if prepare is None:
        seen = load_image_processor(reward, processor, source)

        def prepare(images: list[Image.Image]) -> Tensor:
            return seen(images=images, return_tensors="pt").pixel_values

    def score(images: list[Image.Image], texts: list[str]) -> Tensor:
        seen_BD = embed_images(model, prepare(images))
        return scaled((seen_BD * embed_texts(model, tokenizer, texts)).sum(-1))

    return in_batches(reward, batch, score)
