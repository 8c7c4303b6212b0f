"""A vision-language model as judge, over an OpenAI-compatible API (vLLM, SGLang, UnifiedReward, …).

The judge answers in words. A score is the number after the last `Score:` of a reply (`Final Score: 4`,
`Score: 7/10`), a comparison its last whole clause `Image 1 is better`, `Image 2 is better than Image 1` or
`Both images are equally good`; these are the forms of UnifiedReward (2503.05236), whose own questions can be
given as `question`. A reply without one, one that was cut off and a request that failed leave the image
unscored and are counted in `unscored`; they never become a zero.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from burnish.errors import RewardError
from burnish.rewards.chat import Chat
from burnish.types import Prompt

SCORE = """How good is this image as an answer to the prompt below?
First judge how fully it shows what the prompt asks for, then how well it is made: sharpness, anatomy,
composition, colour, absence of artefacts. Give a few words to each. End with a line of this form, N a number
from {low} (useless) to {high} (perfect):
Score: N

Prompt: {prompt}"""

COMPARE = """Which of these two images is the better answer to the prompt below?
First judge how fully each shows what the prompt asks for, then how well it is made: sharpness, anatomy,
composition, colour, absence of artefacts. Give a few words to each. End with exactly one of these lines:
Image 1 is better
Image 2 is better
Both images are equally good

Prompt: {prompt}"""

SCORED = re.compile(r"\bscore[ *_]*:(.*)", re.I)
NUMBER = re.compile(r"(-?\d+(?:\.\d+)?)(?: */ *(\d+(?:\.\d+)?))?")
ANSWER = re.compile(r"<answer>(.*?)</answer>", re.I | re.S)
VERDICT = re.compile(
    r"(?:^|[^\w\s])[ \t]*(?:image ([12]) is better(?: than image ([12]))?|both images are equally good)"
    r"[ \t]*(?=[.!)*\"'<]|$)",
    re.I | re.M,
)


class Judge:
    """Asks for a score of each image.

    Args:
        url: address of the API, `http://HOST:PORT/v1`.
        model: name of the model there.
        question: what to ask; `{prompt}` stands for the prompt, `{low}` and `{high}` for the scale.
        scale: lowest and highest score; a number outside leaves the image unscored.
        timeout: seconds for one request.
        retries: further tries of a request that failed.
        workers: requests at a time.

    The key is read from the environment variable BURNISH_JUDGE_KEY, else OPENAI_API_KEY. Calling it returns
    the judge's numbers as they are.

    Raises:
        RewardError: the package `openai` is missing, an option is malformed, or the judge does not answer
            a trial question.
    """

    def __init__(
        self,
        url: str,
        model: str,
        question: str = SCORE,
        scale: Sequence[float] = (1, 10),
        timeout: float = 120.0,
        retries: int = 2,
        workers: int = 16,
    ):
        try:
            self.low, self.high = map(float, scale)
        except (TypeError, ValueError):
            self.low = self.high = 0.0
        if not self.low < self.high:
            raise RewardError(f"reward judge: scale must be two rising numbers like [1, 10], not {scale!r}")
        question = str(question).replace("{low}", f"{self.low:g}").replace("{high}", f"{self.high:g}")
        self.unscored = 0
        self.chat = Chat(url, model, question, timeout, retries, workers, shown=1)

    def __call__(self, images: Sequence[np.ndarray], prompts: Sequence[Prompt]) -> list[float | None]:
        """One number on the scale for each image; None where the judge gave none."""
        pictures = [[image] for image in images]
        replies = self.chat.ask(pictures, [prompt.text for prompt in prompts])
        scores = [read_score(reply, self.low, self.high) for reply in replies]
        self.unscored += scores.count(None)
        return scores

    def close(self) -> None:
        """Closes the connections."""
        self.chat.close()


class PairJudge:
    """Asks which of two images is better, in both orders, since judges favour a place.

    Args and errors are those of `Judge`, without a scale.
    """

    kind = "pair"

    def __init__(
        self,
        url: str,
        model: str,
        question: str = COMPARE,
        timeout: float = 120.0,
        retries: int = 2,
        workers: int = 16,
    ):
        self.unscored = 0
        self.chat = Chat(url, model, question, timeout, retries, workers, shown=2)

    def __call__(
        self, first: Sequence[np.ndarray], second: Sequence[np.ndarray], prompts: Sequence[Prompt]
    ) -> list[float | None]:
        """For each pair how far the first is better: 0, ¼, ½, ¾ or 1; None without both verdicts."""
        pictures = [[a, b] for a, b in zip(first, second, strict=True)]
        turned = [[b, a] for a, b in pictures]
        texts = [prompt.text for prompt in prompts]
        verdicts = [read_verdict(reply) for reply in self.chat.ask(pictures + turned, texts + texts)]
        won = [
            None if here is None or there is None else (here + 1 - there) / 2
            for here, there in zip(verdicts[: len(texts)], verdicts[len(texts) :], strict=True)
        ]
        self.unscored += won.count(None)
        return won

    def close(self) -> None:
        """Closes the connections."""
        self.chat.close()


def read_score(reply: str | None, low: float, high: float) -> float | None:
    """The number after the last `Score:`, alone on the rest of its line; None if none is on the scale.

    >>> read_score("Good light.\\n**Score: 7/10**", 1, 10)
    7.0
    """
    lines = SCORED.findall(reply or "")
    found = NUMBER.fullmatch(lines[-1].lstrip(" *_").rstrip(" *_.\r")) if lines else None
    if not found or (found[2] and float(found[2]) != high):
        return None
    return float(found[1]) if low <= float(found[1]) <= high else None


def read_verdict(reply: str | None) -> float | None:
    """1 where the last verdict says that image 1 is better, 0 for image 2, ½ for neither; else None.

    >>> read_verdict("<think>Image 2 is better.</think><answer>Image 1 is better</answer>")
    1.0
    """
    answers = ANSWER.findall(reply or "")
    found = list(VERDICT.finditer(answers[-1].strip() if answers else reply or ""))
    if not found or (found[-1][1] and found[-1][1] == found[-1][2]):
        return None
    return {None: 0.5, "1": 1.0, "2": 0.0}[found[-1][1]]
