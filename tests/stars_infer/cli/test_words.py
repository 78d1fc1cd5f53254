"""People are told of examples everywhere: "exemplar" is a word of the code (see the glossary)."""

import ast
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
NAMES = re.compile(
    r"\b(FROM|INTO|UPDATE|TABLE|JOIN) exemplars|'exemplars'|exemplars_by_label|--exemplars"
    r"|index\.exemplars\(\)|/v1/exemplars|ExemplarIndex|stars_exemplars"
)
"""Names, which stay: of tables, options, calls and paths."""
SHOWN = ("command", "get", "post", "patch", "delete", "websocket")
"""Decorators of functions whose docstring is shown, as help or by OpenAPI."""


def texts(tree):
    """What a module may show: texts of several words, and the docstrings that help is made of."""
    hidden = {id(one.value) for one in ast.walk(tree) if isinstance(one, ast.Expr)}
    for one in ast.walk(tree):
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef):
            marks = {
                getattr(getattr(mark, "func", mark), "attr", "") for mark in one.decorator_list
            }
            if marks & set(SHOWN):
                yield one.lineno, ast.get_docstring(one) or ""
        elif (
            isinstance(one, ast.Constant)
            and isinstance(one.value, str)
            and id(one) not in hidden
            and " " in one.value.strip()
        ):
            yield one.lineno, one.value


@pytest.mark.parametrize("package", ["stars_infer", "train", "exporters"])
def test_nothing_that_is_shown_says_exemplar(package):
    found = [
        f"{path.relative_to(REPOSITORY)}:{line}: {text}"
        for path in sorted((REPOSITORY / package).rglob("*.py"))
        for line, text in texts(ast.parse(path.read_text(encoding="utf-8")))
        if "exemplar" in NAMES.sub("", text).lower() and "CREATE TABLE" not in text
    ]
    assert not found


def test_pages_say_example():
    pages = [
        path
        for folder in ("studio/web", "inspection/web", "reporting", "segmentation", "serving")
        for path in (REPOSITORY / "stars_infer" / folder).rglob("*")
        if path.suffix in (".html", ".js", ".svg")
    ]
    assert pages
    said = re.compile(r">[^<{]*exemplar[^<}]*<|[\"'`][^\"'`\n]* exemplars?\b[^\"'`\n]*[\"'`]", re.I)
    assert not [
        (path.name, one[0])
        for path in pages
        for one in said.finditer(path.read_text(encoding="utf-8"))
    ]
