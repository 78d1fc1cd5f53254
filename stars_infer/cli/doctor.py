"""`stars doctor`: what is installed, what really runs, what is in the way."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial

from stars_infer.cli.extras import GROUPS
from stars_infer.cli.options import DEFAULT_INDEX, DeviceOption, IndexOption, ModelOption
from stars_infer.cli.output import JsonFlag, Output, QuietFlag


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
        optional={f"stars {group.name}": partial(group.require, group.usage) for group in GROUPS},
    ):
        diagnostics.append(one)
        output.failures += one.state == "problem"
        if json:
            output.record(asdict(one))
    if not json:
        rows = [(one.what, one.state, one.detail) for one in diagnostics]
        output.table(("what", "state", "detail"), rows)
    output.finish()
