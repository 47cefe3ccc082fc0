"""The files that a notebook or module depends on, derived from its imports.

Only files of this package count. The versions of other packages stand in a run's provenance.
"""

import ast
import hashlib
import json
from collections.abc import Iterator
from functools import cache
from importlib.util import resolve_name
from pathlib import Path

PACKAGE = Path(__file__).parent
DOCUMENTS = (".md",)
"""Endings of data files that only a person reads."""


def list_dependencies(*entries: Path) -> list[Path]:
    """List the files of this package that entries depend on, the entries included.

    A module depends on the modules that it imports, also inside a function, on the ``__init__``
    files that these imports run, and on the data files beside it that its code names: where a
    string is the name of a file, or the path of something in a folder that is no package.

    Parameters
    ----------
    *entries : Path
        Notebooks, or modules of this package.

    Returns
    -------
    list of Path
        Sorted.
    """
    found: set[Path] = set()
    waiting = list(entries)
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting += _list_direct(file)
    return sorted(found)


def digest_dependencies(module: Path) -> str:
    """Digest the meaning of a module and of all that it depends on.

    Modules count by their syntax without comments, docstrings and layout, data files by their
    bytes.

    Returns
    -------
    str
        SHA-256, 64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for file in list_dependencies(module):
        content = ast.dump(_parse(file)).encode() if file.suffix == ".py" else file.read_bytes()
        digest.update(f"{file.relative_to(PACKAGE)} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


@cache
def _list_direct(file: Path) -> frozenset[Path]:
    """List the files on which one file depends by itself."""
    if file.suffix not in (".py", ".ipynb"):
        return frozenset()
    folders = [folder for folder in file.parents if folder.is_relative_to(PACKAGE)]
    names = [PACKAGE.parent.joinpath(*name.split(".")) for name in _list_imports(file)]
    modules = {module for path in folders + names if (module := _find_module(path))}
    return frozenset(modules | set(_list_data(file)))


@cache
def _parse(file: Path) -> ast.Module:
    """Parse a module, or the code cells of a notebook, without docstrings."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".ipynb":
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
        text = "\n".join("".join(cell["source"]) for cell in cells)
    tree = ast.parse(text, file)
    for node in ast.walk(tree):
        if isinstance(body := getattr(node, "body", None), list):
            node.body = [child for child in body if not _is_docstring(child)]
    return tree


def _is_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _list_imports(file: Path) -> Iterator[str]:
    """List every dotted name that may be a module."""
    package = ".".join(file.parent.parts[len(PACKAGE.parent.parts) :])
    for node in ast.walk(_parse(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = resolve_name("." * node.level + (node.module or ""), package)
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def _find_module(path: Path) -> Path | None:
    """Find the file of a module or package from its path without ending."""
    if not path.is_relative_to(PACKAGE):
        return None
    candidates = (path / "__init__.py", path.with_name(f"{path.name}.py"))
    return next((file for file in candidates if file.exists()), None)


def _list_data(file: Path) -> Iterator[Path]:
    """List the data files beside a module that its strings name."""
    if not file.is_relative_to(PACKAGE):
        return
    constants = (node.value for node in ast.walk(_parse(file)) if isinstance(node, ast.Constant))
    texts = {text for text in constants if isinstance(text, str)}
    for beside in file.parent.iterdir():
        if (beside / "__init__.py").exists():
            continue
        for text in texts:
            if text.partition("/")[0] == beside.name:
                named = file.parent / text if (file.parent / text).exists() else beside
                files = named.rglob("*") if named.is_dir() else [named]
                yield from (path for path in files if _is_data(path))


def _is_data(path: Path) -> bool:
    return path.is_file() and path.suffix not in (".py", ".pyc", *DOCUMENTS)
