"""What GenEval sees with: a detector of COCO's objects, and CLIP for their colours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image

from burnish.errors import RewardError
from burnish.rewards import hub
from burnish.rewards.geneval_rules import CLASSES, COLOURS, Found, name_of
from burnish.rewards.models.contrastive import embed_images, embed_texts

DETECTOR, CLIP = "a detector trained on COCO", "openai/clip-vit-large-patch14"
"""What a complaint says to download."""

OPEN = ("owlvit", "owlv2")
"""Kinds of detector that look for what they are told; others know the classes of their training."""

CERTAIN, CERTAIN_OPEN = (0.3, 0.9), (0.1, 0.1)
"""Certainties above which a detection counts, the second for prompts that count: GenEval's, an OWL-ViT's."""

LOOK_FOR = "a photo of a {}"
"""How they are told."""

BATCH = 8
"""Images that the detector sees at a time."""

BACKGROUND = 0x99
"""Grey of #999, painted around an object before its colour is named."""

SENTENCES = ("a photo of a {} {}", "a photo of a {}-colored {}", "a photo of a {} object")
"""Colour and class go in; the embedding of a colour is the mean over these."""


class Detector:
    """A transformers model that finds objects.

    Args:
        path: folder of a Mask2Former (instances), a detector of DETR's kind, or an OWL-ViT or OWLv2.
        device: where it runs.
        classes: what an OWL-ViT looks for; None: COCO's.

    Raises:
        RewardError: the folder does not hold such a model, or `classes` are given to one whose own are fixed.
    """

    def __init__(self, path: str, device: torch.device, classes: Sequence[str] | None = None):
        config = hub.load("geneval", transformers.AutoConfig, path, DETECTOR)
        told = config.model_type in OPEN
        if classes and not told:
            raise RewardError(
                f"reward geneval: {path} knows its own classes; leave out classes, or give an OWL-ViT"
            )
        self.certain = CERTAIN_OPEN if told else CERTAIN
        self.boxes = told or type(config) in transformers.MODEL_FOR_OBJECT_DETECTION_MAPPING
        kind: Any = transformers.AutoModelForUniversalSegmentation
        if self.boxes:
            kind = transformers.AutoModelForObjectDetection
        if told:
            kind = transformers.AutoModelForZeroShotObjectDetection
        self.model = hub.load("geneval", kind, path, DETECTOR, use_safetensors=True).to(device).eval()
        self.processor = hub.load("geneval", transformers.AutoImageProcessor, path, DETECTOR, backend="pil")
        labels = dict(enumerate(classes or CLASSES)) if told else config.id2label
        self.names = {index: name_of(label) for index, label in labels.items()}
        self.words: dict[str, torch.Tensor] = self._words(path, config.text_config) if told else {}

    def _words(self, path: str, config: Any) -> dict[str, torch.Tensor]:
        """The tokens of each class [C, T], of which an OWL-ViT wants a copy an image."""
        tokenizer = hub.load("geneval", transformers.AutoTokenizer, path, DETECTOR)
        texts = [LOOK_FOR.format(name) for name in self.names.values()]
        length = config.max_position_embeddings
        words = tokenizer(
            texts, padding="max_length", truncation=True, max_length=length, return_tensors="pt"
        )
        return {name: words[name].to(self.model.device) for name in ("input_ids", "attention_mask")}

    @torch.inference_mode()
    def __call__(self, images: Sequence[np.ndarray], threshold: float) -> Iterator[list[Found]]:
        """For each uint8 image [H, W, 3] what is seen with at least that certainty, in pixels."""
        for start in range(0, len(images), BATCH):
            part = images[start : start + BATCH]
            inputs = self.processor(images=[Image.fromarray(image) for image in part], return_tensors="pt")
            words = {name: tokens.repeat(len(part), 1) for name, tokens in self.words.items()}
            outputs = self.model(**inputs.to(self.model.device), **words)
            # the library's post-processing of masks works on the CPU only
            tensors = {key: value.cpu() for key, value in outputs.items() if isinstance(value, torch.Tensor)}
            read = self._from_boxes if self.boxes else self._from_masks
            yield from read(SimpleNamespace(**tensors), threshold, [image.shape[:2] for image in part])

    def _from_boxes(
        self, outputs: Any, threshold: float, sizes: list[tuple[int, int]]
    ) -> Iterator[list[Found]]:
        results = self.processor.post_process_object_detection(
            outputs, threshold=threshold, target_sizes=sizes
        )
        for result in results:
            rows = zip(*(result[key].tolist() for key in ("labels", "scores", "boxes")), strict=True)
            yield [Found(self.names[label], score, tuple(box)) for label, score, box in rows]

    def _from_masks(
        self, outputs: Any, threshold: float, sizes: list[tuple[int, int]]
    ) -> Iterator[list[Found]]:
        results = self.processor.post_process_instance_segmentation(
            outputs, threshold=threshold, target_sizes=sizes, return_binary_maps=True
        )
        for result in results:
            found = []
            for segment, mask in zip(result["segments_info"], result["segmentation"], strict=False):
                seen = mask.numpy() > 0
                found.append(Found(self.names[segment["label_id"]], segment["score"], box_of(seen), seen))
            yield found


class ColourNames:
    """Names the colours of objects by CLIP.

    Args:
        path: folder of a CLIP model with its tokenizer and image processor.
        device: where it runs.

    Raises:
        RewardError: the folder does not hold such a model.
    """

    def __init__(self, path: str, device: torch.device):
        self.model = (
            hub.load("geneval", transformers.CLIPModel, path, CLIP, use_safetensors=True).to(device).eval()
        )
        self.tokenizer = hub.load("geneval", transformers.AutoTokenizer, path, CLIP)
        self.processor = hub.load("geneval", transformers.AutoImageProcessor, path, CLIP, backend="pil")
        self.embed = cache(self._embed)

    @torch.inference_mode()
    def __call__(self, image: np.ndarray, name: str, group: Sequence[Found]) -> list[str]:
        """The likeliest of the ten colours for each of some objects of one class."""
        crops = [crop(image, found) for found in group]
        pixels = self.processor(images=crops, return_tensors="pt").pixel_values
        seen = embed_images(self.model, pixels)
        return [COLOURS[index] for index in (seen @ self.embed(name).T).argmax(-1).tolist()]

    def _embed(self, name: str) -> torch.Tensor:
        """Unit embeddings [10, D] of the colours of that class."""
        texts = [sentence.format(colour, name) for colour in COLOURS for sentence in SENTENCES]
        said = embed_texts(self.model, self.tokenizer, texts).unflatten(0, (len(COLOURS), -1))
        return torch.nn.functional.normalize(said.mean(1), dim=-1)


def crop(image: np.ndarray, found: Found) -> Image.Image:
    """The object's box out of the image, at least a pixel wide and high, on grey where there is a mask."""
    if found.mask is not None:
        image = np.where(found.mask[..., None], image, np.uint8(BACKGROUND))
    left, top, right, bottom = map(round, found.box)
    return Image.fromarray(image).crop((left, top, max(right, left + 1), max(bottom, top + 1)))


def box_of(mask: np.ndarray) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a mask [H, W] with at least one pixel."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
