from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tiny_study import VALUES

from burnish.study.load import checked
from burnish.study.schema import Study


@pytest.fixture
def ask() -> Callable[..., Study]:
    """The tiny study with other values."""

    def make(**changes: Any) -> Study:
        return checked({**VALUES, **changes}, "mine.yaml")

    return make
