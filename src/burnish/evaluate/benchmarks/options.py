"""Options that a benchmark takes: others are refused, and so is the lack of those it needs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from burnish.errors import DataError


def fitting(name: str, given: Iterable[str], *functions: Callable[..., Any]) -> None:
    """Refuses options of a command line that none of the functions has as a keyword of that name.

    Args:
        name: of the benchmark.
        given: names of the options, as parameters are named.
        functions: whose parameters are known; of the last one those without a default must be given.

    Raises:
        DataError: with the option as the command line has it.
    """
    known = {parameter for function in functions for parameter in inspect.signature(function).parameters}
    given = list(given)
    for option in given:
        if option not in known:
            raise DataError(f"{name} takes no --{option.replace('_', '-')}; leave it out")
    for parameter in inspect.signature(functions[-1]).parameters.values():
        needed = parameter.kind is parameter.POSITIONAL_OR_KEYWORD and parameter.default is parameter.empty
        if needed and parameter.name not in given:
            raise DataError(f"{name} needs --{parameter.name.replace('_', '-')}")
