"""Detectors of COCO's kind with random weights, in the hub's folder format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers

LABELS = dict(enumerate(["person", "bench", "motorbike", "mouse"]))
SIZE = {"shortest_edge": 32, "longest_edge": 64}


def yolos(folder: Path) -> str:
    """A detector of boxes."""
    config = transformers.YolosConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=[32, 32],
        patch_size=8,
        num_detection_tokens=6,
        id2label=LABELS,
    )
    return _saved(transformers.YolosForObjectDetection, config, transformers.YolosImageProcessor, folder)


def mask2former(folder: Path) -> str:
    """A detector of masks."""
    swin = transformers.SwinConfig(
        image_size=32,
        patch_size=4,
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 2, 2],
        window_size=2,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    config = transformers.Mask2FormerConfig(
        backbone_config=swin,
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=16,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=2,
        dim_feedforward=16,
        num_queries=6,
        id2label=LABELS,
    )
    kind = transformers.Mask2FormerForUniversalSegmentation
    return _saved(kind, config, transformers.Mask2FormerImageProcessor, folder)


def owlv2(folder: Path, words: Path) -> str:
    """A detector of what it is told, with the tokenizer of another folder."""
    own = transformers.AutoTokenizer.from_pretrained(words)
    vocab = own.get_vocab() | {own.bos_token: 2}  # a text that begins with 0 counts as none
    vocab |= {next(word for word, number in own.get_vocab().items() if number == 2): 0}
    merges = json.loads((words / "tokenizer.json").read_text())["model"]["merges"]
    tokenizer = transformers.CLIPTokenizer(vocab=vocab, merges=[tuple(pair) for pair in merges])
    shared = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {**shared, "vocab_size": len(tokenizer), "max_position_embeddings": 16}
    marks = ("bos_token_id", "eos_token_id", "pad_token_id")
    text |= {name: getattr(tokenizer, name) for name in marks}
    vision = {**shared, "image_size": 32, "patch_size": 8}
    config = transformers.Owlv2Config(text_config=text, vision_config=vision, projection_dim=16)
    tokenizer.save_pretrained(folder)
    kind, size = transformers.Owlv2ForObjectDetection, {"height": 32, "width": 32}
    return _saved(kind, config, transformers.Owlv2ImageProcessorPil, folder, size)


def _saved(kind: Any, config: Any, processor: Any, folder: Path, size: dict[str, int] = SIZE) -> str:
    model = kind(config)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3)
    model.save_pretrained(folder)
    processor(size=size).save_pretrained(folder)
    return str(folder)
