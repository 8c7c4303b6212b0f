"""A user's own function as a reward: `FILE.py:NAME` or `package.module:NAME`.

    def score(images: list[PIL.Image.Image], prompts: list[str], **columns: list) -> list[float | None]

The function receives the columns of the prompts that it names (all of them with `**columns`), each a list
as long as `images`, and the reward's options as they are. `None` means: this image cannot be scored. The
marks of `rewards.kinds` make it groupwise or pairwise. Other libraries' signatures are taken as they are
(`rewards.foreign`). A function may be asynchronous: calls of one batch are awaited together. One of
completions that names `steps` receives the steps of each, and may return a list with a number for each.
"""

from __future__ import annotations

import asyncio
import difflib
import importlib
import importlib.util
import inspect
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from burnish.errors import RewardError
from burnish.rewards.foreign import TRL_FILLS, parameters_of, recognise, shown
from burnish.rewards.kinds import kind_of
from burnish.types import Completion, Prompt


class UserReward:
    """A loaded function together with the columns it asks for."""

    def __init__(self, name: str, options: Mapping[str, Any] | None = None):
        self.name, self.options = name, dict(options or {})
        self.function = load_function(name)
        self.kind = kind_of(self.function)
        self.convention = None if self.kind == "pair" else recognise(self.function)
        before = 0 if self.convention else 3 if self.kind == "pair" else 2
        self.named, self.required, self.everything = _parameters(self.function, name, before)
        self.column = None
        if self.convention:
            if not self.convention.columns and "column" not in self.named:
                self.column = self.options.pop("column", None)
            self.required = self.convention.asks(name, self.required, self.options)
        for key in self.options:
            if key not in self.named and not self.everything:
                raise RewardError(f"reward {name} has no parameter {key!r} for that option")

    def __call__(self, *given: Sequence[Any]) -> Any:
        """Whatever the function returns for images and prompts (pairs: first, second, prompts)."""
        *outputs, prompts = given
        more = self._columns(outputs[0], prompts) | self.options
        if self.convention is None:
            pictures = [[shown(output) for output in part] for part in outputs]
            return awaited([self.function(*pictures, [p.text for p in prompts], **more)])[0]
        calls = [
            {key: value for key, value in call.items() if self.everything or key in self.named} | more
            for call in self.convention.calls(self.name, outputs[0], prompts, self.column)
        ]
        try:
            results = awaited([self.function(**call) for call in calls])
        except TypeError as error:
            if "string indices" not in str(error):
                raise
            hint = "completions and prompts are texts here, not messages: read completion, not completion[0]"
            raise RewardError(f"reward {self.name} raised {describe(error)}; {hint}") from error
        return self.convention.scores(self.name, results)

    def close(self) -> None:
        """Pass on to the function's own `close`, if it has one."""
        close = getattr(self.function, "close", None)
        if callable(close):
            close()

    def _columns(self, outputs: Sequence[Any], prompts: Sequence[Prompt]) -> dict[str, Any]:
        if self.convention and not self.convention.columns:
            return {}
        there = dict.fromkeys(key for prompt in prompts for key in prompt.columns)
        filled = {key: value for key, value in TRL_FILLS.items() if self.convention and key in self.named}
        if "steps" in self.named and all(isinstance(output, Completion) for output in outputs):
            filled["steps"] = [list(output.steps) for output in outputs]
        for name in self.required:
            if name not in there and name not in self.options and name not in filled:
                raise RewardError(
                    f"reward {self.name} asks for the column {name!r}, but the prompts have "
                    f"{', '.join(map(str, there)) or 'none'}: add the column or give the parameter a default"
                )
        wanted = there if self.everything else [key for key in there if key in self.named]
        return filled | {
            key: [prompt.columns.get(key) for prompt in prompts]
            for key in wanted
            if key not in ("images", "prompts", "completions")
        }


