"""What `from stars_infer import …` gives: few names, found when they are used, with examples."""

import doctest
import importlib
import inspect
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec

import pytest

import stars_infer

FIRST_USED = (
    "numpy", "sqlite3", "onnxruntime", "openvino", "faiss", "torch", "typer", "rich", "pydantic",
    "sklearn", "matplotlib", "importlib.metadata",
)  # fmt: skip
"""Packages that take long to import, and are not imported before they are needed."""


def objects_of(name):
    """A public name, and its methods that are public, too."""
    value = getattr(stars_infer, name)
    yield name, value
    if inspect.isclass(value):
        for member, method in vars(value).items():
            if not member.startswith("_"):
                yield f"{name}.{member}", getattr(method, "__func__", method)


EXAMPLES = [
    pytest.param(value, id=name)
    for public in stars_infer.__all__
    for name, value in objects_of(public)
    if ">>>" in (inspect.getdoc(value) or "")
]


def run_examples(value, name):
    names = dict(vars(importlib.import_module(value.__module__)))
    failed, tried = 0, 0
    for test in doctest.DocTestFinder(recurse=False).find(value, name, globs=names):
        failures, attempts = doctest.DocTestRunner().run(test)
        failed, tried = failed + failures, tried + attempts
    return failed, tried


@pytest.mark.parametrize("value", EXAMPLES)
def test_examples_of_public_names_run(value, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STARS_MODEL", raising=False)
    failed, tried = run_examples(value, value.__qualname__)
    assert failed == 0, capsys.readouterr().out
    assert tried > 1
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(find_spec("sklearn") is None, reason="scikit-learn is not installed")
def test_the_example_of_the_estimator_runs(capsys):
    from stars_infer.sklearn import SkeletonClassifier

    failed, tried = run_examples(SkeletonClassifier, "SkeletonClassifier")
    assert failed == 0, capsys.readouterr().out
    assert tried > 1


@pytest.mark.parametrize("name", stars_infer.__all__)
def test_every_public_name_has_an_example(name):
    assert ">>>" in inspect.getdoc(getattr(stars_infer, name))


def python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_names_are_few_and_found_by_completion():
    assert stars_infer.__all__[0] == "Recognizer"
    assert len(stars_infer.__all__) < 10
    # In a process of its own, where no name was used yet.
    listed = python("import stars_infer; print(*dir(stars_infer))").split()
    assert {*stars_infer.__all__, "__version__"} == set(listed)
    assert set(stars_infer.__all__) == set(stars_infer._MODULES)
    for name in stars_infer.__all__:
        assert getattr(stars_infer, name).__name__ == name
    with pytest.raises(AttributeError, match="'stars_infer' has no attribute 'Recogniser'"):
        stars_infer.Recogniser  # noqa: B018


def test_the_version_is_that_of_the_installation():
    assert stars_infer.__version__ == version("stars-infer")


def test_importing_the_package_imports_nothing_heavy():
    listed = python("import sys, stars_infer; print(*sys.modules)").split()
    assert not set(FIRST_USED) & set(listed)
    # A clip is named without the network: no runtime is loaded for it.
    named = python(
        "import sys, numpy as np\n"
        "from stars_infer import Recognizer\n"
        "from stars_infer.synthetic.actions import perform\n"
        "random = np.random.default_rng(0)\n"
        "actions = Recognizer()\n"
        "for name in ('wave', 'squat'): actions.add(name, perform(name, random))\n"
        "actions.predict(perform('wave', random))\n"
        "print(*sys.modules)"
    ).split()
    assert not {"onnxruntime", "openvino", "faiss", "torch", "typer", "sklearn"} & set(named)
