"""Options that the commands of training and evaluation share."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from dataclasses import MISSING, Field, dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any, Optional, get_args, get_type_hints

import typer
from rich.markup import escape

from stars_infer.cli.options import OptionGroup

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_MACHINE = "Machine"
_ATTRIBUTE = re.compile(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", re.MULTILINE)

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
Devices = Annotated[int, typer.Option(help="Processes per node.", rich_help_panel=_MACHINE)]
Nodes = Annotated[int, typer.Option(help="Number of machines.", rich_help_panel=_MACHINE)]
Compile = Annotated[
    bool | None,
    typer.Option(
        "--compile/--no-compile",
        help="Run through torch.compile.",
        show_default="on a GPU",
        rich_help_panel=_MACHINE,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineOptions:
    """The machines of a training, and its precision."""

    precision: Precision = "auto"
    accelerator: Accelerator = "auto"
    devices: Devices = 1
    nodes: Nodes = 1

    def open_fabric(self) -> Fabric:
        """Open the devices.

        Raises:
            UsageError: If the precision is unknown, or this machine has no such accelerator.
        """
        from stars_infer.train.session import open_fabric  # Lightning loads when it is needed

        return open_fabric(self.accelerator, self.devices, self.precision, self.nodes)

    def to_flags(self) -> tuple[str, ...]:
        """The options as they are written in a shell."""
        named = ((f"--{name}", str(getattr(self, name))) for name in MachineOptions.__slots__)
        return tuple(word for pair in named for word in pair)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions(MachineOptions):
    """The machines of a training, and whether the method is compiled."""

    compiled: Compile = None

    def compiles(self, fabric: Fabric) -> bool:
        """Whether the method runs through `torch.compile`: by default, on a GPU."""
        return fabric.device.type == "cuda" if self.compiled is None else self.compiled


def config_flags(
    *panels: tuple[str, Iterable[type[Any]]], without: Iterable[str] = ()
) -> OptionGroup:
    """One option for every field of some configuration classes.

    A command receives the options that were given, as a dictionary by the name of the field. The
    help of an option is what the docstring of its class says of the field.

    Args:
        panels: Titles of panels in the help, each with the classes whose fields it shows. A field
            that several classes have is one option.
        without: Fields that are no options.
    """
    described: dict[str, tuple[str, Any, list[str]]] = {}
    skipped = set(without)
    for panel, kinds in panels:
        for kind in kinds:
            types, helps = get_type_hints(kind), _attribute_help(kind)
            for field in fields(kind):
                if field.name in skipped:
                    continue
                texts = described.setdefault(field.name, (panel, types[field.name], []))[2]
                text = f"{helps[field.name]} {escape(f'[{_format_default(field)}]')}"
                if text not in texts:
                    texts.append(text)
    return OptionGroup(
        options=tuple(_make_option(name, *entry) for name, entry in described.items()),
        make=lambda **given: {name: value for name, value in given.items() if value is not None},
    )


def _attribute_help(kind: type[Any]) -> dict[str, str]:
    """What the docstrings of a class and of its base classes say of its fields."""
    helps: dict[str, str] = {}
    for ancestor in reversed(kind.__mro__):
        for name, text in _ATTRIBUTE.findall(inspect.cleandoc(ancestor.__doc__ or "")):
            helps[name] = " ".join(text.split())
    return helps


def _make_option(name: str, panel: str, hint: Any, helps: list[str]) -> inspect.Parameter:
    kind = next((arg for arg in get_args(hint) if arg is not type(None)), hint)
    option = typer.Option(help=" / ".join(helps), show_default=False, rich_help_panel=panel)
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[Optional[kind], option],  # noqa: UP045
    )


def _format_default(field: Field[Any]) -> str:
    if field.default is MISSING or field.default is None:
        return "none"
    return f"{field.default:g}" if isinstance(field.default, float) else str(field.default)
