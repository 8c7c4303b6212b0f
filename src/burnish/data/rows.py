"""Rows of language training sets as people have them: TRL, OpenAI messages, verl, EasyR1, ms-swift, LLaVA.

Every form becomes one `Prompt`: the user's text with `<image>` and `<video>` where pictures go, the system
message, the pictures (not decoded yet), and all columns, the right answer under `answer` too. Prompts are
never cut, and nothing is fetched from the network.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from burnish.errors import DataError
from burnish.media import Picture, data_url
from burnish.types import Prompt

SIGNS = ("images", "image", "videos", "messages", "message", "conversations", "problem", "reward_model")
"""Columns that only such rows have."""

TEXTS = ("messages", "conversations", "message", "prompt", "problem", "question", "input")
"""Where the question is looked for, in this order."""

ANSWERS = ("answer", "solution", "ground_truth", "label")

ROLES = {"human": "user", "gpt": "assistant"}


def is_language_row(row: dict[str, Any]) -> bool:
    """Whether a row is of one of these forms, rather than a plain text prompt."""
    return any(row.get(sign) is not None for sign in SIGNS) or isinstance(row.get("prompt"), list)


def read_parquet(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a parquet file, one batch in memory at a time.

    Raises:
        DataError: a damaged file.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise DataError(f"{path} needs pyarrow: pip install 'burnish[parquet]'") from None

    try:
        for batch in pyarrow.parquet.ParquetFile(path).iter_batches(64):
            yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError) as problem:
        raise DataError(f"{path} cannot be read as parquet ({str(problem).splitlines()[0]})") from None


def to_prompt(row: dict[str, Any], where: str, root: Path) -> Prompt:
    """One row of any of the forms.

    Args:
        row: the columns.
        where: the file and line, for messages.
        root: the folder that relative paths of pictures start from.

    Raises:
        DataError: no question, several turns, a picture that is missing, or markers that do not match.
    """
    row = {key: value for key, value in row.items() if value is not None}
    name = next((name for name in TEXTS if name in row), None)
    if name is None:
        raise DataError(f"{where} has no question: name its column {', '.join(TEXTS[:-1])} or {TEXTS[-1]}")
    found: list[Picture] = []
    system, text, said = _turns(row[name], where, root, found)
    given = _listed(row.get("images", row.get("image")))
    images = found + [picture(value, where, root) for value in given]
    videos = tuple(
        tuple(picture(frame, where, root) for frame in _frames(video, where, root))
        for video in _listed(row.get("videos"))
    )
    if images and "<image>" not in text:
        text = "<image>" * len(images) + "\n" + text
    for mark, count in (("<image>", len(images)), ("<video>", len(videos))):
        if text.count(mark) != count:
            raise DataError(
                f"{where} has {text.count(mark)} {mark} markers but {count} {mark[1:-1]}s: write one each"
            )
    columns = {key: value for key, value in row.items() if key not in ("image", "images", "videos", name)}
    answer = _answer(row, said)
    if answer is not None:
        columns["answer"] = answer
    return Prompt(text.strip(), columns, tuple(images), videos, system)


def _turns(value: Any, where: str, root: Path, found: list[Picture]) -> tuple[str, str, str | None]:
    """System message, user's text and, if the row ends with it, the assistant's answer."""
    if isinstance(value, str) and value.lstrip().startswith("[{"):  # messages as text
        try:
            value = json.loads(value)
        except ValueError:
            try:
                value = ast.literal_eval(value)
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                raise DataError(f"{where}: the messages are not valid JSON") from None
    if isinstance(value, str):
        return "", value, None
    if not isinstance(value, list) or not all(isinstance(turn, dict) for turn in value):
        raise DataError(f"{where}: the question is neither text nor a list of messages")
    turns = [
        (
            ROLES.get(role, role),
            _content(turn.get("content", turn.get("value")), where, root, found),
        )
        for turn in value
        for role in [turn.get("role", turn.get("from"))]
    ]
    system = "\n".join(text for role, text in turns if role == "system")
    spoken = [(role, text) for role, text in turns if role != "system"]
    said = spoken.pop()[1] if spoken and spoken[-1][0] == "assistant" else None
    if len(spoken) != 1 or spoken[0][0] != "user":
        raise DataError(
            f"{where} has {len(spoken)} turns before the answer: one turn of the user is supported"
        )
    return system, spoken[0][1], said


def _content(content: Any, where: str, root: Path, found: list[Picture]) -> str:
    """A message's text, with a marker for every picture among its parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise DataError(f"{where}: a message's content is neither text nor a list of parts")
    pieces = []
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text":
            pieces.append(str(part.get("text") or ""))
        elif kind in ("image", "image_url"):
            pieces.append("<image>")
            source = part.get("image_url", part.get("image"))
            source = source.get("url") if isinstance(source, dict) and "url" in source else source
            if source is not None:
                found.append(picture(source, where, root))
        elif kind == "video":
            pieces.append("<video>")
        else:
            raise DataError(f"{where}: a part of a message is of type {kind!r}, not text, image or video")
    return "".join(pieces)


def picture(value: Any, where: str, root: Path) -> Picture:
    """A picture from a path, bytes, a `data:` URL, `{bytes, path}`, or an image already open.

    Raises:
        DataError: a missing file, or an address of the network.
    """
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path") or value.get("url") or value.get("image")
    if isinstance(value, bytes):
        return Picture(value, where)
    if hasattr(value, "convert"):
        return Picture(lambda: value, where)
    if not isinstance(value, str) or not value:
        raise DataError(f"{where}: {str(value)[:40]!r} is not a picture: give a path, bytes or a data: URL")
    if value.startswith("data:"):
        return data_url(value, where)
    if "://" in value and not value.startswith("file://"):
        raise DataError(f"{where}: {value[:60]} is on the network: download the picture and give its path")
    path = root / value.removeprefix("file://")
    if not path.is_file():
        raise DataError(f"{where}: no picture {path}")
    return Picture(path, where)


def _frames(video: Any, where: str, root: Path) -> list[Any]:
    """The frames of a video: a list of pictures, or a folder of them in the order of their names."""
    if isinstance(video, list):
        return video
    folder = root / video if isinstance(video, str) else None
    if folder is not None and folder.is_dir():
        return [str(path.resolve()) for path in sorted(folder.iterdir()) if path.is_file()]
    raise DataError(
        f"{where}: a video is a list of frames or a folder of them; extract the frames of {video}"
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _answer(row: dict[str, Any], said: str | None) -> Any:
    for name in ANSWERS:
        if name in row:
            return row[name]
    model = row.get("reward_model")
    return model.get("ground_truth") if isinstance(model, dict) else said
