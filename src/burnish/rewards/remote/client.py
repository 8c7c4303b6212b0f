"""A reward on another machine: `name: http://HOST:PORT`; the server is `burnish serve-reward`.

A server that is slow, dead or lying delays a batch or leaves its images unscored (None), and that is
counted; it never turns into a zero. After `trip` failures in a row the circuit opens: for `rest` seconds
images are left unscored at once, then one request tries again.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import requests
from urllib3.exceptions import HTTPError

from burnish.errors import RewardError
from burnish.rewards.remote import protocol
from burnish.types import Prompt

REFUSED = (400, 401, 403, 404, 413, 422)
"""Replies that another attempt cannot mend."""


class RemoteReward:
    """A reward server as a reward.

    Args:
        url: `http://HOST:PORT` or `https://…`.
        timeout: seconds for one request, from first byte sent to last byte received.
        attempts: tries of one request.
        pause: seconds before the second try; doubles with every further one, times a random 0.5–1.5.
        trip: failed requests in a row that open the circuit.
        rest: seconds it stays open.
        max_reply: bytes of a reply that are read at most.

    Raises:
        RewardError: the address is malformed, or the server cannot be reached or refuses at the start.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float = 60.0,
        attempts: int = 3,
        pause: float = 0.5,
        trip: int = 3,
        rest: float = 30.0,
        max_reply: int = 2**20,
    ):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise RewardError(f"reward {url}: write it as http://HOST:PORT, without name and password")
        self.url, self.timeout, self.attempts, self.pause = url.rstrip("/"), timeout, attempts, pause
        self.trip, self.rest, self.max_reply = trip, rest, max_reply
        self.session = requests.Session()
        self.session.trust_env = False
        if token := os.environ.get(protocol.TOKEN_VARIABLE):
            self.session.headers["Authorization"] = f"Bearer {token}"
        self.failures, self.open_until, self.unscored = 0, 0.0, 0
        about = self._shake_hands()
        self.max_items = min(int(about.get("max_items", protocol.MAX_ITEMS)), protocol.MAX_ITEMS)

    def __call__(self, images: Sequence[np.ndarray], prompts: Sequence[Prompt]) -> list[float | None]:
        """One score an image; None where the server gave none."""
        scores: list[float | None] = []
        for start in range(0, len(images), self.max_items):
            part = slice(start, start + self.max_items)
            scores += self._score(images[part], prompts[part])
        return scores

    def close(self) -> None:
        """Closes the connection."""
        self.session.close()

    def _shake_hands(self) -> dict[str, Any]:
        try:
            about = self._attempt(lambda: self._read("GET", "/about"))
        except _Failed as failed:
            raise RewardError(
                f"reward {self.url} does not answer: {failed}; start `burnish serve-reward`, or check the "
                f"address and {protocol.TOKEN_VARIABLE}"
            ) from None
        if not isinstance(about, dict) or about.get("protocol") != protocol.PROTOCOL:
            theirs = about.get("protocol") if isinstance(about, dict) else None
            raise RewardError(
                f"reward {self.url} speaks protocol {theirs!r}, this burnish {protocol.PROTOCOL}: "
                "use one version"
            )
        return about

    def _score(self, images: Sequence[np.ndarray], prompts: Sequence[Prompt]) -> list[float | None]:
        if time.monotonic() < self.open_until:
            return self._give_up(len(images))
        items = [
            {"image": protocol.pack_image(image), "prompt": prompt.text, "columns": dict(prompt.columns)}
            for image, prompt in zip(images, prompts, strict=True)
        ]
        body = json.dumps({"protocol": protocol.PROTOCOL, "items": items}, default=str).encode()
        try:
            reply = self._attempt(
                lambda: protocol.unpack_scores(self._read("POST", "/score", body), len(images))
            )
        except _Failed:
            self.failures += 1
            if self.failures >= self.trip:
                self.open_until = time.monotonic() + self.rest
            return self._give_up(len(images))
        self.failures = 0
        return reply

    def _give_up(self, count: int) -> list[float | None]:
        self.unscored += count
        return [None] * count

    def _attempt(self, request: Callable[[], Any]) -> Any:
        """`request()`, tried again with growing, jittered pauses."""
        reason = ""
        for number in range(self.attempts):
            if number:
                time.sleep(self.pause * 2 ** (number - 1) * random.uniform(0.5, 1.5))
            try:
                return request()
            except _Refused:
                raise
            except (requests.RequestException, HTTPError, OSError, ValueError, _Failed) as problem:
                reason = " ".join(str(problem).split())[:200]
        raise _Failed(reason)

    def _read(self, method: str, path: str, body: bytes | None = None) -> Any:
        """The reply's JSON, read within the time and size limits."""
        deadline = time.monotonic() + self.timeout
        with self.session.request(
            method,
            self.url + path,
            data=body,
            headers={"Content-Type": "application/json"},
            timeout=self.timeout,
            stream=True,
            allow_redirects=False,
        ) as response:
            if response.status_code in REFUSED:
                raise _Refused(f"it refused with {response.status_code}")
            if response.status_code != 200:
                raise _Failed(f"it answered {response.status_code}")
            received = bytearray()
            while chunk := response.raw.read1(2**14, decode_content=True):  # what has arrived, at once
                received += chunk
                if len(received) > self.max_reply:
                    raise _Failed(f"its reply is larger than {self.max_reply} bytes")
                if time.monotonic() > deadline:
                    raise _Failed(f"its reply took longer than {self.timeout:g} s")
        return json.loads(received)


class _Failed(Exception):
    """A request that brought nothing."""


class _Refused(_Failed):
    """A request that would fail again."""
