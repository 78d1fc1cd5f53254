"""Options that several commands share, and what they stand for."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

if TYPE_CHECKING:
    from stars_infer.classification.prediction import ClassifyOptions
    from stars_infer.cli.output import Output
    from stars_infer.index.index import ExemplarIndex

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
FalseAcceptOption = Annotated[
    float | None,
    typer.Option(
        "--false-accept",
        min=0,
        max=100,
        help="Name at most so many per cent of clips of unknown actions.",
        show_default="what the index keeps, see `stars fewshot threshold`",
        rich_help_panel=_NAMING,
    ),
]


def classify_options(classifier: str, k: int | None, false_accept: float | None) -> ClassifyOptions:
    """How the options say that clips are named.

    Raises:
        UsageError: If there is no such classifier, or no such share of unknown clips.
    """
    from stars_infer.classification.prediction import ClassifyOptions

    share = None if false_accept is None else false_accept / 100
    return ClassifyOptions(classifier=classifier, k=k, false_accept_rate=share)


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
    from stars_infer.encoder.model import find_model, read_model_info
    from stars_infer.index.index import ExemplarIndex

    return ExemplarIndex.open(index, read_model_info(find_model(model)), create=False)


UnitsOption = Annotated[
    str | None,
    typer.Option(
        "--units", help="Of positions: m, cm, mm or in.", show_default="what the format has"
    ),
]
UpOption = Annotated[
    str | None,
    typer.Option(
        "--up", help="Axis that points up: y, z, x, or --up=-y.", show_default="what the format has"
    ),
]
LeftHandedFlag = Annotated[
    bool, typer.Option("--left-handed", help="The axes are left-handed, as in Unity and Unreal.")
]
FpsOption = Annotated[
    float | None,
    typer.Option("--fps", help="Frames per second.", show_default="what the file says, else 30"),
]

_OPTIONS: dict[str, tuple[Any, object]] = {
    "layout": (LayoutOption, None),
    "units": (UnitsOption, None),
    "up": (UpOption, None),
    "left_handed": (LeftHandedFlag, False),
    "fps": (FpsOption, None),
}
_PARAMETER = "convention"


def reads_clips(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a `Convention` in the place of its parameter `convention`."""
    signature = inspect.signature(command)
    # Convention needs NumPy, which is not loaded before a command runs; here only its name counts.
    hints = get_type_hints(command, localns={"Convention": object}, include_extras=True)
    parameters = []
    for parameter in signature.parameters.values():
        if parameter.name != _PARAMETER:
            parameters.append(parameter.replace(annotation=hints[parameter.name]))
            continue
        parameters += [
            inspect.Parameter(name, parameter.kind, default=default, annotation=annotation)
            for name, (annotation, default) in _OPTIONS.items()
        ]

    @functools.wraps(command)
    def with_options(**given: Any) -> None:
        from stars_infer.clips.convention import Convention

        said = {name: given.pop(name) for name in _OPTIONS}
        handedness = "left" if said.pop("left_handed") else None
        command(**given, convention=Convention(handedness=handedness, **said))

    with_options.__annotations__ = {p.name: p.annotation for p in parameters}
    with_options.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=parameters
    )
    return with_options
