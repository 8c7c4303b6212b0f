"""The vLLM client against a local server that speaks its documented API and draws with a real model.

vLLM itself was not run: the server here is a `LanguagePolicy` behind the same addresses and fields.
"""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from burnish.cli import main
from burnish.errors import ModelError
from burnish.policies.language.vllm import VllmEngine
from burnish.policies.load import load_policy
from burnish.recipes.schema import Lora, Model
from burnish.report.events import read_events
from burnish.types import Prompt


class Server(ThreadingHTTPServer):
    """State of the served model."""

    def __init__(self, folder: str):
        self.policy = load_policy(
            Model(path=folder, kind="language", lora=Lora(rank=2, alpha=4.0), max_new_tokens=8), "cpu"
        )
        self.adapters: dict[str, dict[str, torch.Tensor]] = {}
        self.seen: list[tuple[str, dict[str, Any]]] = []
        self.noise, self.plain, self.lock = 0.0, False, threading.Lock()
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.reply({"data": [{"id": "served"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.server.lock:
            self.server.seen.append((self.path, body))
            getattr(self, self.path.rsplit("/", 1)[-1])(body)

    def load_lora_adapter(self, body: dict[str, Any]) -> None:
        values = load_file(Path(body["lora_path"]) / "adapter_model.safetensors")
        self.server.adapters[body["lora_name"]] = values
        self.text("Success: LoRA adapter added")

    def unload_lora_adapter(self, body: dict[str, Any]) -> None:
        del self.server.adapters[body["lora_name"]]
        self.text("Success: LoRA adapter removed")

    def completions(self, body: dict[str, Any]) -> None:
        policy = self.server.policy
        if body["model"] not in {"served", *self.server.adapters}:
            return self.reply({"message": "no such model"}, 404)
        saved = self.server.adapters.get(body["model"], {})
        for name, value in policy.parameters.items():
            key = "base_model.model." + name.replace(".default.", ".")
            value.data.copy_(saved[key] if saved else value)
        assert set(body["logit_bias"]) == {str(i) for i in policy.banned.tolist()}
        encoded = policy.encoder(prompt_of(body["messages"]))
        tokens, log_prob = policy._generate([encoded], body["temperature"], (body["seed"],))
        count = int((torch.isin(tokens[0], torch.tensor(body["stop_token_ids"])).cumsum(0) == 0).sum()) + 1
        values = (log_prob[0, :count] + self.server.noise).tolist()
        choice: dict[str, Any] = {"logprobs": {"content": [{"logprob": v} for v in values]}}
        if not self.server.plain:
            choice["token_ids"] = tokens[0, :count].tolist()
        return self.reply({"choices": [choice]})

    def reply(self, body: dict[str, Any], status: int = 200) -> None:
        self.send(json.dumps(body), "application/json", status)

    def text(self, body: str) -> None:
        self.send(body, "text/plain", 200)

    def send(self, body: str, kind: str, status: int) -> None:
        data = body.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def prompt_of(messages: list[dict[str, Any]]) -> Prompt:
    text, images = "", []
    for part in messages[-1]["content"]:
        if part["type"] == "image_url":
            data = base64.b64decode(part["image_url"]["url"].split(",")[1])
            images.append(Image.open(io.BytesIO(data)).convert("RGB"))
            text += "<image>"
        else:
            text += part["text"]
    return Prompt(text, images=tuple(images))


@pytest.fixture
def server(tiny_reader: str) -> Iterator[Server]:
    made = Server(tiny_reader)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def address(server: Server) -> str:
    return f"http://127.0.0.1:{server.server_port}/v1"


def words(server: Server, language_run: list[str], tmp_path: Path) -> list[str]:
    engine = f"model.engine={{url: '{address(server)}', adapters: '{tmp_path / 'adapters'}', workers: 4}}"
    return [*language_run, "model.lora={rank: 2, alpha: 4.0}", engine]


def test_a_run_draws_from_the_server_with_fresh_weights(
    server: Server, language_run: list[str], tmp_path: Path
) -> None:
    assert main(["train", *words(server, language_run, tmp_path), "train.lr=1e-2"]) == 0
    events = read_events(tmp_path / "run" / "metrics.jsonl")
    steps = [event for event in events if event["kind"] == "train"]
    assert len(steps) == 2
    for event in steps:  # the second step's too: the server has the weights of the first update
        assert event["engine/largest"] < 1e-5
        assert event["ratio_drift"] < 1e-6
    assert list(server.adapters) == ["burnish-2"]
    request = next(body for path, body in server.seen if path.endswith("completions"))
    assert (request["top_p"], request["top_k"], request["logprobs"]) == (1.0, -1, True)


def test_a_mismatch_is_measured_and_corrected(
    server: Server, language_run: list[str], tmp_path: Path
) -> None:
    server.noise = 0.5  # the server's log-probabilities are too high by half a nat
    more = ["algorithm.correction={name: sequence_mask, cap: 3.0}", "train.steps=1"]
    assert main(["train", *words(server, language_run, tmp_path), *more]) == 0
    events = read_events(tmp_path / "run" / "metrics.jsonl")
    (step,) = [event for event in events if event["kind"] == "train"]
    assert step["engine/largest"] == pytest.approx(0.5, abs=1e-4)
    assert step["engine/perplexity_ratio"] == pytest.approx(2.718281828**0.5, rel=1e-3)


def test_full_fine_tuning_cannot_be_sent(
    server: Server, language_run: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [word for word in words(server, language_run, tmp_path) if not word.startswith("model.lora")]
    assert main(["train", *given]) == 2
    assert "takes weights as LoRA adapters only" in capsys.readouterr().err


def test_servers_that_are_no_use_are_named(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no vLLM server answers"):
        VllmEngine("http://127.0.0.1:9/v1", str(tmp_path))
    engine = VllmEngine(address(server), str(tmp_path))
    banned = server.policy.banned.tolist()
    ask = {"temperature": 1.0, "max_tokens": 4, "banned": banned, "ends": server.policy.ends, "seed": (0,)}
    server.plain = True
    with pytest.raises(ModelError, match="returned no token ids"):
        engine.draw([Prompt("how many?")], **ask)
    engine.loaded = "gone"
    with pytest.raises(ModelError, match="answered 404"):
        engine.draw([Prompt("how many?")], **ask)
