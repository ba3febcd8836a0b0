"""Who may import whom in Python, and what ``import fastnn`` may cost."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import fastnn

NEVER_AT_IMPORT = [
    "typer",
    "rich",
    "matplotlib",
    "sklearn",
    "scipy",
    "optuna",
    "tensorboardX",
    "torch",
    "onnx",
]


def modules(root: Path) -> Iterator[Path]:
    yield from sorted((root / "python" / "fastnn").rglob("*.py"))


def imported(path: Path, package: Path) -> Iterator[str]:
    """Yield the full dotted name of everything that a module imports, inside functions too."""
    parent = ["fastnn", *path.relative_to(package).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = parent[: len(parent) - node.level + 1] if node.level else []
            prefix = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{prefix}.{alias.name}" for alias in node.names)


def users_of(root: Path, name: str) -> set[str]:
    package = root / "python" / "fastnn"
    return {
        path.relative_to(package).as_posix()
        for path in modules(root)
        if any(target == name or target.startswith(name + ".") for target in imported(path, package))
    }


def test_kernels_enter_python_in_two_places(root: Path) -> None:
    users = users_of(root, "fastnn._core")
    assert users
    assert all(user.startswith("functional/") or user == "_runtime.py" for user in users), users


def test_only_data_uses_the_batch_module(root: Path) -> None:
    assert all(user.startswith("data/") for user in users_of(root, "fastnn._batch"))


def test_only_the_guarded_reader_touches_pickle(root: Path) -> None:
    assert all(user.startswith("data/") for user in users_of(root, "pickle"))


def test_no_module_is_large(root: Path) -> None:
    suffixes = {".py", ".h", ".cc", ".cpp", ".cu", ".pyx"}
    large = {
        path.relative_to(root).as_posix(): lines
        for folder in ("python", "csrc", "pyext", "tests")
        for path in (root / folder).rglob("*")
        if path.suffix in suffixes and (lines := len(path.read_text().splitlines())) > 620
    }
    assert not large


def in_a_fresh_process(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_import_is_light() -> None:
    loaded = json.loads(
        in_a_fresh_process("import json, sys, fastnn; print(json.dumps(sorted(sys.modules)))")
    )
    assert "fastnn" in loaded
    assert not {name.partition(".")[0] for name in loaded} & {*NEVER_AT_IMPORT, "multiprocessing", "asyncio"}


def lazy_packages() -> list[str]:
    """Return the packages whose names are loaded at first use."""
    package = Path(fastnn.__file__).parent
    files = [path for path in package.rglob("__init__.py") if "lazy_names" in path.read_text()]
    return sorted(".".join(["fastnn", *path.relative_to(package).parts[:-1]]) for path in files)


@pytest.mark.parametrize("name", lazy_packages())
def test_names_loaded_at_first_use_are_those_that_type_checkers_see(name: str) -> None:
    package = importlib.import_module(name)
    places: dict[str, str] = {}
    modules: set[str] = set()
    for node in ast.walk(ast.parse(Path(str(package.__file__)).read_text())):
        if not isinstance(node, ast.ImportFrom) or node.module in ("__future__", "typing", "fastnn._lazy"):
            continue
        if node.module == name:
            modules |= {alias.name for alias in node.names}
        else:
            places |= {alias.name: str(node.module) for alias in node.names}
    assert set(package.__all__) == set(places)
    assert {*places, *modules} == {each for each in dir(package) if not each.startswith("_")}
    for each, module in places.items():
        assert getattr(package, each) is getattr(importlib.import_module(module), each)
    for each in modules:
        assert getattr(package, each) is importlib.import_module(f"{name}.{each}")
    with pytest.raises(AttributeError, match=f"^module '{name}' has no attribute 'nothing'$") as caught:
        package.nothing  # noqa: B018
    # From these a traceback proposes the name that was meant.
    assert (caught.value.name, caught.value.obj) == (
        "nothing",
        package,
    )
    # A module of the same name would take the place of the name once it is loaded.
    assert not {path.stem for path in Path(str(package.__file__)).parent.iterdir()} & set(places)


def test_star_imports_bring_the_names() -> None:
    names: dict[str, object] = {}
    exec("from fastnn.data import *", names)
    assert {"Loader", "Splits", "load", "load_npz"} <= set(names)
    assert callable(names["load"])


@pytest.mark.parametrize("name", ["functional", "reference", "nn", "optim", "data"])
def test_every_way_in_works_alone(name: str) -> None:
    in_a_fresh_process(f"import fastnn.{name}")
