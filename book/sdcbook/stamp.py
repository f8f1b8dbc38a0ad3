"""When is a stored output stale? A stamp in the notebook's metadata answers without running it.

The stamp holds hashes of the code cells, of the `sdclib` modules that were loaded when the
chapter had run (their syntax trees: a comment or docstring changes no output), of the stored
results it read, of matplotlib's settings (the look of every figure), and of the outputs
themselves, so that nobody edits those by hand.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from sdcbook.kernel import MATPLOTLIBRC

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def make(nb, root: Path, modules: Iterable[str], results: Iterable[str]) -> dict:
    """The stamp of a notebook that has just been executed; `results` are paths under `root`."""
    return {
        "code": hash_code(nb),
        "modules": {name: hash_module(module_path(root, name)) for name in sorted(modules)},
        "results": {name: _sha((root / name).read_bytes()) for name in sorted(results)},
        "look": _sha(MATPLOTLIBRC.read_bytes()),
        "outputs": hash_outputs(nb),
    }


def why_stale(nb, root: Path) -> list[str]:
    """Why the stored outputs no longer fit, in words; empty when they do."""
    stamp = nb.metadata.get("sdc", {}).get("stamp")
    if not stamp:
        return ["it was never executed by `make notebooks` (no stamp)"]
    reasons = []
    if stamp.get("code") != hash_code(nb):
        reasons.append("a code cell changed")
    for name, sha in stamp.get("modules", {}).items():
        path = module_path(root, name)
        if not path.is_file():
            reasons.append(f"module {name} is gone")
        elif hash_module(path) != sha:
            reasons.append(f"module {name} changed")
    for name, sha in stamp.get("results", {}).items():
        path = root / name
        if not path.is_file():
            reasons.append(f"{name} is gone")
        elif _sha(path.read_bytes()) != sha:
            reasons.append(f"{name} changed")
    if stamp.get("look") != _sha(MATPLOTLIBRC.read_bytes()):
        reasons.append("the settings of matplotlib changed")
    if stamp.get("outputs") != hash_outputs(nb):
        reasons.append("a stored output was changed by hand")
    return reasons


def hash_code(nb) -> str:
    return _sha("\n\0\n".join(c.source for c in nb.cells if c.cell_type == "code").encode())


def hash_outputs(nb) -> str:
    outputs = [c.outputs for c in nb.cells if c.cell_type == "code"]
    widgets = nb.metadata.get("widgets", {})
    return _sha(json.dumps([outputs, widgets], sort_keys=True).encode())


def hash_module(path: Path) -> str:
    return _sha("".join(_tokens(_without_docstrings(ast.parse(path.read_bytes())))).encode())


def module_path(root: Path, name: str) -> Path:
    """The file of a module of `sdclib`, for a package its __init__."""
    path = root.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _without_docstrings(tree: ast.AST) -> ast.AST:
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    return tree


def _tokens(node) -> Iterable[str]:
    """The tree in text that is the same for every Python version.

    `ast.dump` is not: newer versions add fields. Here positions, None and empty lists are left
    out, so a field that a newer version adds and old code does not use leaves no trace.
    """
    if isinstance(node, ast.Constant):
        yield f"({type(node.value).__name__} {node.value!r})"
    elif isinstance(node, ast.AST):
        yield f"({type(node).__name__}"
        for field, value in ast.iter_fields(node):
            if value is not None and value != []:
                yield f" {field}="
                yield from _tokens(value)
        yield ")"
    elif isinstance(node, list):
        yield "["
        for item in node:
            yield from _tokens(item)
        yield "]"
    else:
        yield repr(node)


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
