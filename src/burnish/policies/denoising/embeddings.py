"""Prompt embeddings on disk, one safetensors file a text, keyed by the text encoders and by the text."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from burnish.errors import ModelError
from burnish.policies.denoising.backbone import Condition
from burnish.recipes.schema import Model

SAMPLED = 2**20
"""Bytes at either end of a file that its fingerprint reads; size and these stand for the whole."""


def fingerprint(folder: Path, settings: Model) -> str:
    """Names the text encoders and tokenizers of a pipeline folder, and how they are used: 16 hex digits."""
    digest = hashlib.sha256(f"{settings.dtype} {settings.lora is None} {settings.max_text_tokens}".encode())
    parts = sorted(p for p in folder.iterdir() if p.name.startswith(("text_encoder", "tokenizer")))
    for path in sorted(file for part in parts for file in part.rglob("*") if file.is_file()):
        digest.update(f"{path.relative_to(folder)} {path.stat().st_size}".encode())
        with path.open("rb") as file:
            digest.update(file.read(SAMPLED))
            file.seek(max(SAMPLED, path.stat().st_size - SAMPLED))
            digest.update(file.read(SAMPLED))
    return digest.hexdigest()[:16]


class EmbeddingCache:
    """A folder of embeddings that several runs, and several processes, may share.

    Args:
        folder: made when missing.
        key: from `fingerprint`; embeddings of another key are never read.

    Raises:
        ModelError: the folder cannot be written.
    """

    def __init__(self, folder: Path, key: str):
        self.folder = folder.expanduser() / key
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise ModelError(
                f"model.embeddings={str(folder)!r} cannot be written ({problem.strerror}); choose another"
            ) from None

    def path(self, text: str) -> Path:
        """Where a text's embedding lives."""
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()}.safetensors"

    def get(self, text: str) -> Condition | None:
        """The condition of `text` on the CPU, or None; a damaged file counts as absent."""
        try:
            return load_file(self.path(text))
        except (OSError, SafetensorError):
            return None

    def put(self, text: str, condition: Condition) -> None:
        """Keeps a condition: written aside and renamed, so that a reader never sees half of it."""
        handle, draft = tempfile.mkstemp(dir=self.folder, suffix=".tmp")
        os.close(handle)
        save_file({name: value.cpu().contiguous() for name, value in condition.items()}, draft)
        os.replace(draft, self.path(text))
