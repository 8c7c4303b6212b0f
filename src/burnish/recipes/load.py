"""From YAML and `key.sub=value` overrides to a checked recipe.

Precedence: schema defaults < the preset's row < the recipe file < overrides. A preset chosen by an
override is an override too: its row replaces what the file says about the method, and only other
overrides beat it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from burnish.errors import RecipeError
from burnish.recipes.complaints import nearest, sentence
from burnish.recipes.presets import OWN, PRESETS, fitting, replace
from burnish.recipes.schema import Recipe
from burnish.recipes.text import parse_yaml, read_text

DEFAULT = "scenes"
_HOME = Path(__file__).parent


def load_recipe(name_or_path: str | None = None, overrides: list[str] | None = None) -> Recipe:
    """The recipe of a bundled name, a YAML file or a run folder, with overrides applied.

    >>> load_recipe("scenes", ["train.lr=1e-4"]).train.lr
    0.0001

    Raises `RecipeError`: one sentence that names the key, where it is, what is wrong, what is allowed.
    """
    path = find_recipe(name_or_path)
    values = read_recipe(path)
    written: dict[str, str] = {}
    for override in overrides or []:
        key, equals, text = override.partition("=")
        if not equals or not key.strip():
            raise RecipeError(
                f"override {override!r} is not of the form key.sub=value, such as train.lr=1e-4"
            )
        written[key.strip()] = text
    preset = written.get("algorithm.preset", "").strip()
    algorithm = values.get("algorithm")
    if preset in PRESETS and isinstance(algorithm, dict) and algorithm.get("preset") != preset:
        values["algorithm"] = replace(algorithm, PRESETS[preset])
    for key, text in written.items():
        _assign(values, key, parse_yaml(text, f"override {key!r}"), f"override {key}={text}")
    _settle(values, written)
    own = path.is_relative_to(_HOME)
    return _validate(values, written, str(path.relative_to(_HOME) if own else path))


def dump_yaml(recipe: Recipe) -> str:
    """The resolved recipe as YAML that `load_recipe` reads back to an equal recipe."""
    return yaml.safe_dump(recipe.dump(), sort_keys=False, allow_unicode=True, width=100)


def bundled() -> list[str]:
    """Names of the recipes in the package: its own, then those of papers, `papers/NAME`."""
    found = [path.relative_to(_HOME).with_suffix("").as_posix() for path in _HOME.rglob("*.yaml")]
    return sorted(found, key=lambda name: ("/" in name, name))


def find_recipe(name_or_path: str | None) -> Path:
    """The file of a bundled name, a path, or a run folder that holds recipe.yaml."""
    name = name_or_path or DEFAULT
    path = Path(name)
    if name in bundled():
        return _HOME / f"{name}.yaml"
    if path.is_file():
        return path
    if path.is_dir():
        if (path / "recipe.yaml").is_file():
            return path / "recipe.yaml"
        raise RecipeError(f"{name} is a folder without a recipe.yaml: name a recipe file or a run folder")
    within = any(known.startswith(f"{path.parent.as_posix()}/") for known in bundled())
    looks_like_path = path.suffix in (".yaml", ".yml") or (len(path.parts) > 1 and not within)
    there = path.parent.iterdir() if path.parent.is_dir() else []
    known = sorted(p.name for p in there if p.suffix in (".yaml", ".yml")) if looks_like_path else bundled()
    hint = nearest(path.name if looks_like_path else name, known)
    if looks_like_path:
        raise RecipeError(f"no recipe file {name}{hint}")
    raise RecipeError(
        f"no recipe named {name!r}{hint}; bundled are {', '.join(bundled())}; or give a .yaml file"
    )


def read_recipe(path: Path) -> dict[str, Any]:
    """The raw sections of a recipe file; an empty file means all defaults."""
    values = parse_yaml(read_text(path), str(path))
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise RecipeError(f"{path} holds {_kind(values)}: a recipe is sections such as train: and model:")
    return values


def _kind(value: Any) -> str:
    return "a list" if isinstance(value, list) else f"only {value!r}"


def _assign(values: dict[str, Any], key: str, value: Any, where: str) -> None:
    """Put `value` at the dotted `key`; digits index into lists, one past the end appends."""
    parts = key.split(".")
    if "" in parts:
        raise RecipeError(f"{where}: the key has an empty part; write it like train.lr")
    node: Any = values
    for depth, part in enumerate(parts):
        last = depth == len(parts) - 1
        inside = ".".join(parts[:depth])
        if isinstance(node, list):
            if not part.isdecimal() or int(part) > len(node):
                raise RecipeError(
                    f"{where}: {inside} is a list of {len(node)}; index it with 0 to {len(node)} "
                    f"({len(node)} appends), not {part!r}"
                )
            if int(part) == len(node):
                node.append({})
            if last:
                node[int(part)] = value
            elif not isinstance(node[int(part)], dict | list):
                node[int(part)] = {}
            node = node[int(part)]
            continue
        if not isinstance(node, dict):
            raise RecipeError(f"{where}: {inside} is the value {node!r} and has no keys inside")
        if last:
            node[part] = value
        elif node.get(part) is None:
            node[part] = _default(parts[: depth + 1]) if parts[depth + 1].isdecimal() else {}
        node = node[part]


def _default(parts: list[str]) -> Any:
    """The schema's default at a key, so that `rewards.0.weight=2` can change part of it."""
    node: Any = Recipe().dump()
    for part in parts:
        node = node.get(part, {}) if isinstance(node, dict) else {}
    return node


def _settle(values: dict[str, Any], written: dict[str, str]) -> None:
    """Where an override names another member of an axis, drop the old member's own keys."""
    algorithm = values.get("algorithm")
    for axis in OWN:
        section = algorithm.get(axis) if isinstance(algorithm, dict) else None
        if algorithm and f"algorithm.{axis}.name" in written and isinstance(section, dict):
            kept = {key for key in OWN[axis] if f"algorithm.{axis}.{key}" in written}
            algorithm[axis] = fitting(axis, section, kept)


def _validate(values: dict[str, Any], written: dict[str, str], source: str) -> Recipe:
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        numberlike = isinstance(first.get("input"), int | float) and not isinstance(first["input"], bool)
        if first["type"] == "string_type" and numberlike and key in written:
            _assign(values, key, written[key], key)  # run.dir=2026 means the text
            return _validate(values, {k: v for k, v in written.items() if k != key}, source)
        raise RecipeError(sentence(error, values, written, source)) from None
    except RecursionError:
        raise RecipeError(f"{source} refers to itself: remove the YAML aliases") from None
