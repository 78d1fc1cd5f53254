"""Options that several commands share, and what they stand for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stars_infer.cli.output import Output
    from stars_infer.gallery import Naming
    from stars_infer.index import ExemplarIndex

_NAMING = "How clips are named"

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
    typer.Option(
        "--device",
        envvar="STARS_DEVICE",
        help="auto, cpu, openvino, openvino:bf16, cuda, cuda:fp16, tensorrt or another that "
        "`stars doctor` lists.",
    ),
]
IndexOption = Annotated[
    Path, typer.Option("--index", envvar="STARS_INDEX", help="File of the exemplar index.")
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        envvar="STARS_WORKERS",
        help="Processes that read clips; they start where there are many.",
        show_default="one a core",
    ),
]
DEFAULT_INDEX = Path("stars.db")
DEFAULT_CLASSIFIER = "ridge"
ClassifierOption = Annotated[
    str,
    typer.Option(
        "--classifier",
        help="ridge; vote or majority (the papers') of the k nearest; prototypes.",
        rich_help_panel=_NAMING,
    ),
]
KOption = Annotated[
    int | None,
    typer.Option(
        "--k",
        min=1,
        help="Exemplars that vote, where they vote.",
        show_default="size of the smallest class, at most 5",
        rich_help_panel=_NAMING,
    ),
]
StrangersOption = Annotated[
    float | None,
    typer.Option(
        "--strangers",
        min=0,
        max=100,
        help="Name at most so many per cent of clips of unknown actions.",
        show_default="what the index keeps, see `stars fewshot threshold`",
        rich_help_panel=_NAMING,
    ),
]


def naming_of(classifier: str, k: int | None, strangers: float | None) -> Naming:
    """How the options say that clips are named.

    Raises:
        UsageError: If there is no such classifier, or no such share of strangers.
    """
    from stars_infer.gallery import Naming

    share = None if strangers is None else strangers / 100
    return Naming(classifier=classifier, k=k, strangers=share)


def ready_index(index: Path, model: str | None, output: Output) -> ExemplarIndex:
    """Open an index to name clips; a large one shows how it makes what it is searched by.

    Raises:
        ExemplarIndexError: If there is none, it is empty, or another model made it.
    """
    opened = existing_index(index, model)
    try:
        make_ready(opened, output)
    except BaseException:
        opened.close()
        raise
    return opened


def make_ready(index: ExemplarIndex, output: Output) -> None:
    """Make what a large index is searched by, where it is due, with a progress bar.

    Raises:
        ExemplarIndexError: If the index is empty.
    """
    with output.bar() as bar:
        task = bar.add_task("preparing the index", total=None, visible=False)

        def done(at: int, end: int) -> None:
            bar.update(task, completed=at, total=end, visible=True)

        index.prepare(done)


def existing_index(index: Path, model: str | None) -> ExemplarIndex:
    """Open the index that the options name, which must exist and be the model's.

    Raises:
        StarsError: If there is no such model or index, or they do not belong together.
    """
    from stars_infer.index import ExemplarIndex
    from stars_infer.model import find_model, read_model_info

    return ExemplarIndex.open(index, read_model_info(find_model(model)), create=False)
