"""Rollouts from a vLLM server over its OpenAI-compatible HTTP API, instead of transformers' `generate`.

The server is started by the user, on its own card:

    VLLM_ALLOW_RUNTIME_LORA_UPDATING=True vllm serve MODEL --enable-lora --max-lora-rank 64 \\
        --logprobs-mode processed_logprobs --generation-config vllm

Weights reach it as LoRA adapters: each training step writes the adapter into a folder that both see, the
server loads it under a new name, and forgets the one before. A full fine-tuning cannot be sent this way and
is refused. The server's log-probabilities come back with its tokens: how far they are from the training's is
measured in every step (`engine/…`), and `algorithm.correction` weighs for it.
"""

from __future__ import annotations

import base64
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests
import torch
from torch import Tensor

from burnish.engine import rng
from burnish.errors import ModelError
from burnish.policies.language.prompts import messages_of, pictures_of
from burnish.types import Prompt

TIMEOUT = 600.0
"""Seconds for one request."""


class VllmEngine:
    """A server that draws completions.

    Args:
        url: up to and with `/v1`.
        adapters: folder for adapters, seen by the server under the same path.
        workers: requests at a time.

    Raises:
        ModelError: no server answers there.
    """

    def __init__(self, url: str, adapters: str, workers: int = 32):
        self.url, self.adapters, self.workers = url.rstrip("/"), Path(adapters).absolute(), workers
        self.session = requests.Session()
        self.base = self._call("GET", "models")["data"][0]["id"]
        self.loaded: str | None = None
        self.sent = 0

    def send(self, model: Any) -> None:
        """Puts the adapter's present weights on the server.

        Raises:
            ModelError: the server refuses it.
        """
        self.sent += 1
        name = f"burnish-{self.sent}"
        folder = self.adapters / name
        model.save_pretrained(folder)
        self._call("POST", "load_lora_adapter", {"lora_name": name, "lora_path": str(folder)})
        if self.loaded:
            self._call("POST", "unload_lora_adapter", {"lora_name": self.loaded})
        self.loaded = name

    def draw(
        self,
        prompts: list[Prompt],
        *,
        temperature: float,
        max_tokens: int,
        banned: list[int],
        ends: list[int],
        seed: tuple[int | str, ...],
    ) -> list[tuple[list[int], list[float]]]:
        """Ids and their log-probabilities, as the server computed them, of one completion for each prompt.

        Raises:
            ModelError: the server fails, or does not return tokens.
        """
        common = {
            "model": self.loaded or self.base,
            "temperature": temperature,
            "top_p": 1.0,
            "top_k": -1,
            "max_tokens": max_tokens,
            "logit_bias": {str(token): -100.0 for token in banned},
            "stop_token_ids": ends,
            "logprobs": True,
            "top_logprobs": 0,
            "return_token_ids": True,
        }
        jobs = [
            {**common, "messages": _messages(prompt), "seed": rng.seed_of(*seed, i) % 2**31}
            for i, prompt in enumerate(prompts)
        ]
        with ThreadPoolExecutor(self.workers) as pool:
            return list(pool.map(self._one, jobs))

    def _one(self, job: dict[str, Any]) -> tuple[list[int], list[float]]:
        choice = self._call("POST", "chat/completions", job)["choices"][0]
        tokens = choice.get("token_ids")
        content = (choice.get("logprobs") or {}).get("content")
        if not tokens or content is None or len(content) != len(tokens):
            raise ModelError(
                f"{self.url} returned no token ids with log-probabilities: vLLM 0.10.2 or newer is needed"
            )
        return tokens, [entry["logprob"] for entry in content]

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        try:
            answer = self.session.request(method, f"{self.url}/{path}", json=body, timeout=TIMEOUT)
        except requests.RequestException as problem:
            raise ModelError(f"no vLLM server answers at {self.url} ({type(problem).__name__})") from None
        if not answer.ok:
            raise ModelError(f"{self.url}/{path} answered {answer.status_code}: {answer.text[:200]}")
        return answer.json() if "json" in answer.headers.get("content-type", "") else answer.text


def padded(drawn: list[tuple[list[int], list[float]]], padding: int) -> tuple[Tensor, Tensor]:
    """Ids [B, T] and log-probabilities [B, T] of completions of different lengths."""
    pad = torch.nn.utils.rnn.pad_sequence
    tokens = [torch.tensor(tokens) for tokens, _ in drawn]
    log_probs = [torch.tensor(values) for _, values in drawn]
    return pad(tokens, True, padding), pad(log_probs, True, 0.0)


def _messages(prompt: Prompt) -> list[dict[str, Any]]:
    """The chat messages with the pictures as data URLs."""
    pictures = iter(pictures_of(prompt))
    messages = messages_of(prompt)
    for part in messages[-1]["content"]:
        if part["type"] == "image":
            stream = io.BytesIO()
            next(pictures).save(stream, "PNG")
            part["type"] = "image_url"
            part["image_url"] = {
                "url": "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()
            }
    return messages
