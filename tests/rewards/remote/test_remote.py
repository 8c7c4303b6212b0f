from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
import requests
import uvicorn

from burnish.errors import RewardError
from burnish.rewards.kinds import groupwise
from burnish.rewards.remote import protocol
from burnish.rewards.remote.client import RemoteReward
from burnish.rewards.remote.server import application, serve
from burnish.rewards.reward import RewardSet
from burnish.types import Prompt

PROMPTS = [Prompt("a red circle", {"answer": 3}), Prompt("a star"), Prompt("two blue squares")]
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
QUICK = {"timeout": 1.0, "pause": 0.01}


def brightness(images: Any, prompts: Any) -> list[float | None]:
    return [None if p.text == "a star" else float(np.mean(i)) for i, p in zip(images, prompts, strict=True)]


@contextmanager
def served(token: str | None = None, **limits: int) -> Iterator[str]:
    """The real server on a free port of the loopback."""
    app = application(RewardSet([("brightness", 1.0, brightness)]), token, **limits)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(5)


@contextmanager
def lying(answer: Callable[[BaseHTTPRequestHandler, int], None]) -> Iterator[tuple[str, list[float]]]:
    """A server that greets properly and then does as `answer(handler, number of the request)` pleases."""
    times: list[float] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reply(self, {"protocol": protocol.PROTOCOL, "max_items": 64})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            times.append(time.monotonic())
            with suppress(BrokenPipeError):
                answer(self, len(times))

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", times
    finally:
        server.shutdown()
        server.server_close()


def reply(handler: BaseHTTPRequestHandler, body: Any, status: int = 200) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


def test_scores_are_those_of_the_reward_itself() -> None:
    with served() as url:
        remote = RemoteReward(url)
        assert remote(list(IMAGES), PROMPTS) == brightness(IMAGES, PROMPTS)
        assert remote.unscored == 0


def test_large_batches_are_split_at_the_servers_limit() -> None:
    with served(max_items=2) as url:
        remote = RemoteReward(url)
        assert remote.max_items == 2
        assert remote(list(IMAGES), PROMPTS) == brightness(IMAGES, PROMPTS)


def test_the_token_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with served(token="secret") as url:
        for given in (None, "wrong"):
            if given:
                monkeypatch.setenv(protocol.TOKEN_VARIABLE, given)
            with pytest.raises(RewardError, match="refused with 401"):
                RemoteReward(url, **QUICK)
        monkeypatch.setenv(protocol.TOKEN_VARIABLE, "secret")
        assert RemoteReward(url)(list(IMAGES), PROMPTS) == brightness(IMAGES, PROMPTS)


def test_the_network_is_not_served_without_a_token() -> None:
    with pytest.raises(RewardError, match="set BURNISH_REWARD_TOKEN"):
        serve(RewardSet([("brightness", 1.0, brightness)]), "0.0.0.0", 1, None)


def test_a_reward_over_groups_is_not_served() -> None:
    rewards = RewardSet([("order", 1.0, groupwise(lambda images, prompts: [0.0] * len(images)))])
    with pytest.raises(RewardError, match="order looks at several images of a prompt at once"):
        serve(rewards, "127.0.0.1", 1, None)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"not json", 422),
        (b"[]", 422),
        (b'{"protocol": 7, "items": []}', 400),
        (b'{"protocol": 1, "items": [{"image": "AAAA", "prompt": "x"}]}', 422),
        (b'{"protocol": 1, "items": [{"prompt": "x"}]}', 422),
        (json.dumps({"protocol": 1, "items": [0] * 9}).encode(), 413),
        (b"x" * 5000, 413),
    ],
)
def test_the_server_refuses_what_it_cannot_read(body: bytes, status: int) -> None:
    with served(max_items=8, max_bytes=4000) as url:
        assert requests.post(f"{url}/score", data=body, timeout=5).status_code == status


