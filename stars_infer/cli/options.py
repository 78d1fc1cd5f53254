"""Options that several commands share, and the values that they stand for."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from stars_infer.cli.index_option import DEFAULT_INDEX as DEFAULT_INDEX
from stars_infer.cli.index_option import IndexOption as IndexOption
from stars_infer.cli.index_option import existing_index as existing_index
from stars_infer.errors import UsageError, check_range

if TYPE_CHECKING:
    from stars_infer.classification.prediction import ClassifyOptions
    from stars_infer.cli.output import Output
    from stars_infer.clips.convention import Convention
    from stars_infer.index.index import ExemplarIndex

_NAMING = "Classification"

LayoutOption = Annotated[
    str | None,
    typer.Option(
        "--layout",
        help="Joint layout where a file does not state it: a name of `stars layouts`, or a "
        ".toml file.",
        show_default="ntu25 for arrays",
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        envvar="STARS_MODEL",
        help="Name of a shipped encoder, a model directory, or hf://USER/MODEL@REVISION.",
        show_default="the shipped encoder",
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        "--device",
        envvar="STARS_DEVICE",
        help="auto, cpu, openvino, openvino:bf16, cuda, cuda:fp16, tensorrt or another that "
        "`stars doctor` lists; or a model on a Triton server, triton://HOST:8001/MODEL.",
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        envvar="STARS_WORKERS",
        help="Processes that read clips; they are started only for many clips.",
        show_default="one per core",
    ),
]
DEFAULT_CLASSIFIER = "ridge"
ClassifierOption = Annotated[
    str,
    typer.Option(
        "--classifier",
        help="ridge; vote or majority (as in the papers) of the k nearest examples; or prototypes.",
        rich_help_panel=_NAMING,
    ),
]
KOption = Annotated[
    int | None,
    typer.Option(
        "--k",
        "-k",
        min=1,
        help="Number of examples that vote, for vote and majority.",
        show_default="the size of the smallest class, at most 5",
        rich_help_panel=_NAMING,
    ),
]
FalseAcceptOption = Annotated[
    float | None,
    typer.Option(
        "--false-accept",
        min=0,
        max=100,
        help="Per cent of clips of unknown actions that may be given a name.",
        show_default="as set by `stars fewshot threshold`",
        rich_help_panel=_NAMING,
    ),
]
MirrorOption = Annotated[
    str,
    typer.Option(
        "--mirror",
        help="Whether the mirror image of a clip counts, too, so that the left hand is named by "
        "examples of the right: on, off, or auto, if the examples do not tell sides apart.",
        rich_help_panel=_NAMING,
    ),
]
DEFAULT_MIRROR = "auto"
OWN, PAPER = "own", "paper"
ProtocolOption = Annotated[
    str,
    typer.Option(
        "--protocol",
        help="own, as the model compares; or paper, as in the papers: cosine of the vectors "
        "through FAISS, and a majority vote of the n nearest examples; no clip is unknown then.",
        rich_help_panel=_NAMING,
    ),
]
PeopleOption = Annotated[
    str,
    typer.Option(
        "--people",
        help="One answer for those who act (pooled), per person (each), or per two people (pairs).",
    ),
]
DEFAULT_PEOPLE = "pooled"


def is_paper(protocol: str, classifier: str, false_accept: float | None, mirror: str) -> bool:
    """Whether clips are named as in the papers.

    Args:
        protocol: Value of `--protocol`.
        classifier: Value of `--classifier`.
        false_accept: Value of `--false-accept`.
        mirror: Value of `--mirror`.

    Raises:
        UsageError: If there is no such protocol, or another option contradicts it.
    """
    if protocol not in (OWN, PAPER):
        raise UsageError(f"--protocol {protocol}: choose {OWN} or {PAPER}")
    if protocol == OWN:
        return False
    given = {
        "--classifier": classifier not in (DEFAULT_CLASSIFIER, "majority"),
        "--false-accept": false_accept is not None,
        "--mirror": mirror != DEFAULT_MIRROR,
    }
    for option, is_given in given.items():
        if is_given:
            raise UsageError(
                f"--protocol {PAPER} compares vectors by their cosine, and the nearest examples "
                f"vote: leave {option} out"
            )
    return True


def classify_options(
    classifier: str, k: int | None, false_accept: float | None, mirror: str = DEFAULT_MIRROR
) -> ClassifyOptions:
    """Make `ClassifyOptions` of the options.

    Args:
        classifier: Value of `--classifier`.
        k: Value of `--k`.
        false_accept: Value of `--false-accept`, per cent.
        mirror: Value of `--mirror`.

    Raises:
        UsageError: If there is no such classifier or choice, or a number is out of range.
    """
    from stars_infer.classification.prediction import ClassifyOptions

    check_range("--false-accept", false_accept, above=0, below=100)
    share = None if false_accept is None else false_accept / 100
    return ClassifyOptions(classifier=classifier, k=k, false_accept_rate=share, mirror=mirror)


def ready_index(index: Path, model: str | None, output: Output) -> ExemplarIndex:
    """Open an index that is about to classify clips, and prepare it.

    Raises:
        ExemplarIndexError: If there is no index, it is empty, or another model made it.
    """
    opened = existing_index(index, model)
    try:
        make_ready(opened, output)
    except BaseException:
        opened.close()
        raise
    return opened


def make_ready(index: ExemplarIndex, output: Output) -> None:
    """Prepare an index for searching, which takes a while if it is large, with a progress bar.

    Raises:
        ExemplarIndexError: If the index is empty.
    """
    with output.counter("preparing the index") as progress:
        index.prepare(progress)


UnitsOption = Annotated[
    str | None,
    typer.Option(
        "--units",
        help="Unit of the positions: m, cm, mm or in, or the meters in a unit, such as 0.0564.",
        show_default="that of the format",
    ),
]
UpOption = Annotated[
    str | None,
    typer.Option(
        "--up",
        help="Axis that points up: y, z, x, or --up=-y; or auto, which finds it from the bodies.",
        show_default="that of the format",
    ),
]
LeftHandedFlag = Annotated[
    bool, typer.Option("--left-handed", help="The axes are left-handed, as in Unity and Unreal.")
]
PoseModelOption = Annotated[
    str | None,
    typer.Option(
        "--pose-model",
        envvar="STARS_POSE_MODEL",
        help="Model that sees people in videos: a .task file, or lite, full or heavy once fetched "
        "by `stars pose --download`.",
        show_default="full",
    ),
]
FlatFlag = Annotated[
    bool,
    typer.Option("--flat", help="Clips are in 2D, or taken so, and only compared with such clips."),
]
FpsOption = Annotated[
    float | None,
    typer.Option("--fps", help="Frames per second.", show_default="as the file states, else 30"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionGroup:
    """Options that a command receives together, as the value of one parameter.

    Attributes:
        options: The options, as keyword-only parameters whose annotations are Typer's:
            `Annotated[type, typer.Option(...)]` or `Annotated[type, typer.Argument(...)]`.
        make: Makes the value from the options, which it is given by name.
    """

    options: tuple[inspect.Parameter, ...]
    make: Callable[..., object]


def options_of(kind: type[Any]) -> tuple[inspect.Parameter, ...]:
    """One option for each field of a dataclass, in order; fields without a default are required.

    Args:
        kind: A dataclass whose annotations are those of Typer.
    """
    hints = get_type_hints(kind, include_extras=True)
    defaults = {
        field.name: inspect.Parameter.empty if field.default is MISSING else field.default
        for field in fields(kind)
    }
    return tuple(
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hints[name]
        )
        for name, default in defaults.items()
    )


def with_options(
    **groups: OptionGroup | type[Any],
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command several options in the place of one parameter.

    Typer makes one option of each parameter of a function. Options that several commands share
    are written once, as a dataclass, and a command takes an instance of it:

        @dataclass(frozen=True, slots=True, kw_only=True)
        class Machine:
            device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto"
            nodes: Annotated[int, typer.Option(help="Number of machines.")] = 1

        @app.command()
        @with_options(machine=Machine)
        def train(data: Path, machine: Machine) -> None: ...

    `stars train DATA --device cpu --nodes 2` calls `train(data=…, machine=Machine(device="cpu",
    nodes=2))`. Where the value is not an instance of the dataclass, or the options are not known
    before the program runs, give an `OptionGroup`. Everything is passed by name, so the options
    stand in the help in the order in which they are written, required ones among optional ones.

    Args:
        groups: For each parameter of the command that is to be replaced, a dataclass with Typer's
            annotations or an `OptionGroup`. A command takes all its groups from one call: the
            annotations of these parameters are not evaluated, so that they may name classes that
            are imported for type checking only.

    Returns:
        A decorator. What it returns has the options in its signature, for Typer, and takes them
        as keyword arguments.

    Raises:
        TypeError: If the command has no parameter of that name, or two options of one name.
    """
    made = {
        name: group
        if isinstance(group, OptionGroup)
        else OptionGroup(options=options_of(group), make=group)
        for name, group in groups.items()
    }

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command)
        if unknown := sorted(made.keys() - signature.parameters.keys()):
            raise TypeError(f"{command.__name__} has no parameter {', '.join(unknown)}")
        own = SimpleNamespace(
            __annotations__={
                name: annotation
                for name, annotation in command.__annotations__.items()
                if name not in made
            }
        )
        hints = get_type_hints(own, inspect.unwrap(command).__globals__, include_extras=True)
        parameters: list[inspect.Parameter] = []
        for name, parameter in signature.parameters.items():
            if name in made:
                parameters += made[name].options
            else:
                kind = inspect.Parameter.KEYWORD_ONLY
                parameters.append(parameter.replace(annotation=hints[name], kind=kind))
        names = [parameter.name for parameter in parameters]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise TypeError(f"{command.__name__} has two options {', '.join(twice)}")

        @functools.wraps(command)
        def run(**given: Any) -> None:
            for name, group in made.items():
                names = {option.name for option in group.options} & given.keys()
                given[name] = group.make(**{option: given.pop(option) for option in names})
            command(**given)

        run.__annotations__ = {p.name: p.annotation for p in parameters}
        run.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=parameters
        )
        return run

    return decorate


@dataclass(frozen=True, slots=True, kw_only=True)
class ConventionFlags:
    """What is known of clip files that do not state it, as in `Convention`, and the pose model."""

    layout: LayoutOption = None
    units: UnitsOption = None
    up: UpOption = None
    left_handed: LeftHandedFlag = False
    fps: FpsOption = None
    flat: FlatFlag = False
    pose_model: PoseModelOption = None


def _convention(
    *, left_handed: bool = False, flat: bool, pose_model: str | None = None, **given: Any
) -> Convention:
    from stars_infer.clips.convention import Convention  # it loads NumPy

    if pose_model is not None:
        os.environ["STARS_POSE_MODEL"] = pose_model  # also for the processes that read clips
    hand = "left" if left_handed else None
    return Convention(handedness=hand, flat=flat or None, **given)


CONVENTION = OptionGroup(options=options_of(ConventionFlags), make=_convention)
reads_clips = with_options(convention=CONVENTION)
"""Give a command the options of a `Convention` in the place of its parameter `convention`."""
