"""Reward functions written for another library, taken as they are.

A library calls a reward by parameters of its own names, so the names tell which library it was. A
`Convention` says what each parameter holds. Completions and prompts are texts in all of them, never lists of
messages: where a TRL function reads `completion[0]["content"]`, it must read `completion`.

A result is a number, `None` (cannot be scored), a tensor, or a dictionary of which one entry counts: `score`
(verl), `overall` (EasyR1), `rewards` (OpenRLHF). The other entries are dropped.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image

from burnish.errors import RewardError
from burnish.rewards.text.extract import raw_truth
from burnish.types import Completion, Prompt

Function = Callable[..., Any]
Value = Callable[[Any, Prompt], Any]
"""What a parameter holds, from an output and its prompt."""

TRL_FILLS: dict[str, Any] = {
    "trainer_state": None,
    "log_extra": lambda column, values: None,
    "log_metric": lambda name, value: None,
}
"""For functions that name one; what they log is dropped."""

TRL_ONLY = ("completion_ids", "response_token_ids", "environments")
"""What TRL and ms-swift give, and rewards here never see."""


@dataclass(frozen=True)
class Convention:
    """How a framework calls a reward.

    Attributes:
        framework: its name, for messages.
        signs: the parameters that it is recognised by.
        gives: what its parameters hold.
        each: called once a completion, with values; otherwise once, with lists as long as the completions.
        counts: the entry that counts if the result is a dictionary.
        columns: other parameters hold columns, and images can be scored too (TRL).
    """

    framework: str
    signs: Set[str]
    gives: Mapping[str, Value]
    each: bool = False
    counts: str = ""
    columns: bool = False

    def asks(self, name: str, required: Sequence[str], options: Mapping[str, Any]) -> list[str]:
        """Those of the parameters without a default that a column must fill.

        Raises:
            RewardError: nothing can fill one.
        """
        filled = {*self.gives, *options, *(TRL_FILLS if self.columns else ())}
        rest = [key for key in required if key not in filled]
        for key in rest:
            if key in TRL_ONLY or not self.columns:
                raise RewardError(
                    f"reward {name} asks for {key!r}, which a {self.framework} function does not get here: "
                    "give the parameter a default, or the reward an option of that name"
                )
        return rest

    def calls(
        self, name: str, outputs: Sequence[Any], prompts: Sequence[Prompt], column: str | None = None
    ) -> list[dict[str, Any]]:
        """The keywords of every call that scores B outputs: B calls, or one.

        Args:
            name: the reward's, for messages.
            outputs: completions, or images [H, W, 3] where `columns`.
            prompts: one an output.
            column: where the right answers are; None: where `raw_truth` finds them.

        Raises:
            RewardError: images for a function of texts, or a prompt without a right answer.
        """
        if not self.columns and not all(isinstance(output, Completion) for output in outputs):
            raise RewardError(
                f"reward {name} has the signature of {self.framework}, which scores texts, not images: "
                "write f(images, prompts, **columns)"
            )
        if column is not None:
            prompts = [_answered(prompt, column) for prompt in prompts]
        pairs = list(zip(outputs, prompts, strict=True))
        if self.each:
            return [{key: value(*pair) for key, value in self.gives.items()} for pair in pairs]
        return [{key: [value(*pair) for pair in pairs] for key, value in self.gives.items()}]

    def scores(self, name: str, results: Sequence[Any]) -> Any:
        """What the calls returned, as B numbers or `None` if the function keeps its promise.

        Raises:
            RewardError: a dictionary without the entry that counts.
        """
        scores = results if self.each else self._number(name, results[0])
        return [self._number(name, one) for one in scores] if isinstance(scores, list | tuple) else scores

    def _number(self, name: str, result: Any) -> Any:
        if not self.counts or not isinstance(result, Mapping):
            return result
        if self.counts not in result:
            there = ", ".join(map(str, result)) or "nothing"
            raise RewardError(
                f"reward {name} returned a dictionary of {there}: "
                f"a {self.framework} function's score is its entry {self.counts!r}"
            )
        return result[self.counts]


def shown(output: Any, _: Prompt | None = None) -> Any:
    """What a function sees: a completion's text, or a PIL image."""
    return output.text if isinstance(output, Completion) else Image.fromarray(output)


def _answered(prompt: Prompt, column: str) -> Prompt:
    """The prompt with the right answer of that column in the first place where it is looked for."""
    return replace(
        prompt, columns={**prompt.columns, "answer": raw_truth(prompt, column), "reward_model": None}
    )


def _verl_truth(_: Any, prompt: Prompt) -> Any:
    """verl's own place comes first: its rows may keep a worked solution under `answer`."""
    model = prompt.columns.get("reward_model")
    held = model.get("ground_truth") if isinstance(model, Mapping) else None
    return raw_truth(prompt) if held is None else held


def _verl_extra(_: Any, prompt: Prompt) -> dict[str, Any]:
    """`extra_info`, or all columns where a row has none."""
    info = prompt.columns.get("extra_info")
    return dict(info if isinstance(info, Mapping) else prompt.columns)


def _easyr1(output: Completion, prompt: Prompt) -> dict[str, Any]:
    own = {"response": output.text, "response_length": output.length, "ground_truth": raw_truth(prompt)}
    return {**prompt.columns, **own}


VERL: dict[str, Value] = {
    "data_source": lambda _, prompt: prompt.columns.get("data_source", ""),
    "solution_str": shown,
    "ground_truth": _verl_truth,
    "extra_info": _verl_extra,
}
TRL: dict[str, Value] = {"completions": shown, "prompts": lambda _, prompt: prompt.text}
OPENRLHF: dict[str, Value] = {
    "queries": lambda output, prompt: prompt.text + output.text,  # without a chat template
    "prompts": lambda _, prompt: prompt.text,
    "labels": lambda _, prompt: raw_truth(prompt),
}
EASYR1 = Convention("EasyR1", {"reward_inputs"}, {"reward_inputs": _easyr1}, counts="overall")

CONVENTIONS = (
    Convention("TRL", {"completions"}, TRL, columns=True),
    Convention("verl", {"solution_str", "ground_truth"}, VERL, each=True, counts="score"),
    Convention("verl", {"solution_strs", "ground_truths"}, {f"{k}s": VERL[k] for k in VERL}, counts="score"),
    Convention("OpenRLHF", {"queries", "labels"}, OPENRLHF, counts="rewards"),
    EASYR1,
    replace(EASYR1, signs={"reward_input"}, gives={"reward_input": _easyr1}, each=True),
)
"""Tried in this order. TRL's is ms-swift's too, whose rewards are classes: one object is made of each."""


def recognise(function: Function) -> Convention | None:
    """The convention of a function's signature; None: burnish's own, `f(images, prompts, **columns)`.

    `REWARD_TYPE` in the function's module, `batch` or `sequential`, is EasyR1's: any one parameter will do.
    """
    parameters = parameters_of(function)
    names = {p.name for p in parameters}
    found = next((convention for convention in CONVENTIONS if convention.signs <= names), None)
    needed = [p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    declared = getattr(sys.modules.get(getattr(function, "__module__", "")), "REWARD_TYPE", None)
    if (
        declared in ("batch", "sequential")
        and len(needed) == 1
        and (not found or found.framework == "EasyR1")
    ):
        return replace(EASYR1, gives={needed[0]: _easyr1}, each=declared == "sequential")
    return found


def parameters_of(function: Function) -> list[inspect.Parameter]:
    """Of a function, or of an object that can be called; `*args` where they cannot be told."""
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return [inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL)]
