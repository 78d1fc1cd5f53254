"""Benchmarks are run by hand: what they take from the package has to be there all the same."""

import ast
from importlib import import_module
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize(
    "script", sorted(BENCHMARKS.glob("*/*.py")), ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_imports_from_the_package_exist(script):
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("stars_infer"):
            module = import_module(node.module)
            for name in node.names:
                if not hasattr(module, name.name):
                    import_module(f"{node.module}.{name.name}")
