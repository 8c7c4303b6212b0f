"""Detectors of COCO's kind with random weights, in the hub's folder format."""

from __future__ import annotations

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


def _saved(kind: Any, config: Any, processor: Any, folder: Path) -> str:
    torch.manual_seed(1)
    model = kind(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3)
    model.save_pretrained(folder)
    processor(size=SIZE).save_pretrained(folder)
    return str(folder)
