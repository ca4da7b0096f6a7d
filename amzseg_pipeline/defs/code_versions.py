"""The code version of each stage: a hash of its asset modules and the modules of the package that they import.

An upgrade that changes how a table is made starts a run without new data, and no version number needs maintenance.
Imports are followed through the syntax tree, so nothing is executed. Modules that only connect code to Dagster or to
its UI (_NOT_FOLLOWED) shape no table and are left out.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).parent.parent
_PACKAGE_NAME = _PACKAGE.name

_ASSETS = f"{_PACKAGE_NAME}.defs.assets"
STAGE_MODULES = {
    "reviews": (f"{_ASSETS}.reviews",),
    "users": (f"{_ASSETS}.users",),
    # The champion comes from the previous run.
    "segments": tuple(
        f"{_PACKAGE_NAME}.{name}"
        for name in ("defs.assets.segments", "defs.assets.models", "defs.assets.algorithms", "storage.previous_run")
    ),
    "publish": (f"{_ASSETS}.publish",),
}
"""Stage -> the modules of its assets, and modules that they use through a resource."""

_EDA_MODULES = (f"{_ASSETS}.eda",)

_NOT_FOLLOWED = frozenset(
    f"{_PACKAGE_NAME}.defs.{name}"
    for name in (
        *("change_detection", "checks", "code_versions", "column_lineage", "dead_runs", "documents", "launch_checks"),
        *("previous_run", "run_record", "settings_config", "ui_metadata"),
    )
)
"""Modules that connect code to Dagster; none shapes a table."""


def imported_modules(modules: Iterable[str]) -> tuple[str, ...]:
    """These modules and every module of the package that they import, directly or not, sorted by name."""
    found: set[str] = set()
    to_visit = list(modules)
    while to_visit:
        module = to_visit.pop()
        if module not in found:
            found.add(module)
            to_visit += _imports(module) - _NOT_FOLLOWED
    return tuple(sorted(found))


@cache
def _imports(module: str) -> frozenset[str]:
    tree = ast.parse(_path(module).read_text(encoding="utf-8"))
    return frozenset(
        name for name in _imported_names(tree) if name.startswith(f"{_PACKAGE_NAME}.") and _is_module(name)
    )


def _imported_names(tree: ast.Module) -> Iterator[str]:
    """The dotted names of every import, inside functions too; of `from a import b` a.b, and a unless b is a module."""
    for node in _statements(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            # A package whose submodules alone are imported defines nothing that is used.
            if not all(map(_is_module, names)):
                yield node.module
            yield from names
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """All statements inside `node`; expressions, which contain no import, are most of a tree."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        for statement in getattr(node, name, ()):
            yield statement
            yield from _statements(statement)


def _path(module: str) -> Path:
    path = _PACKAGE.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _is_module(name: str) -> bool:
    return name.split(".")[0] == _PACKAGE_NAME and _path(name).is_file()


def _source_hash(modules: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for module in imported_modules(modules):
        digest.update(module.encode() + b"\0" + _path(module).read_bytes() + b"\0")
    return digest.hexdigest()[:16]


CODE_VERSIONS = {stage: _source_hash(modules) for stage, modules in STAGE_MODULES.items()}
"""Stage -> code version of its assets."""

EDA_CODE_VERSION = _source_hash(_EDA_MODULES)
"""The code version of the plots. CODE_VERSION does not contain it: changed plots are no reason to segment again."""

CODE_VERSION = hashlib.sha256("".join(CODE_VERSIONS.values()).encode()).hexdigest()[:16]
"""The code version of the pipeline, as stored in the manifest."""
