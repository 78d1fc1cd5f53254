"""The reference of commands, made of the commands themselves by Typer's own writer of pages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from typer.cli import get_docs_for_click
from typer.main import get_command

from stars_infer.cli import app
from stars_infer.exporters.cli import app as export
from stars_infer.train.cli import app as train
from stars_infer.train.datasets.cli import app as data

_APART = {"train": train, "export": export, "data": data}
"""Commands that load their options only when they are called."""

_INTRODUCTION = """# Commands

What `stars COMMAND --help` says, command by command. [How to use the command
line](../../command-line.md) explains what they have in common.

| command | does |
| --- | --- |
"""


def write_commands(folder: Path) -> list[str]:
    """Write a page for each command of `stars`.

    Returns:
        The names of the pages, the first of which lists the others.
    """
    root = get_command(app)
    context = root.make_context("stars", [], resilient_parsing=True)
    folder.mkdir(parents=True, exist_ok=True)
    rows, pages = [], ["index.md"]
    for name, command in root.commands.items():  # type: ignore[attr-defined]
        if name in _APART:
            command = _whole(name, command)
        written = _page(command, context, name)
        (folder / f"{name}.md").write_text(written, encoding="utf-8")
        pages.append(f"{name}.md")
        rows.append(f"| [`stars {name}`]({name}.md) | {_first_line(command)} |\n")
    own = _options(root, context)
    (folder / "index.md").write_text(_INTRODUCTION + "".join(rows) + own, encoding="utf-8")
    return pages


def _whole(name: str, command: Any) -> Any:
    """A command with the options, or the commands, of the part that holds them."""
    part: Any = get_command(_APART[name])
    if hasattr(command, "commands"):
        part.commands |= command.commands
    part.help = part.help or command.help
    return part


def _page(command: Any, context: Any, name: str) -> str:
    """The page of a command and of those under it."""
    text = get_docs_for_click(
        obj=command, ctx=context, name=name, call_prefix="stars", title=f"`stars {name}`"
    )
    # The examples, which stand below the options, as something to copy.
    text = re.sub(
        r"^Example: (.*(?:\n(?!\n).*)*)", r"**Example**:\n\n```console\n$ \1\n```", text, flags=re.M
    )
    for sub, one in getattr(command, "commands", {}).items():  # Typer shortens these lines
        text = re.sub(
            rf"^\* `{sub}`: .*\.\.\.$",
            lambda found, sub=sub, one=one: f"* `{sub}`: {_first_line(one)}",
            text,
            flags=re.M,
        )
    return text


def _options(root: Any, context: Any) -> str:
    """What `stars` takes before the name of a command."""
    lines = ["\n## Options of `stars` itself\n\n"]
    for option in root.params:
        if record := option.get_help_record(context):
            lines.append(f"* `{record[0]}`: {record[1]}\n")
    return "".join(lines)


def _first_line(command: Any) -> str:
    return str(command.help or "").split("\n\n")[0].replace("\n", " ").strip()
