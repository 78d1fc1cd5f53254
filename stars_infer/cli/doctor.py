"""`stars doctor`: what is installed, what really runs, what is in the way."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from importlib.util import find_spec

from stars_infer.cli.extras import GROUPS
from stars_infer.cli.options import DEFAULT_INDEX, DeviceOption, IndexOption, ModelOption
from stars_infer.cli.output import JsonFlag, Output, QuietFlag
from stars_infer.cli.serve import NEEDS
from stars_infer.errors import MissingExtraError

_PARTS = {
    "stars studio": ("studio", (*NEEDS, "sklearn")),
    "stars serve": ("serve", NEEDS),
    "reading videos": ("video", ("mediapipe", "cv2")),
    "writing GIF and MP4": ("view", ("PIL", "av")),
}
"""What needs an extra besides groups of commands: the extra, and the packages."""


def doctor(
    index: IndexOption = DEFAULT_INDEX,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Show what is installed, which providers really run, and what is in the way."""
    from stars_infer.diagnosis import diagnose

    output = Output(json=json, quiet=quiet)
    diagnostics = []
    for one in diagnose(
        model=model,
        index=index,
        device=None if device == "auto" else device,
        optional={name: partial(_require, name, *part) for name, part in _PARTS.items()}
        | {f"stars {group.name}": partial(group.require, group.usage) for group in GROUPS},
    ):
        diagnostics.append(one)
        output.failures += one.state == "problem"
        if json:
            output.record(asdict(one))
    if not json:
        rows = [(one.what, one.state, one.detail) for one in diagnostics]
        output.table(("what", "state", "detail"), rows)
    output.finish()


def _require(name: str, extra: str, packages: tuple[str, ...]) -> None:
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        what = f"`{name}`" if name.startswith("stars ") else name
        raise MissingExtraError(what, extra, ", ".join(missing))
