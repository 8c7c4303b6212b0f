"""Rewards that are an angle between an image and a text: CLIP score, PickScore, HPSv2.1.

All three are CLIP models (2103.00020); they differ in their weights, in scale, and in how an image that is
not square is made so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn.functional import normalize

from burnish.rewards import hub
from burnish.rewards.learned.open_clip import renamed
from burnish.types import Prompt

Score = Callable[[Sequence[np.ndarray], Sequence[Prompt]], list[float]]


class Clip:
    """A CLIP model with its tokenizer and image processor.

    Args:
        path: folder in the hub's format.
        reward: name of the reward, for complaints.
        device: `auto`, `cpu`, `cuda`, ….
        batch: images and texts in one forward.

    Raises:
        RewardError: the folder is missing or holds another model, or the device is not there.
    """

    def __init__(self, path: str, reward: str, device: str, batch: int):
        self.batch, self.device = batch, hub.pick_device(device, reward)
        self.model = hub.load(transformers.CLIPModel, path, reward).to(self.device).eval()
        self.tokenizer = hub.load(transformers.AutoTokenizer, path, reward)
        self.processor = hub.load(transformers.AutoImageProcessor, path, reward)

    @torch.inference_mode()
    def images(self, images: Sequence[Image.Image]) -> Tensor:
        """Unit embeddings [B, D], float32 on the CPU."""
        rows = []
        for start in range(0, len(images), self.batch):
            pixels = self.processor(images=list(images[start : start + self.batch]), return_tensors="pt")
            seen = self.model.vision_model(pixel_values=pixels.pixel_values.to(self.device)).pooler_output
            rows.append(normalize(self.model.visual_projection(seen).float(), dim=-1).cpu())
        return torch.cat(rows)

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> Tensor:
        """Unit embeddings [B, D], float32 on the CPU; longer texts are cut at the model's limit."""
        rows, longest = [], self.model.config.text_config.max_position_embeddings
        for start in range(0, len(texts), self.batch):
            tokens = self.tokenizer(
                list(texts[start : start + self.batch]),
                padding="max_length",
                truncation=True,
                max_length=longest,
                return_tensors="pt",
            ).to(self.device)
            said = self.model.text_model(
                input_ids=tokens.input_ids, attention_mask=tokens.attention_mask
            ).pooler_output
            rows.append(normalize(self.model.text_projection(said).float(), dim=-1).cpu())
        return torch.cat(rows)


def clip_score(path: str, device: str = "auto", batch: int = 32) -> Score:
    """100·max(cos, 0) between image and prompt (CLIPScore, 2104.08718, in the scale of torchmetrics).

    Args:
        path: folder of a CLIP model in the hub's format.
        device: where it runs.
        batch: images in one forward.

    Raises:
        RewardError: the folder is missing or holds another model.
    """
    clip = Clip(path, "clip_score", device, batch)
    return _cosine(clip, lambda cosine_B: 100 * cosine_B.clamp(min=0))


def pickscore(path: str, device: str = "auto", batch: int = 32) -> Score:
    """exp(logit scale)·cos, as PickScore's model card computes it (2305.01569).

    Args:
        path: folder of PickScore_v1, with the processor of laion/CLIP-ViT-H-14-laion2B-s32B-b79K in it.
        device: where it runs.
        batch: images in one forward.

    Raises:
        RewardError: the folder is missing or holds another model.
    """
    clip = Clip(path, "pickscore", device, batch)
    scale = float(clip.model.logit_scale.detach().exp())
    return _cosine(clip, lambda cosine_B: scale * cosine_B)


def hpsv2(path: str, weights: str | None = None, device: str = "auto", batch: int = 32) -> Score:
    """cos between image and prompt under HPSv2.1 (2306.09341).

    An image that is not square is fitted into one and padded with black, as the official preprocessing does.

    Args:
        path: folder of HPSv2.1 as a transformers CLIP model; with `weights`, of any CLIP ViT-H-14, such as
            laion/CLIP-ViT-H-14-laion2B-s32B-b79K, for its configuration, tokenizer and processor.
        weights: the official file `HPS_v2.1_compressed.pt`, in open_clip's names.
        device: where it runs.
        batch: images in one forward.

    Raises:
        RewardError: a file is missing or holds another model.
    """
    clip = Clip(path, "hpsv2", device, batch)
    if weights is not None:
        hub.fill(clip.model, renamed(hub.read_weights(weights, "hpsv2"), clip.model), weights, "hpsv2")
    side = clip.processor.crop_size["height"]
    return _cosine(clip, lambda cosine_B: cosine_B, lambda image: fitted(image, side))


def fitted(image: Image.Image, side: int) -> Image.Image:
    """The whole image within a square of `side` pixels, centred on black."""
    return ImageOps.pad(image, (side, side), method=Image.Resampling.BICUBIC, color=(0, 0, 0))


def _cosine(
    clip: Clip, scaled: Callable[[Tensor], Tensor], shaped: Callable[[Any], Any] = lambda i: i
) -> Score:
    def score(images: Sequence[np.ndarray], prompts: Sequence[Prompt]) -> list[float]:
        texts = list(dict.fromkeys(prompt.text for prompt in prompts))
        row = {text: index for index, text in enumerate(texts)}
        said = clip.texts(texts)[[row[prompt.text] for prompt in prompts]]
        seen = clip.images([shaped(Image.fromarray(image)) for image in images])
        return scaled((seen * said).sum(-1)).tolist()

    return score
