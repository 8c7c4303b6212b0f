"""What a checkpoint holds: weights, optimiser, average, reference, random states, positions, counters.

Tensors go to safetensors, the rest to JSON; nothing is pickled.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from burnish.engine import rng
from burnish.engine.checkpoint import Checkpoint
from burnish.errors import CheckpointError

Tensors = dict[str, dict[str, Tensor]]


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Every tensor of the optimiser's state, as `INDEX.NAME`."""
    state = optimizer.state_dict()["state"]
    return {f"{index}.{name}": value for index, row in state.items() for name, value in row.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """The inverse of `optimizer_tensors`."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def pack(trainer: Any) -> tuple[Tensors, dict[str, Any]]:
    """Everything a trainer needs to go on as if it had not stopped."""
    random_tensors, random_state = rng.global_state()
    tensors = {
        "parameters": {name: value.detach() for name, value in trainer.policy.parameters.items()},
        "optimizer": optimizer_tensors(trainer.optimizer),
        "ema": trainer.average or {},
        "reference": trainer.policy._reference or {},
        "random": random_tensors,
        "units": {} if trainer.unit_T is None else {"unit_T": trainer.unit_T},
    }
    state = {
        "random": random_state,
        "sampler": trainer.sampler.state(),
        "counters": trainer.counters,
        "skipped_nonfinite": trainer.guard.skipped,
        "history": trainer.history,
    }
    return tensors, state


def unpack(trainer: Any, checkpoint: Checkpoint) -> None:
    """Puts a checkpoint back into a fresh trainer.

    Raises:
        CheckpointError: the checkpoint's parameters are not this model's.
    """
    tensors, state = checkpoint.tensors, checkpoint.state
    parameters = trainer.policy.parameters
    saved = tensors["parameters"]
    if saved.keys() != parameters.keys():
        odd = sorted(saved.keys() ^ parameters.keys())[0]
        raise CheckpointError(
            f"{checkpoint.path} does not fit the model of the recipe: {odd!r} is on one side only"
        )
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(saved[name])
    restore_optimizer(trainer.optimizer, tensors["optimizer"])
    device = trainer.policy.device
    if trainer.average is not None:
        trainer.average = {name: tensors["ema"][name].to(device) for name in parameters}
    if tensors["reference"]:
        trainer.policy._reference = {name: value.to(device) for name, value in tensors["reference"].items()}
    if tensors["units"]:
        trainer.unit_T = tensors["units"]["unit_T"]
    trainer.sampler.load(state["sampler"])
    trainer.counters = dict(state["counters"])
    trainer.history = list(state["history"])
    trainer.guard.skipped = state["skipped_nonfinite"]
    rng.restore(tensors["random"], state["random"])
