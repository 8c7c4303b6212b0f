"""The shape of the package: layers, sizes, and what no file may do."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "burnish"
FILES = sorted(SOURCE.rglob("*.py"))

LAYERS = (
    {"errors", "types", "__init__"},
    {"media"},
    {"core"},
    {"scenes", "recipes", "engine"},
    {"policies", "rewards", "data", "report"},
    {"evaluate"},
    {"train"},
    {"study"},
    {"cli"},
    {"__main__"},
)
"""Lowest first; a part imports itself and lower layers only."""


def part(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def layer(name: str) -> int:
    return next(i for i, names in enumerate(LAYERS) if name in names)


def imported(tree: ast.AST) -> Iterator[str]:
    """Every imported module, also inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: import by full name, not relatively"
            module = node.module or ""
            yield from (f"burnish.{a.name}" for a in node.names) if module == "burnish" else [module]


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def name(path: Path) -> str:
    return str(path.relative_to(SOURCE))


@pytest.mark.parametrize("path", FILES, ids=name)
def test_every_part_has_a_layer(path):
    assert layer(part(path)) >= 0


@pytest.mark.parametrize("path", FILES, ids=name)
def test_imports_point_to_lower_layers(path):
    own = part(path)
    for module in imported(tree(path)):
        if not module.startswith("burnish."):
            continue
        other = module.split(".")[1]
        if other in ("__version__", own):
            continue
        assert layer(other) < layer(own), f"{name(path)} ({own}) must not import {module}"


@pytest.mark.parametrize("path", sorted((SOURCE / "core").rglob("*.py")), ids=name)
def test_the_algorithm_knows_torch_and_the_standard_library_only(path):
    for module in imported(tree(path)):
        top = module.split(".")[0]
        allowed = top in sys.stdlib_module_names or top == "torch"
        assert allowed or module.startswith(("burnish.core", "burnish.errors")), (
            f"{name(path)} imports {module}"
        )


@pytest.mark.parametrize("path", FILES, ids=name)
def test_files_stay_readable(path):
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= 400, f"{name(path)} has {lines} lines: split it"
    assert ast.get_docstring(tree(path)), f"{name(path)} has no docstring"


FORBIDDEN = {
    "eval",
    "exec",
    "torch.load",
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
    "os.system",
    "os.popen",
}


def dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def restricted(call: ast.Call) -> bool:
    """torch's own reader of tensors, which runs nothing."""
    return any(
        k.arg == "weights_only" and isinstance(k.value, ast.Constant) and k.value.value is True
        for k in call.keywords
    )


def offences(code: ast.AST) -> list[str]:
    found = [
        m
        for m in imported(code)
        if m.split(".")[0] in ("pickle", "cPickle", "dill", "cloudpickle", "marshal")
    ]
    for node in ast.walk(code):
        if isinstance(node, ast.Call):
            name = dotted(node.func)
            if name in FORBIDDEN and not (name == "torch.load" and restricted(node)):
                found.append(name)
            found += [
                "shell=True"
                for k in node.keywords
                if k.arg == "shell" and isinstance(k.value, ast.Constant) and k.value.value
            ]
    return found


@pytest.mark.parametrize("path", FILES, ids=name)
def test_nothing_runs_code_from_data(path):
    assert offences(tree(path)) == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "def f():\n    eval('1')",
        "import torch\ntorch.load('x')",
        "import torch\ntorch.load('x', weights_only=False)",
        "subprocess.run('x', shell=True)",
    ],
)
def test_the_search_for_offences_finds_them(code):
    assert offences(ast.parse(code))


@pytest.mark.parametrize("code", ["model.eval()", "import torch\ntorch.load('x', weights_only=True)"])
def test_harmless_code_is_no_offence(code):
    assert offences(ast.parse(code)) == []
