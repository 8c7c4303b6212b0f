"""A user's own function as a reward: `FILE.py:NAME` or `package.module:NAME`.

    def score(images: list[PIL.Image.Image], prompts: list[str], **columns: list) -> list[float | None]

The function receives the columns of the prompts that it names (all of them with `**columns`), each a list
as long as `images`, and the reward's options as they are. `None` means: this image cannot be scored. The
marks of `rewards.kinds` make it groupwise or pairwise. A function of TRL's signature,
`f(completions, prompts=…, **columns)`, is called by keyword, with the images as completions.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from PIL import Image

from burnish.errors import RewardError
from burnish.rewards.kinds import kind_of
from burnish.types import Completion, Prompt


class UserReward:
    """A loaded function together with the columns it asks for."""

    def __init__(self, name: str, options: Mapping[str, Any] | None = None):
        self.name, self.options = name, dict(options or {})
        self.function = load_function(name)
        self.kind = kind_of(self.function)
        before = 3 if self.kind == "pair" else 2
        self.by_keyword, self.named, self.required, self.everything = _parameters(self.function, name, before)
        for key in self.options:
            if key not in self.named and not self.everything:
                raise RewardError(f"reward {name} has no parameter {key!r} for that option")

    def __call__(self, *given: Sequence[Any]) -> Any:
        """Whatever the function returns for images and prompts (pairs: first, second, prompts)."""
        *images, prompts = given
        pictures = [[_shown(output) for output in part] for part in images]
        texts, columns = [p.text for p in prompts], self._columns(prompts) | self.options
        if self.by_keyword:
            keywords = {"completions": pictures[0], "prompts": texts}
            accepted = keywords if self.everything else {key: keywords[key] for key in self.by_keyword}
            return self.function(**accepted, **columns)
        return self.function(*pictures, texts, **columns)

    def close(self) -> None:
        """Pass on to the function's own `close`, if it has one."""
        close = getattr(self.function, "close", None)
        if callable(close):
            close()

    def _columns(self, prompts: Sequence[Prompt]) -> dict[str, list[Any]]:
        there = dict.fromkeys(key for prompt in prompts for key in prompt.columns)
        for name in self.required:
            if name not in there and name not in self.options:
                raise RewardError(
                    f"reward {self.name} asks for the column {name!r}, but the prompts have "
                    f"{', '.join(map(str, there)) or 'none'}: add the column or give the parameter a default"
                )
        wanted = there if self.everything else [key for key in there if key in self.named]
        return {
            key: [prompt.columns.get(key) for prompt in prompts]
            for key in wanted
            if key not in ("images", "prompts", "completions")
        }


def _shown(output: Any) -> Any:
    """What a user's function sees: a PIL image, or a completion's text."""
    return output.text if isinstance(output, Completion) else Image.fromarray(output)


def load_function(name: str) -> Callable[..., Any]:
    """The object behind `FILE.py:NAME` or `package.module:NAME`, made sure to be callable."""
    place, _, attribute = name.rpartition(":")
    if not place or not attribute:
        raise RewardError(f"reward {name!r} is not of the form FILE.py:NAME or package.module:NAME")
    module = _import_file(place, name) if place.endswith(".py") else _import_module(place, name)
    function = getattr(module, attribute, None)
    if function is None:
        known = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        close = difflib.get_close_matches(attribute, known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known) or 'no functions'}"
        raise RewardError(f"reward {name}: {place} has no {attribute}; {hint}")
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


def _parameters(
    function: Callable[..., Any], name: str, before: int
) -> tuple[list[str], set[str], list[str], bool]:
    """What is given by keyword, column names it takes, those without a default, whether it takes any."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return [], set(), [], False
    known = [p.name for p in parameters if p.name in ("completions", "prompts")]
    if "completions" in known:
        rest = [
            p
            for p in parameters
            if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name not in known
        ]
        everything = any(p.kind is p.VAR_KEYWORD for p in parameters)
        return known, {p.name for p in rest}, [p.name for p in rest if p.default is p.empty], everything
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(positional) < before and not any(p.kind is p.VAR_POSITIONAL for p in parameters):
        takes = (
            "two arguments, the images" if before == 2 else "three arguments, the first images, the second"
        )
        raise RewardError(f"reward {name} must take {takes} and the prompts")
    rest = positional[before:] + [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    everything = any(p.kind is p.VAR_KEYWORD for p in parameters)
    return [], {p.name for p in rest}, [p.name for p in rest if p.default is p.empty], everything


def describe(error: BaseException) -> str:
    """`ValueError: the message` with the message on one line, and where the user's code raised it."""
    trace, frame = error.__traceback__, None
    while trace is not None:
        frame, trace = trace, trace.tb_next
    where = f" ({Path(frame.tb_frame.f_code.co_filename).name} line {frame.tb_lineno})" if frame else ""
    message = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}{': ' if message else ''}{message}{where}"
