import json
import platform
from importlib import metadata

from burnish import __version__
from burnish.report.environment import environment


def test_versions_and_machine():
    found = environment()
    assert found["python"] == platform.python_version()
    assert found["packages"]["torch"] == metadata.version("torch")
    assert found["cpu_count"] >= 1
    assert found["device"]
    json.dumps(found)


def test_a_missing_package_is_null(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", missing)
    assert environment()["packages"] == {
        "burnish": __version__,
        "torch": None,
        "diffusers": None,
        "transformers": None,
        "peft": None,
    }


def test_nothing_private(monkeypatch):
    monkeypatch.setenv("API_TOKEN", "s3cret")
    text = json.dumps(environment())
    assert "s3cret" not in text
    assert "/" not in text
    assert not platform.node() or platform.node() not in text
