"""open_clip's names of a CLIP model's weights → those of transformers."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor

WHOLE = {
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "logit_scale": "logit_scale",
}
TURNED = {"text_projection": "text_projection.weight", "visual.proj": "visual_projection.weight"}
"""Kept as [in, out] by open_clip, as [out, in] by a linear layer."""
NORMS = {
    "ln_final.": "text_model.final_layer_norm.",
    "visual.ln_pre.": "vision_model.pre_layrnorm.",
    "visual.ln_post.": "vision_model.post_layernorm.",
}
INSIDE = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2",
          "attn.out_proj": "self_attn.out_proj"}  # fmt: skip
BLOCK = re.compile(r"(visual\.)?transformer\.resblocks\.(\d+)\.(.+?)(\.|_)(weight|bias)$")


def renamed(weights: dict[str, Tensor], model: Any) -> dict[str, Tensor]:
    """The weights under transformers' names; names that are not CLIP's stay as they are.

    Args:
        weights: in open_clip's names; the query, key and value of an attention are one matrix there.
        model: a transformers `CLIPModel`, whose buffers (position ids) are kept.
    """
    found = {name: value for name, value in model.state_dict().items() if name.endswith("position_ids")}
    for name, value in weights.items():
        norm = next((prefix for prefix in NORMS if name.startswith(prefix)), None)
        if name in WHOLE:
            found[WHOLE[name]] = value
        elif name in TURNED:
            found[TURNED[name]] = value.T.contiguous()
        elif norm:
            found[NORMS[norm] + name.removeprefix(norm)] = value
        elif block := BLOCK.fullmatch(name):
            tower = "vision_model" if block[1] else "text_model"
            place = f"{tower}.encoder.layers.{block[2]}"
            if block[3] == "attn.in_proj":
                for part, piece in zip("qkv", torch.chunk(value, 3), strict=True):
                    found[f"{place}.self_attn.{part}_proj.{block[5]}"] = piece.contiguous()
            else:
                found[f"{place}.{INSIDE.get(block[3], block[3])}.{block[5]}"] = value
        else:
            found[name] = value
    return found