def awaited(results: Sequence[Any]) -> list[Any]:
    """The results; those to be awaited run together, also where an event loop is running already."""
    if not any(map(inspect.isawaitable, results)):
        return list(results)

    async def one(result: Any) -> Any:
        try:
            return await result if inspect.isawaitable(result) else result
        except SystemExit as error:  # would end the loop, and the batch would wait for ever
            raise RuntimeError(f"SystemExit({error.code})") from error

    async def together() -> list[Any]:
        return await asyncio.gather(*map(one, results))

    return asyncio.run_coroutine_threadsafe(together(), _loop()).result()


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """One event loop in a thread of its own, so that a client made in one call still works in the next."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="burnish-rewards", daemon=True).start()
    return loop


def load_function(name: str) -> Callable[..., Any]:
    """The object behind `FILE.py:NAME` or `package.module:NAME`, made sure to be callable."""
    place, _, attribute = name.rpartition(":")
    if not place or not attribute:
        raise RewardError(f"reward {name!r} is not of the form FILE.py:NAME or package.module:NAME")
    module = _import_file(place, name) if place.endswith(".py") else _import_module(place, name)
    function: Any = getattr(module, attribute, None)
    if function is None:
        known = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        close = difflib.get_close_matches(attribute, known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known) or 'no functions'}"
        raise RewardError(f"reward {name}: {place} has no {attribute}; {hint}")
    if inspect.isclass(function) and any(p.name == "completions" for p in parameters_of(function.__call__)):
        try:
            function = function()
        except Exception as error:
            raise RewardError(f"reward {name}: {attribute}() raised {describe(error)}") from error
    if inspect.isclass(function) or not callable(function):
        raise RewardError(
            f"reward {name}: {attribute} is a {type(function).__name__}, not a function "
            "f(images, prompts) -> list of numbers"
        )
    return function


def _import_file(place: str, name: str) -> ModuleType:
    path = Path(place)
    if not path.is_file():
        there = [p.name for p in path.parent.glob("*.py")] if path.parent.is_dir() else []
        close = difflib.get_close_matches(path.name, there, n=1)
        hint = f"; did you mean {path.parent / close[0]}?" if close else ""
        raise RewardError(f"reward {name}: no file {path}{hint}")
    key = f"burnish_reward_{path.stem}_{abs(hash(path.resolve())):x}"
    spec = importlib.util.spec_from_file_location(key, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[key] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[key]
        raise RewardError(f"reward {name}: importing {path} raised {describe(error)}") from error
    return module


def _import_module(place: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(place)
    except ModuleNotFoundError as error:
        if error.name and (place == error.name or place.startswith(error.name + ".")):
            raise RewardError(
                f"reward {name}: no module {place}; install it, or write a file as ./FILE.py:NAME"
            ) from None
        raise RewardError(f"reward {name}: importing {place} raised {describe(error)}") from error
    except (Exception, SystemExit) as error:
        raise RewardError(f"reward {name}: importing {place} raised {describe(error)}") from error


def _parameters(function: Callable[..., Any], name: str, before: int) -> tuple[set[str], list[str], bool]:
    """Names beyond the first `before` parameters, those without a default, whether it takes any."""
    parameters = parameters_of(function)
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(positional) < before and not any(p.kind is p.VAR_POSITIONAL for p in parameters):
        takes = (
            "two arguments, the images" if before == 2 else "three arguments, the first images, the second"
        )
        raise RewardError(f"reward {name} must take {takes} and the prompts")
    rest = positional[before:] + [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    everything = any(p.kind is p.VAR_KEYWORD for p in parameters)
    return {p.name for p in rest}, [p.name for p in rest if p.default is p.empty], everything


def describe(error: BaseException) -> str:
    """`ValueError: the message` with the message on one line, and where the user's code raised it."""
    trace, frame = error.__traceback__, None
    while trace is not None:
        frame, trace = trace, trace.tb_next
    where = f" ({Path(frame.tb_frame.f_code.co_filename).name} line {frame.tb_lineno})" if frame else ""
    message = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}{': ' if message else ''}{message}{where}"
