"""Weights of a CLIP model from open_clip's names to those of transformers."""

from __future__ import annotations

import re

from torch import Tensor

NAMES = (
    (r"^(?!visual\.)(transformer|positional_embedding|token_embedding|ln_final)", r"text_model.\1"),
    (r"^visual\.proj$", "visual_projection.weight"),
    (r"^text_projection$", "text_projection.weight"),
    (r"^visual\.", "vision_model."),
    (r"\.transformer\.resblocks\.", ".encoder.layers."),
    (r"\.positional_embedding$", ".embeddings.position_embedding.weight"),
    (r"\.token_embedding\.", ".embeddings.token_embedding."),
    (r"\.class_embedding$", ".embeddings.class_embedding"),
    (r"\.conv1\.", ".embeddings.patch_embedding."),
    (r"\.ln_pre\.", ".pre_layrnorm."),
    (r"\.ln_post\.", ".post_layernorm."),
    (r"\.ln_final\.", ".final_layer_norm."),
    (r"\.ln_([12])\.", r".layer_norm\1."),
    (r"\.mlp\.c_fc\.", ".mlp.fc1."),
    (r"\.mlp\.c_proj\.", ".mlp.fc2."),
    (r"\.attn\.in_proj_", ".self_attn.in_proj."),
    (r"\.attn\.", ".self_attn."),
)
"""Patterns and what becomes of them, in this order."""


def renamed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights under transformers' names, projections turned, attention's three matrices taken apart.

    Names that are not of a CLIP model stay, so that whoever takes the result can complain of them.
    """
    found = {}
    for name, value in weights.items():
        for pattern, new in NAMES:
            name = re.sub(pattern, new, name)
        if ".in_proj." in name:
            for letter, part in zip("qkv", value.chunk(3), strict=True):
                found[name.replace("in_proj", f"{letter}_proj")] = part.contiguous()
        else:
            turned = name in ("visual_projection.weight", "text_projection.weight")
            found[name] = value.T.contiguous() if turned else value
    return found
