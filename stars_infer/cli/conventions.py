"""The options with which a command is told what its files do not say."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_type_hints

import typer

from stars_infer.cli.options import LayoutOption

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
        from stars_infer.convention import Convention

        said = {name: given.pop(name) for name in _OPTIONS}
        handedness = "left" if said.pop("left_handed") else None
        command(**given, convention=Convention(handedness=handedness, **said))

    with_options.__annotations__ = {p.name: p.annotation for p in parameters}
    with_options.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=parameters
    )
    return with_options
