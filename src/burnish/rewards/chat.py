"""Questions about images to a vision-language model over an OpenAI-compatible API."""

from __future__ import annotations

import base64
import io
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from PIL import Image

from burnish.errors import RewardError

PROMPT = "{prompt}"
"""Stands for the prompt in a question."""

URL = re.compile(r"https?://([\w.-]+|\[[\da-fA-F:]+\])(:\d+)?(/\S*)?")

KEYS = ("BURNISH_JUDGE_KEY", "OPENAI_API_KEY")
"""Environment variables that may hold the API's key, in this order."""


class Chat:
    """One question asked about many images, `workers` requests at a time.

    Args:
        url: address of the API, `http://HOST:PORT/v1`.
        model: name of the model there.
        question: what to ask; `{prompt}` in it, once, stands for the prompt.
        timeout: seconds that a request may wait for its answer.
        retries: further tries of a request that failed.
        workers: requests at a time.
        shown: images of one question.
        name: of the reward, in messages.

    Raises:
        RewardError: the package `openai` is missing, an option is malformed, or a trial question about grey
            images gets no answer.
    """

    def __init__(
        self,
        url: str,
        model: str,
        question: str,
        timeout: float,
        retries: int,
        workers: int,
        shown: int,
        name: str = "judge",
    ):
        try:
            import openai
        except ImportError:
            raise RewardError(
                f"reward {name} needs the package openai: pip install 'burnish[judge]'"
            ) from None
        if not URL.fullmatch(str(url)):
            raise RewardError(f"reward {name}: url must look like http://HOST:PORT/v1, not {url!r}")
        if str(question).count(PROMPT) != 1:
            raise RewardError(
                f"reward {name}: the question must hold {PROMPT} once, where the prompt belongs"
            )
        if not isinstance(timeout, int | float) or not timeout > 0:
            raise RewardError(f"reward {name}: timeout must be a number of seconds above 0, not {timeout!r}")
        for option, number, least in (("retries", retries, 0), ("workers", workers, 1)):
            if not isinstance(number, int) or number < least:
                raise RewardError(
                    f"reward {name}: {option} must be a whole number from {least}, not {number!r}"
                )
        self.model, self.question, self.workers = model, question, workers
        key = next((os.environ[each] for each in KEYS if os.environ.get(each)), "none")
        self.client = openai.OpenAI(base_url=url, api_key=key, timeout=timeout, max_retries=retries)
        self.failures = (openai.OpenAIError, AttributeError, IndexError, TypeError, ValueError)
        try:
            self._request([data_url(np.full((224, 224, 3), 128, np.uint8))] * shown, "a grey square")
        except self.failures as problem:
            reason = " ".join(str(problem).split())[:200]
            raise RewardError(
                f"reward {name}: no answer from {model} at {url} ({reason}); check the address, the model's "
                f"name and {KEYS[0]}"
            ) from None

    def ask(self, pictures: Sequence[Sequence[np.ndarray]], prompts: Sequence[str]) -> list[str | None]:
        """The replies to the question about each list of images and its prompt; None where one failed.

        An image that stands in several lists is encoded once.
        """
        distinct = {id(image): image for shown in pictures for image in shown}
        with ThreadPoolExecutor(self.workers) as pool:
            urls = dict(zip(distinct, pool.map(data_url, distinct.values()), strict=True))
            return list(pool.map(self._reply, [[urls[id(i)] for i in shown] for shown in pictures], prompts))

    def close(self) -> None:
        """Closes the connections."""
        self.client.close()

    def _reply(self, urls: list[str], prompt: str) -> str | None:
        try:
            return self._request(urls, prompt)
        except self.failures:
            return None

    def _request(self, urls: list[str], prompt: str) -> str | None:
        """The reply's words; None if they were cut off or are no words."""
        content: list[Any] = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
        content.append({"type": "text", "text": self.question.replace(PROMPT, prompt)})
        reply = self.client.chat.completions.create(
            model=self.model, messages=[{"role": "user", "content": content}], temperature=0
        )
        choice = reply.choices[0]
        words = choice.message.content
        return words if isinstance(words, str) and choice.finish_reason != "length" else None


def data_url(image: np.ndarray) -> str:
    """A uint8 image [H, W, 3] as the URL of a PNG."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
