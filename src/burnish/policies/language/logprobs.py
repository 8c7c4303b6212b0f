"""Log-probabilities of chosen tokens without the logits of a whole batch in memory.

Axes: N positions, D width of the hidden states, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def distribution(logits: Tensor, temperature: float, banned: Tensor) -> Tensor:
    """Log of the distribution that is sampled and scored alike, float32 [N, V].

    Args:
        logits: [N, V].
        temperature: above 0; logits are divided by it.
        banned: ids of probability 0.
    """
    scaled = logits.float() / temperature
    return scaled.index_fill(-1, banned, -torch.inf).log_softmax(-1)


def token_log_probs(
    hidden_ND: Tensor,
    head: nn.Module,
    token_N: Tensor,
    *,
    temperature: float,
    banned: Tensor,
    chunk: int = 1024,
) -> Tensor:
    """log π(token) at each position, float32 [N].

    The vocabulary is visited `chunk` positions at a time and its logits are computed again in the backward
    pass, so at most [chunk, V] numbers are held.
    """

    def part(hidden: Tensor, token: Tensor) -> Tensor:
        log_probs = distribution(head(hidden), temperature, banned)
        return log_probs.gather(-1, token[:, None])[:, 0]

    parts = []
    for hidden, token in zip(hidden_ND.split(chunk), token_N.split(chunk), strict=True):
        if torch.is_grad_enabled():
            parts.append(checkpoint(part, hidden, token, use_reentrant=False))
        else:
            parts.append(part(hidden, token))
    return torch.cat(parts) if parts else hidden_ND.new_zeros(0, dtype=torch.float32)
