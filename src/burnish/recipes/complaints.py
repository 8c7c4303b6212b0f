"""One clear sentence from a validation error: the key, where it is, what is wrong, what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ValidationError

from burnish.recipes.schema import Recipe

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text (quote it if it looks like a number)",
    "list_type": "a list",
    "tuple_type": "a list of two whole numbers",
    "missing": "a list of two whole numbers",
    "too_long": "a list of at most {max_length} entries",
    "too_short": "a list with at least {min_length} entry",
    "greater_than": "above {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "below {lt:g}",
    "less_than_equal": "at most {le:g}",
    "literal_error": "one of {expected}",
    "model_type": "a section with keys",
    "model_attributes_type": "a section with keys",
    "dict_type": "a section with keys",
}


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean x?` for the closest of `known`, or nothing."""
    match = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {match[0]}?" if match else ""


def keys(model: type[BaseModel] = Recipe, prefix: str = "") -> list[str]:
    """Every dotted key of the schema."""
    found = []
    for name, field in model.model_fields.items():
        found.append(prefix + name)
        inner = section_of(field.annotation)
        if inner is not None:
            found += keys(inner, f"{prefix}{name}.")
    return found


def section_of(annotation: Any, listed: bool = False) -> type[BaseModel] | None:
    """The section inside an annotation, also of an optional one; of lists only where `listed`."""
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return None if getattr(annotation, "__origin__", None) is list and not listed else candidate
    return None


def sentence(
    error: ValidationError,
    values: dict[str, Any],
    written: dict[str, str],
    source: str,
    model: type[BaseModel] = Recipe,
) -> str:
    """One sentence for the first thing that is wrong in the values of a `model`."""
    errors = error.errors()
    first = errors[0]
    if first["type"] == "value_error":
        place = (
            f"{source} with overrides {' '.join(f'{k}={v}' for k, v in written.items())}"
            if written
            else source
        )
        return f"{first['msg'].removeprefix('Value error, ')} (in {place})"
    path = _path(first["loc"], values)
    key = ".".join(path)
    override = next(
        (k for k in written if k == key or k.startswith(key + ".") or key.startswith(k + ".")), None
    )
    where = f"override {override}={written[override]}" if override else source
    if first["type"] in ("extra_forbidden", "invalid_key"):
        return f"{where}: unknown key {key}{_hint(path, model)}"
    same = [e for e in errors if _path(e["loc"], values) == path]
    expected = " or ".join(dict.fromkeys(_expected(e) for e in same))
    given = _short(first["input"])
    known = [str(x) for e in same if e["type"] == "literal_error" for x in _choices(key, model)]
    hint = nearest(str(first["input"]), known) if isinstance(first["input"], str) else ""
    return f"{where}: {key} is {given} but must be {expected}{hint}"


def _path(loc: tuple[int | str, ...], values: Any) -> list[str]:
    """`loc` without pydantic's union tags: only parts that the input really has."""
    path, node = [], values
    for part in loc:
        listed = isinstance(node, list | tuple) and isinstance(part, int) and part < len(node)
        if listed or (isinstance(node, dict) and part in node):
            node = node[part]
            path.append(str(part))
    return path or [str(part) for part in loc]


def _hint(path: list[str], model: type[BaseModel]) -> str:
    known, inside = keys(model), _inside(path[:-1], model)
    siblings = list(inside.model_fields) if inside else []
    close = nearest(path[-1], siblings)
    if close:
        full = ".".join([*path[:-1], close.removeprefix("; did you mean ").rstrip("?")])
        return f"; did you mean {full}?"
    elsewhere = [k for k in known if k.rpartition(".")[2] == path[-1]]
    if elsewhere:
        return f"; did you mean {elsewhere[0]}?"
    return f"; allowed are {', '.join(siblings)}"


def _inside(path: list[str], model: type[BaseModel]) -> type[BaseModel] | None:
    """The section at a path of keys and positions."""
    node: type[BaseModel] | None = model
    for part in path:
        if part.isdecimal():
            continue
        node = section_of(node.model_fields[part].annotation, listed=True) if node else None
    return node


def _choices(key: str, schema: type[BaseModel]) -> list[str]:
    model: Any = schema
    for part in key.split("."):
        if model is None or part not in model.model_fields:
            return []
        annotation = model.model_fields[part].annotation
        model = section_of(annotation)
    return [str(x) for a in (annotation, *get_args(annotation)) for x in get_args(a)] + [
        str(x) for x in get_args(annotation)
    ]


def _expected(error: ErrorDetails) -> str:
    template = _EXPECTED.get(error["type"])
    if template is None:
        return error["msg"].removeprefix("Input should be ")
    context = dict(error.get("ctx", {}))
    if "expected" in context:
        context["expected"] = context["expected"].replace("'", "").replace(" or ", ", ")
    return template.format(**context)


def _short(value: Any) -> str:
    if isinstance(value, BaseModel) or len(repr(value)) > 80:
        return f"a {type(value).__name__}"
    return "null" if value is None else repr(value)
