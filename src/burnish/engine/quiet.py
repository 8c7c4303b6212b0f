"""What libraries say while they load."""

from __future__ import annotations

import importlib
import logging


def quiet(*libraries: str) -> None:
    """Keeps loading bars and advisories of diffusers or transformers off the terminal; errors still show."""
    for library in libraries:
        importlib.import_module(f"{library}.utils.logging").disable_progress_bar()
        logging.getLogger(library).setLevel(logging.ERROR)
