"""Options that several commands share, and what they stand for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stars_infer.index import ExemplarIndex

LayoutOption = Annotated[
    str | None,
    typer.Option(
        "--layout",
        help="Joint layout of files that do not say: a name of `stars layouts`, or a .toml file.",
        show_default="ntu25 for arrays",
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


def existing_index(index: Path, model: str | None) -> ExemplarIndex:
    """Open the index that the options name, which must exist and be the model's.

    Raises:
        StarsError: If there is no such model or index, or they do not belong together.
    """
    from stars_infer.index import ExemplarIndex
    from stars_infer.model import find_model, read_model_info

    return ExemplarIndex.open(index, read_model_info(find_model(model)), create=False)
