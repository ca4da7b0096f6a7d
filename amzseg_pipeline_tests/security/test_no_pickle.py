"""No module of the package loads pickles or runs code from data: checked in the syntax tree."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import amzseg_pipeline

PACKAGE = Path(amzseg_pipeline.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

FORBIDDEN_MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "marshal", "shelve", "skops", "code"}
FORBIDDEN_CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "joblib.load",
    "yaml.load",
    "yaml.unsafe_load",
    "pandas.read_pickle",
    "pd.read_pickle",
    "numpy.load",
    "np.load",
    "torch.load",
    "os.system",
    "os.popen",
    "subprocess.getoutput",
}


def found_in(source: str) -> Iterator[str]:
    """The forbidden names that a module imports or calls."""
    names: dict[str, str] = {}
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname or alias.name: alias.name for alias in node.names}
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] in FORBIDDEN_MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            if node.module.split(".")[0] in FORBIDDEN_MODULES:
                yield node.module
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            first, *rest = ast.unparse(node.func).split(".")
            called = ".".join([names.get(first, first), *rest])
            if called in FORBIDDEN_CALLS or called.endswith((".read_pickle", ".loads_pickle")):
                yield called
            if any(keyword.arg in ("shell", "allow_pickle") and _is_true(keyword.value) for keyword in node.keywords):
                yield f"{called}(shell or allow_pickle)"


def _is_true(value: ast.expr) -> bool:
    return not (isinstance(value, ast.Constant) and not value.value)


def test_no_module_loads_pickles() -> None:
    assert len(MODULES) > 100
    assert {path.name: found for path in MODULES if (found := list(found_in(path.read_text(encoding="utf-8"))))} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "def f():\n    import cloudpickle as c",
        "import joblib\njoblib.load('m')",
        "from joblib import load\nload('m')",
        "from joblib import load as read\nread('m')",
        "import joblib as j\nj.load('m')",
        "import yaml\nyaml.load('x')",
        "import pandas as pd\npd.read_pickle('x')",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
        "eval('1')",
        "import subprocess\nsubprocess.run('ls', shell=True)",
    ],
)
def test_detects_pickle_loading(source: str) -> None:
    assert list(found_in(source)) != []


def test_ignores_harmless_code() -> None:
    assert list(found_in("import json, joblib, re\njson.load(f)\njoblib.dump(m, 'm')\nre.compile('a')")) == []