def test_a_pickle_is_not_an_image() -> None:
    import base64
    import pickle

    with pytest.raises(ValueError, match="not a readable PNG or JPEG"):
        protocol.unpack_image(base64.b64encode(pickle.dumps([1])).decode())


def half(handler: BaseHTTPRequestHandler, _: int) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    handler.wfile.write(b'{"protocol": 1,')
    handler.close_connection = True


def silence(handler: BaseHTTPRequestHandler, _: int) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    handler.wfile.flush()
    time.sleep(2)


LIES: dict[str, Callable[[BaseHTTPRequestHandler, int], None]] = {
    "wrong length": lambda h, n: reply(h, {"protocol": 1, "scores": [1.0]}),
    "NaN": lambda h, n: reply(h, b'{"protocol": 1, "scores": [NaN, 1, 2]}'),
    "infinity": lambda h, n: reply(h, b'{"protocol": 1, "scores": [Infinity, 1, 2]}'),
    "words": lambda h, n: reply(h, {"protocol": 1, "scores": ["good", 1, 2]}),
    "true": lambda h, n: reply(h, {"protocol": 1, "scores": [True, 1, 2]}),
    "no json": lambda h, n: reply(h, b"<html>"),
    "another protocol": lambda h, n: reply(h, {"protocol": 2, "scores": [1, 2, 3]}),
    "huge body": lambda h, n: reply(h, b" " * 2**21),
    "500": lambda h, n: reply(h, {}, 500),
    "redirect": lambda h, n: reply(h, {}, 302),
    "half a reply": half,
    "silence after the headers": silence,
    "hang up": lambda h, n: h.connection.shutdown(socket.SHUT_RDWR),
}


@pytest.mark.parametrize("lie", list(LIES))
def test_a_lying_server_leaves_images_unscored_and_counts_them(lie: str) -> None:
    with lying(LIES[lie]) as (url, times):
        remote = RemoteReward(url, attempts=2, **QUICK)
        assert remote(list(IMAGES), PROMPTS) == [None, None, None]
        assert remote.unscored == 3
        assert len(times) == 2


def test_a_slow_drip_is_cut_off() -> None:
    def drip(handler: BaseHTTPRequestHandler, _: int) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(50):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.1)

    with lying(drip) as (url, _):
        remote = RemoteReward(url, attempts=1, timeout=0.5)
        started = time.monotonic()
        assert remote(list(IMAGES), PROMPTS) == [None] * 3
        assert time.monotonic() - started < 2


def test_a_passing_failure_only_delays() -> None:
    def second_time(handler: BaseHTTPRequestHandler, number: int) -> None:
        reply(handler, {"protocol": 1, "scores": [1, None, 2.5]}, 503 if number == 1 else 200)

    with lying(second_time) as (url, times):
        assert RemoteReward(url, **QUICK)(list(IMAGES), PROMPTS) == [1.0, None, 2.5]
        assert len(times) == 2


def test_the_circuit_opens_and_closes_again() -> None:
    def broken_at_first(handler: BaseHTTPRequestHandler, number: int) -> None:
        reply(handler, {"protocol": 1, "scores": [1, 2, 3]}, 500 if number <= 2 else 200)

    with lying(broken_at_first) as (url, times):
        remote = RemoteReward(url, attempts=1, trip=2, rest=0.3, **QUICK)
        for _ in range(4):
            assert remote(list(IMAGES), PROMPTS) == [None] * 3
        assert len(times) == 2  # the last two were not even asked
        time.sleep(0.35)
        assert remote(list(IMAGES), PROMPTS) == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("url", ["http://", "ftp://host", "http://user:word@host:1"])
def test_malformed_addresses(url: str) -> None:
    with pytest.raises(RewardError, match="write it as"):
        RemoteReward(url)


def test_a_dead_server_is_named_at_the_start() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(RewardError, match="does not answer"):
        RemoteReward(f"http://127.0.0.1:{port}", **QUICK)
