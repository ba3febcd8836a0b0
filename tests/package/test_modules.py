"""Every module of the package: its examples run, and its types can be asked for."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import typing
from collections.abc import Iterator

import pytest

import fastnn

COMPILED = {"fastnn._batch", "fastnn._core"}
FOUND = {module.name for module in pkgutil.walk_packages(fastnn.__path__, "fastnn.")}
MODULES = ["fastnn", *sorted(FOUND - COMPILED)]


def public_things(module: str) -> Iterator[tuple[str, object]]:
    """Yield the public classes and functions that a module defines, and the methods of its classes."""
    for name, thing in vars(importlib.import_module(module)).items():
        if name.startswith("_") or getattr(thing, "__module__", None) != module:
            continue
        if inspect.isclass(thing):
            yield f"{module}.{name}", thing
            for method, held in vars(thing).items():
                function = held.fget if isinstance(held, property) else getattr(held, "__func__", held)
                if inspect.isfunction(function) and (method == "__init__" or not method.startswith("_")):
                    yield f"{module}.{name}.{method}", function
        elif inspect.isfunction(thing):
            yield f"{module}.{name}", thing


@pytest.mark.parametrize("module", MODULES)
def test_types_can_be_asked_for(module: str) -> None:
    """`typing.get_type_hints` finds what annotations name, although it may not be loaded yet."""
    for name, thing in public_things(module):
        try:
            typing.get_type_hints(thing)
        except Exception as error:
            pytest.fail(f"{name}: {type(error).__name__}: {error}")


@pytest.mark.parametrize("module", MODULES)
def test_docstring_examples(module: str) -> None:
    loaded = importlib.import_module(module)
    result = doctest.testmod(loaded)
    assert result.failed == 0
    assert result.attempted > 0 or ">>>" not in inspect.getsource(loaded)
