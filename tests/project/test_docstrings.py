"""Docstrings are whole: what is raised, and for operations what is taken and done."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

Function = ast.FunctionDef
CHECKS = "fastnn/_arguments.py"
MAKERS = {"__init__", "__post_init__"}
NOT_ERRORS = {"NotImplementedError", "KeyboardInterrupt"}


class Errors:
    """Which functions of a module raise: by themselves, by checking an argument, or by calling such a one."""

    def __init__(self, tree: ast.Module, checks: set[str]) -> None:
        self.checks = checks & {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").endswith("_arguments")
            for alias in node.names
        }
        self.all_checks = checks
        self.helpers = {
            node.name: node
            for node in ast.walk(tree)
            if isinstance(node, Function) and node.name.startswith("_") and node.name != "__init__"
        }

    def raised(self, function: Function, seen: frozenset[str] = frozenset()) -> bool:
        return any(self._raises(node, seen) for node in ast.walk(function))

    def _raises(self, node: ast.AST, seen: frozenset[str]) -> bool:
        if isinstance(node, ast.Raise) and node.exc is not None:
            kind = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            return ast.unparse(kind) not in NOT_ERRORS
        if not isinstance(node, ast.Call):
            return False
        owner, _, name = ast.unparse(node.func).rpartition(".")
        if (owner == "check" and name in self.all_checks) or (not owner and name in self.checks):
            return True
        helper = self.helpers.get(name) if owner in ("", "self") and name not in seen else None
        return helper is not None and self.raised(helper, seen | {name})


def undocumented_errors(tree: ast.Module, checks: set[str]) -> Iterator[str]:
    errors = Errors(tree, checks)
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    for node in tree.body:
        if not isinstance(node, (Function, ast.ClassDef)) or node.name.startswith("_"):
            continue
        text = ast.get_docstring(node) or ""
        if isinstance(node, Function):
            if errors.raised(node) and "Raises:" not in text:
                yield node.name
            continue
        lineage = [node, *(classes[base.id] for base in node.bases if getattr(base, "id", "") in classes)]
        made = [part for kind in lineage for part in kind.body if getattr(part, "name", "") in MAKERS]
        methods = [part for part in node.body if isinstance(part, Function) and not part.name.startswith("_")]
        for method in [*made[:1], *methods]:
            assert isinstance(method, Function)
            # A method without words of its own says what the one says that it replaces.
            own = text if method.name in MAKERS else ast.get_docstring(method)
            if own is not None and errors.raised(method) and "Raises:" not in own + text:
                yield f"{node.name}.{method.name}"


def test_docstrings_tell_what_is_raised(root: Path) -> None:
    package = root / "python"
    arguments = ast.parse((package / CHECKS).read_text())
    checks = {node.name for node in arguments.body if isinstance(node, Function)}
    missing = [
        f"{path.relative_to(package)}: {name}"
        for path in sorted(package.rglob("*.py"))
        if not any(part.startswith("_") for part in path.relative_to(package).parts)
        and not {"testing", "reference", "cli"} & set(path.parts)
        for name in undocumented_errors(ast.parse(path.read_text()), checks)
    ]
    assert not missing, "\n".join(missing)


def test_operations_say_what_they_take_refuse_and_do(root: Path) -> None:
    missing = [
        f"{path.name}: {node.name}: {section}"
        for path in sorted((root / "python" / "fastnn" / "functional").glob("[a-z]*.py"))
        for node in ast.parse(path.read_text()).body
        if isinstance(node, Function) and not node.name.startswith("_")
        for section in ("Args:", "Raises:", "Example:", "``")
        if section not in (ast.get_docstring(node) or "")
    ]
    assert not missing, "\n".join(missing)
