"""`stars studio`: a local page to teach, to ask and to tend."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from stars_infer.cli.options import DEFAULT_INDEX, DeviceOption, IndexOption, ModelOption
from stars_infer.cli.output import JsonFlag, Output, QuietFlag
from stars_infer.cli.serve import NEEDS
from stars_infer.errors import MissingExtraError


def studio(
    *,
    index: IndexOption = DEFAULT_INDEX,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port; 0 for one that is free.")
    ] = 0,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")
    ] = True,
    camera_files: Annotated[
        Path | None,
        typer.Option(
            "--camera-files",
            envvar="STARS_CAMERA_FILES",
            help="Folder of MediaPipe's files for pages, to record in the browser.",
        ),
    ] = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Teach, ask and tend in a page of this machine, until Ctrl-C.

    Only the browser that opens the printed address can use it. Clips that you teach are kept in
    the folder INDEX.clips, so that they can be played again.
    """
    missing = [package for package in (*NEEDS, "sklearn") if find_spec(package) is None]
    if missing:
        raise MissingExtraError("`stars studio`", "studio", ", ".join(missing))
    from stars_infer.studio.run import serve_studio

    output = Output(json=json, quiet=quiet)

    def tell(address: str) -> None:
        if json:
            output.record({"address": address, "index": str(index)})
        elif quiet:
            output.table((), [(address,)])
        else:
            output.note(address)
            output.note(f"teaches {index}; Ctrl-C ends it")

    serve_studio(
        index,
        model=model,
        device=device,
        port=port,
        browser=browser,
        camera=camera_files,
        tell=tell,
    )
