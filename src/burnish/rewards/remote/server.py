"""`burnish serve-reward`: any reward of burnish behind HTTP (`remote.protocol`)."""

import hmac
import json
import math
import threading
from typing import Any

import numpy as np

from burnish.errors import RewardError
from burnish.rewards.remote import protocol
from burnish.rewards.reward import RewardSet
from burnish.types import Prompt


def application(
    rewards: RewardSet,
    token: str | None = None,
    max_items: int = protocol.MAX_ITEMS,
    max_bytes: int = protocol.MAX_BYTES,
) -> Any:
    """The ASGI application that scores with `rewards` (their weighted sum), one request at a time.

    Args:
        rewards: what scores.
        token: bearer token every request must carry; None: none.
        max_items: images in one request.
        max_bytes: size of one request.

    Raises:
        RewardError: the extra is not installed.
    """
    try:
        from fastapi import FastAPI, Request
        from fastapi.concurrency import run_in_threadpool
        from fastapi.responses import JSONResponse
    except ImportError:
        raise RewardError("burnish serve-reward needs FastAPI: pip install 'burnish[serve]'") from None

    app = FastAPI(title="burnish reward", docs_url=None, redoc_url=None, openapi_url=None)
    turn = threading.Lock()

    def refusal(status: int, reason: str) -> Any:
        return JSONResponse({"protocol": protocol.PROTOCOL, "error": reason}, status_code=status)

    def known(request: Request) -> bool:
        given = request.headers.get("authorization", "")
        return token is None or hmac.compare_digest(given.encode(), f"Bearer {token}".encode())

    def score(items: list[Any]) -> list[float | None]:
        pictures = [np.asarray(protocol.unpack_image(item["image"])) for item in items]
        prompts = [Prompt(str(item["prompt"]), dict(item.get("columns") or {})) for item in items]
        with turn:
            totals = _score_by_size(rewards, pictures, prompts)
        return [None if math.isnan(value) else value for value in totals]

    @app.get("/about")
    async def about(request: Request) -> Any:
        if not known(request):
            return refusal(401, "wrong or missing token")
        facts = {"reward": " + ".join(rewards.names), "max_items": max_items, "max_bytes": max_bytes}
        return JSONResponse({"protocol": protocol.PROTOCOL, **facts})

    @app.post("/score")
    async def score_items(request: Request) -> Any:
        if not known(request):
            return refusal(401, "wrong or missing token")
        received = bytearray()
        async for chunk in request.stream():
            received += chunk
            if len(received) > max_bytes:
                return refusal(413, f"a request may hold {max_bytes} bytes")
        try:
            body = json.loads(received)
            if body["protocol"] != protocol.PROTOCOL:
                return refusal(400, f"this server speaks protocol {protocol.PROTOCOL}")
            items = body["items"]
            if not isinstance(items, list) or len(items) > max_items:
                return refusal(413, f"a request may hold {max_items} items, as a list")
            scores = await run_in_threadpool(score, items)
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            return refusal(422, f"malformed request: {type(problem).__name__} {problem}"[:300])
        except RewardError as problem:
            return refusal(500, str(problem)[:300])
        return JSONResponse({"protocol": protocol.PROTOCOL, "scores": scores})

    return app


def _score_by_size(rewards: RewardSet, pictures: list[np.ndarray], prompts: list[Prompt]) -> list[float]:
    """Totals in order; pictures of one size are scored together."""
    totals = [math.nan] * len(pictures)
    for size in {picture.shape for picture in pictures}:
        which = [i for i, picture in enumerate(pictures) if picture.shape == size]
        found = rewards.score(np.stack([pictures[i] for i in which]), [prompts[i] for i in which])
        for i, value in zip(which, found.total_B.tolist(), strict=True):
            totals[i] = value
    return totals


def serve(rewards: RewardSet, host: str, port: int, token: str | None) -> None:
    """Serves until interrupted.

    Raises:
        RewardError: the extra is not installed, or the host is open to the network without a token.
    """
    if host not in ("127.0.0.1", "localhost", "::1") and not token:
        raise RewardError(
            f"serving on {host} opens the reward to the network: set {protocol.TOKEN_VARIABLE}, "
            "or stay on 127.0.0.1"
        )
    if rewards.needs_groups:
        raise RewardError(
            f"{rewards.needs_groups[0]} looks at several images of a prompt at once and cannot be served "
            "one by one: serve the reward it is over, and compare on the client"
        )
    app = application(rewards, token)
    import uvicorn

    print(f"http://{host}:{port}", flush=True)
    uvicorn.run(app, host=host, port=port, log_level="warning")
