"""Packages whose public names are loaded at their first use, so that a program pays for what it uses."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def lazy_names(
    package: str, places: Mapping[str, Sequence[str]], modules: Sequence[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return the ``__getattr__``, ``__dir__`` and ``__all__`` of a package.

    The package imports the same names under ``TYPE_CHECKING``, for type checkers and editors. A name must not
    be that of a module of the package: loading that module would put it in the name's place.

    Args:
        package: its ``__name__``.
        places: module of the package to the public names that it defines.
        modules: modules that are themselves reached as attributes; ``from package import *`` leaves them out.
    """
    place = {name: f"{package}.{module}" for module, names in places.items() for name in names}
    namespace = vars(sys.modules[package])

    def load(name: str) -> Any:
        if name in place:
            value = getattr(importlib.import_module(place[name]), name)
        elif name in modules:
            value = importlib.import_module(f"{package}.{name}")
        else:
            message = f"module {package!r} has no attribute {name!r}"
            # With the module at hand, a traceback proposes the name that was meant.
            raise AttributeError(message, name=name, obj=sys.modules[package])
        namespace[name] = value
        return value

    def names() -> list[str]:
        private = {name for name in namespace if name.startswith("_")}
        return sorted(private | {*place, *modules})

    return load, names, sorted(place)
