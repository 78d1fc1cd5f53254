"""Options of all commands that train or measure: the machine they run on, and whose weights."""

from __future__ import annotations

from typing import Annotated

import typer

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
