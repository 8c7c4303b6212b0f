import pytest


@pytest.fixture
def keyless(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key of an API in the environment, and no proxy before the local server."""
    for name in ("BURNISH_JUDGE_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
