"""Options of all commands that train or measure: the machine they run on, and whose weights."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import MISSING, Field, fields
from typing import Annotated, Any, Optional, get_args, get_type_hints

import typer
from rich.markup import escape

_MACHINE = "Machine"
Weights = Annotated[
    str,
    typer.Option("--weights", help="teacher or student, of a run that has both (Skeleton2vec)."),
]
Precision = Annotated[
    str,
    typer.Option(
        help="auto, 32-true or bf16-mixed; auto takes bf16 where it is faster.",
        rich_help_panel=_MACHINE,
    ),
]
Accelerator = Annotated[str, typer.Option(help="auto, cpu or cuda.", rich_help_panel=_MACHINE)]
Devices = Annotated[int, typer.Option(help="Processes a node.", rich_help_panel=_MACHINE)]
Nodes = Annotated[int, typer.Option(help="Machines.", rich_help_panel=_MACHINE)]
Compile = Annotated[
    bool | None,
    typer.Option(
        "--compile/--no-compile",
        help="Run through torch.compile.",
        show_default="on a GPU",
        rich_help_panel=_MACHINE,
    ),
]


_ATTRIBUTE = re.compile(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", re.MULTILINE)


def with_flags(
    panels: Iterable[tuple[str, Iterable[type[Any]]]], *, without: Iterable[str] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command a flag for every field of some configuration classes.

    The command gets those that were set as its keyword argument `flags`, by field name.

    Args:
        panels: Titles in the help, each with the classes whose fields stand below it. A field
            that several classes have is one flag.
        without: Fields that are no flags.
    """
    described: dict[str, tuple[str, type[Any], list[str]]] = {}
    skipped = set(without)
    for panel, kinds in panels:
        for kind in kinds:
            types = get_type_hints(kind)
            helps = attribute_help(kind)
            for field in fields(kind):
                if field.name in skipped:
                    continue
                entry = described.setdefault(field.name, (panel, types[field.name], []))
                text = f"{helps[field.name]} {escape(f'[{_shown_default(field)}]')}"
                if text not in entry[2]:
                    entry[2].append(text)

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        def run(**arguments: Any) -> None:
            flags = {
                name: value
                for name in described
                if (value := arguments.pop(name, None)) is not None
            }
            command(**arguments, flags=flags)

        own = inspect.signature(command, eval_str=True)
        parameters = [p for p in own.parameters.values() if p.name != "flags"] + [
            _parameter(name, *entry) for name, entry in described.items()
        ]
        run.__doc__ = command.__doc__
        run.__name__ = command.__name__
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        return run

    return decorate


def attribute_help(kind: type[Any]) -> dict[str, str]:
    """What the docstrings of a class and of those it extends say of its fields."""
    helps: dict[str, str] = {}
    for ancestor in reversed(kind.__mro__):
        for name, text in _ATTRIBUTE.findall(inspect.cleandoc(ancestor.__doc__ or "")):
            helps[name] = " ".join(text.split())
    return helps


def _parameter(name: str, panel: str, hint: Any, helps: list[str]) -> inspect.Parameter:
    kind = next((arg for arg in get_args(hint) if arg is not type(None)), hint)
    option = typer.Option(help=" / ".join(helps), show_default=False, rich_help_panel=panel)
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[Optional[kind], option],  # noqa: UP045
    )


def _shown_default(field: Field[Any]) -> str:
    if field.default is MISSING or field.default is None:
        return "none"
    return f"{field.default:g}" if isinstance(field.default, float) else str(field.default)
