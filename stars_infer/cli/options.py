"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

LayoutOption = Annotated[
    str | None,
    typer.Option(
        "--layout",
        help="Joint layout of files that do not say: ntu25 or kinect20.",
        show_default="ntu25",
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        envvar="STARS_MODEL",
        help="Name of a shipped encoder, or a model directory.",
        show_default="the shipped encoder",
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option("--device", help="auto, cpu, cuda or another provider `stars doctor` lists."),
]
IndexOption = Annotated[
    Path, typer.Option("--index", envvar="STARS_INDEX", help="File of the exemplar index.")
]
DEFAULT_INDEX = Path("stars.db")
