"""Presets: one row of names and numbers for each method. Clip ranges and samplers stay as written,

so that runs which differ only in `algorithm.preset` differ only in the method.
"""

from __future__ import annotations

from typing import Any

_CLIP = {"name": "clip"}
_FREE = {"name": "none"}
_SLAS = {"name": "slas", "gamma": 0.5, "order": "scale_first"}
_CHUNK = {"name": "chunk", "sizes": "dynamic"}
_STEP = {"name": "decision"}

_GRPO: dict[str, dict[str, Any]] = {
    "advantage": {"name": "grpo"},
    "ratio": {"name": "exact"},
    "unit": _STEP,
    "weights": {"name": "none"},
    "objective": _CLIP,
    "divergence": _FREE,
}

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    # DanceGRPO, 2505.07818
    "dance_grpo": _GRPO,
    # Flow-GRPO, 2505.05470
    "flow_grpo": {**_GRPO, "divergence": {"name": "gaussian", "beta": 0.01}},
    # SLAS, 2605.10937
    "slas": {**_GRPO, "advantage": _SLAS},
    # Chunk-GRPO, 2510.21583
    "chunk_grpo": {**_GRPO, "unit": _CHUNK},
    # SLAS's advantage with Chunk-GRPO's ratio
    "slas_chunk": {**_GRPO, "advantage": _SLAS, "unit": _CHUNK},
    # Dr.GRPO, 2503.20783
    "dr_grpo": {**_GRPO, "advantage": {"name": "dr_grpo"}},
    # RLOO, 2402.14740
    "rloo": {**_GRPO, "advantage": {"name": "rloo"}},
    # REINFORCE++, 2501.03262
    "reinforce_pp": {**_GRPO, "advantage": {"name": "reinforce_pp"}},
    # GSPO, 2507.18071: one ratio a rollout
    "gspo": {**_GRPO, "unit": {"name": "sequence"}},
    # CISPO, 2506.13585
    "cispo": {**_GRPO, "objective": {"name": "cispo"}},
    # SAPO, 2511.20347
    "sapo": {**_GRPO, "objective": {"name": "sapo"}},
    # GRPO-Guard, 2510.22319
    "grpo_guard": {**_GRPO, "ratio": {"name": "guard"}, "weights": {"name": "guard"}},
    # TempFlow-GRPO's noise-aware weighting, 2508.04324; without its branches
    "tempflow": {**_GRPO, "weights": {"name": "noise"}},
    # Flow-DPPO, 2606.11025; on language DPPO, 2602.04879
    "flow_dppo": {**_GRPO, "objective": {"name": "dppo"}},
    # AWM, 2509.25050
    "awm": {**_GRPO, "advantage": {"name": "batch_std"}, "ratio": {"name": "matching", "power": 0.0}},
    # DiffusionNFT, 2509.16117
    "diffusion_nft": {
        **_GRPO,
        "advantage": {"name": "batch_std"},
        "ratio": {"name": "contrast", "beta": 1.0},
        "objective": {"name": "nft"},
    },
    # GRPO on language, 2402.03300
    "grpo": _GRPO,
    # DAPO, 2503.14476: with sampling.refill and the reward overlong beside it
    "dapo": {**_GRPO, "objective": {"name": "clip_higher", "average": "decisions"}},
    # GMPO, 2507.20673
    "gmpo": {**_GRPO, "unit": {"name": "sequence"}, "objective": {"name": "gmpo"}},
    # ReMax, 2310.10505
    "remax": {**_GRPO, "advantage": {"name": "remax"}},
    # PPO, 1707.06347: a critic and GAE
    "ppo": {**_GRPO, "advantage": {"name": "gae", "lam": 1.0}},
    # nothing: every axis as written
    "custom": {},
}

OWN: dict[str, dict[str, tuple[str, ...]]] = {
    "advantage": {
        "gamma": ("slas",),
        "order": ("slas",),
        **dict.fromkeys(("lam", "value_weight", "value_clip", "value_warmup"), ("gae",)),
    },
    "ratio": {"power": ("matching",), "beta": ("contrast",)},
    "unit": {"sizes": ("chunk",), "weighted": ("chunk",)},
    "weights": {},
    "objective": {
        "clip_high": ("clip_higher", "dual_clip", "cispo", "gmpo"),
        "threshold": ("dppo",),
        "advantage_max": ("nft",),
    },
    "divergence": {"beta": ("gaussian", "k1", "k2", "k3"), "in_reward": ("k1", "k2", "k3")},
}
"""axis -> key -> the members of the axis that read the key; keys not named here are read by all."""


def fill(algorithm: dict[str, Any], row: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """`algorithm` with the gaps filled from `row`; what is written wins.

    Where another member of an axis is written, the row's keys for its own member stay away.
    """
    filled = dict(algorithm)
    for axis, values in row.items():
        written = filled.get(axis, {})
        if not isinstance(written, dict):
            continue
        name = written.get("name", values["name"])
        fitting = {k: v for k, v in values.items() if name in OWN[axis].get(k, (name,))}
        filled[axis] = {**fitting, **written}
    return filled


def replace(algorithm: dict[str, Any], row: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """`algorithm` with `row` written over it; keys that only a replaced member reads are dropped."""
    replaced = dict(algorithm)
    for axis, values in row.items():
        written = replaced.get(axis, {})
        written = dict(written) if isinstance(written, dict) else {}
        replaced[axis] = fitting(axis, {**written, **values}, kept=set(values))
    return replaced


def fitting(
    axis: str, values: dict[str, Any], kept: set[str] | frozenset[str] = frozenset()
) -> dict[str, Any]:
    """`values` of an axis without the keys its member does not read, except those in `kept`."""
    name = values.get("name")
    return {k: v for k, v in values.items() if k in kept or name in OWN[axis].get(k, (name,))}
