"""The cache of prompt embeddings: what comes back is what went in, of this model and this text only."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from burnish.errors import ModelError
from burnish.policies.denoising.embeddings import EmbeddingCache, fingerprint
from burnish.policies.load import load_policy
from burnish.recipes.schema import Model

TEXTS = ["a red circle", "two blue squares"]


def test_a_second_run_reads_what_the_first_wrote(
    tiny_flux: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Model(path=tiny_flux, embeddings=str(tmp_path / "cache"))
    first = load_policy(settings, "cpu").condition(TEXTS)
    assert len(list((tmp_path / "cache").rglob("*.safetensors"))) == 2
    assert not list((tmp_path / "cache").rglob("*.tmp"))
    policy = load_policy(settings, "cpu")
    monkeypatch.setattr(policy.backbone, "encode", _never)
    second = policy.condition(TEXTS)
    assert all(torch.equal(first[name], second[name]) for name in first)


def _never(texts: list[str]) -> Any:
    raise AssertionError(f"embedded again: {texts}")


def test_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path, "key")
    row = {"pooled": torch.arange(3.0), "mask": torch.tensor([True, False])}
    cache.put("a cat", row)
    found = cache.get("a cat")
    assert found is not None
    assert all(torch.equal(row[name], found[name]) for name in row)
    assert cache.get("a dog") is None
    cache.path("a cat").write_bytes(b"half")
    assert cache.get("a cat") is None


def test_other_encoders_and_other_settings_have_other_keys(tiny_flux: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_flux, copy)
    settings = Model(path=tiny_flux)
    key = fingerprint(copy, settings)
    assert key == fingerprint(Path(tiny_flux), settings)
    assert key != fingerprint(copy, Model(path=tiny_flux, max_text_tokens=8))
    weights = next((copy / "text_encoder").glob("*.safetensors"))
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert fingerprint(copy, settings) != key


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match=r"model\.embeddings=.* cannot be written"):
        EmbeddingCache(tmp_path / "file", "key")
