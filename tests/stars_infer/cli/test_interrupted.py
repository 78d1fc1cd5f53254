"""Ctrl-C ends a command without a traceback, and says how to go on where that is possible."""

import builtins
import importlib
import tomllib
from pathlib import Path

import pytest

from stars_infer.cli.output import Output
from stars_infer.shared import copying


@pytest.mark.parametrize("what", ["stars_infer.cli", "typer", "rich.console", None])
def test_a_command_that_still_loads_ends_quietly(monkeypatch, capfd, what):
    entry = importlib.import_module("stars_infer.__main__")
    load = builtins.__import__

    def interrupted(name, *more):
        if what is None or name == what:
            raise KeyboardInterrupt
        return load(name, *more)

    monkeypatch.setattr("sys.argv", ["stars", "--version"])
    for name in list(__import__("sys").modules):
        if name.partition(".")[0] == "stars_infer" and ".cli" in name:
            monkeypatch.delitem(__import__("sys").modules, name)
    monkeypatch.setattr(builtins, "__import__", interrupted)
    with pytest.raises(SystemExit) as raised:
        entry.main()
    monkeypatch.undo()
    assert raised.value.code == 130
    assert capfd.readouterr() == ("", "")


def test_the_command_is_what_ends_quietly():
    project = Path(__file__).parents[3] / "pyproject.toml"
    scripts = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["scripts"]
    assert scripts["stars"] == "stars_infer.__main__:main"
    before = set(__import__("sys").modules)
    importlib.reload(importlib.import_module("stars_infer.__main__"))
    assert set(__import__("sys").modules) == before  # nothing is loaded before it can be stopped


def test_a_copy_goes_on(taught, monkeypatch):
    monkeypatch.setattr(copying, "AT_ONCE", 2)
    read, calls = copying.encoded_rows, []

    def interrupted(*given):
        calls.append(given)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return read(*given)

    monkeypatch.setattr(copying, "encoded_rows", interrupted)
    code, _, err = taught("fewshot", "copy", "stars.db", "copy.db")
    told = " ".join(err.split())
    assert (code, "stopped: 4 of 21 examples are in copy.db; run the same command" in told) == (
        130,
        True,
    ), told
    code, _, err = taught("fewshot", "copy", "stars.db", "copy.db")
    assert "17 examples copied, 4 were there" in " ".join(err.split())


def test_what_can_go_on_says_so(capsys):
    from typer import Exit

    with pytest.raises(Exit) as raised, Output().goes_on(lambda: "3 of 9 are done"):
        raise KeyboardInterrupt
    assert raised.value.exit_code == 130
    told = " ".join(capsys.readouterr().err.split())
    assert told == "error: stopped: 3 of 9 are done; run the same command again to go on"
