"""`stars serve`: name clips for others over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from stars_infer.cli.cluster import LOCAL, AddressOption, EngineOption, runs_on_ray
from stars_infer.cli.options import (
    DEFAULT_INDEX,
    DeviceOption,
    IndexOption,
    ModelOption,
    with_options,
)
from stars_infer.errors import MissingExtraError

NEEDS = ("fastapi", "uvicorn", "websockets", "prometheus_client", "async_batcher", "pebble",
          "python_multipart")  # fmt: skip
_WHO, _HOW_MUCH, _MANY = "Who may ask", "How much", "Many machines"


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where the server listens, and for whom."""

    host: Annotated[
        str, typer.Option("--host", help="Address; 0.0.0.0 for all of this machine.")
    ] = "127.0.0.1"
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port; 0 for one that is free.")
    ] = 8000
    read_keys: Annotated[
        Path | None,
        typer.Option(
            "--read-keys",
            help="File of keys with which clips are named and examples listed, one a line; beside "
            "those in STARS_READ_KEYS.",
            rich_help_panel=_WHO,
        ),
    ] = None
    write_keys: Annotated[
        Path | None,
        typer.Option(
            "--write-keys",
            help="File of keys with which examples are changed as well; beside those in "
            "STARS_WRITE_KEYS.",
            rich_help_panel=_WHO,
        ),
    ] = None
    open: Annotated[
        bool,
        typer.Option(
            "--open",
            help="Listen beyond this machine without keys: whoever reaches the port may do all.",
            rich_help_panel=_WHO,
        ),
    ] = False
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            help="A name by which clients call the server; repeat it for several.",
            show_default="any, beyond this machine; else localhost",
            rich_help_panel=_WHO,
        ),
    ] = None
    ssl_certfile: Annotated[
        Path | None, typer.Option("--ssl-certfile", help="Certificate for TLS, PEM.")
    ] = None
    ssl_keyfile: Annotated[
        Path | None, typer.Option("--ssl-keyfile", help="Key of the certificate, PEM.")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much a request may ask for, and how much waits at once."""

    max_body: Annotated[
        float,
        typer.Option(
            "--max-body", min=0.01, help="Size of a request, MB.", rich_help_panel=_HOW_MUCH
        ),
    ] = 32
    max_clips: Annotated[
        int,
        typer.Option(
            "--max-clips", min=1, help="Files and clips of a request.", rich_help_panel=_HOW_MUCH
        ),
    ] = 64
    max_frames: Annotated[
        int,
        typer.Option("--max-frames", min=2, help="Frames of a clip.", rich_help_panel=_HOW_MUCH),
    ] = 36_000
    max_joints: Annotated[
        int,
        typer.Option("--max-joints", min=1, help="Joints of a body.", rich_help_panel=_HOW_MUCH),
    ] = 500
    max_memory: Annotated[
        int,
        typer.Option(
            "--max-memory",
            min=64,
            help="Memory that reading a clip may take, MB.",
            rich_help_panel=_HOW_MUCH,
        ),
    ] = 1024
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout",
            min=0.1,
            help="Seconds in which a body must come, be read, and be answered, each.",
            rich_help_panel=_HOW_MUCH,
        ),
    ] = 30
    queue: Annotated[
        int,
        typer.Option(
            "--queue",
            min=1,
            help="Requests that wait or are worked on; others are told to come again.",
            rich_help_panel=_HOW_MUCH,
        ),
    ] = 32
    batch: Annotated[
        int,
        typer.Option(
            "--batch", min=2, help="Requests that are named together.", rich_help_panel=_HOW_MUCH
        ),
    ] = 16
    readers: Annotated[
        int | None,
        typer.Option(
            "--readers",
            min=1,
            help="Processes that read clips.",
            show_default="one per core, at most 8",
            rich_help_panel=_HOW_MUCH,
        ),
    ] = None
    watchers: Annotated[
        int,
        typer.Option("--watchers", min=1, help="Streams at once.", rich_help_panel=_HOW_MUCH),
    ] = 8
    connections: Annotated[
        int,
        typer.Option(
            "--connections", min=1, help="Connections at once.", rich_help_panel=_HOW_MUCH
        ),
    ] = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Many:
    """Where the server runs, and how often."""

    engine: EngineOption = LOCAL
    address: AddressOption = None
    replicas: Annotated[
        int,
        typer.Option(
            "--replicas",
            min=1,
            help="With --engine ray: processes that name clips, each with limits of its own.",
            rich_help_panel=_MANY,
        ),
    ] = 2
    max_replicas: Annotated[
        int | None,
        typer.Option(
            "--max-replicas",
            min=1,
            help="With --engine ray: start more replicas under load, up to so many.",
            show_default="as --replicas",
            rich_help_panel=_MANY,
        ),
    ] = None


@with_options(door=Door, bounds=Bounds, many=Many)
def serve(
    *,
    door: Door,
    bounds: Bounds,
    many: Many,
    index: IndexOption = DEFAULT_INDEX,
    model: ModelOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Name clips, learn examples and follow streams over HTTP, until Ctrl-C or SIGTERM.

    Only programs of this machine can reach the server, unless --host says otherwise, which takes
    keys. The log goes to stderr, one JSON object a line.
    """
    missing = [package for package in NEEDS if find_spec(package) is None]
    if missing:
        raise MissingExtraError("`stars serve`", "serve", ", ".join(missing))
    from stars_infer.serving.keys import Keys
    from stars_infer.serving.run import Place, serve_index
    from stars_infer.serving.settings import MEGABYTE, Limits

    place = Place(
        host=door.host,
        port=door.port,
        keys=Keys.read(door.read_keys, door.write_keys),
        names=door.allow_host or (),
        anybody=door.open,
        certificate=door.ssl_certfile,
        certificate_key=door.ssl_keyfile,
    )
    limits = Limits(
        body=round(bounds.max_body * MEGABYTE),
        files=bounds.max_clips,
        frames=bounds.max_frames,
        joints=bounds.max_joints,
        memory=bounds.max_memory * MEGABYTE,
        seconds=bounds.timeout,
        queue=bounds.queue,
        batch=bounds.batch,
        readers=bounds.readers,
        watchers=bounds.watchers,
        connections=bounds.connections,
    )
    if runs_on_ray(many.engine):
        from stars_infer.cluster.engine import check_ray

        check_ray()
        from stars_infer.cluster.deployment import Replicas
        from stars_infer.cluster.serving import serve_on_ray

        serve_on_ray(
            index,
            model=model,
            device=device,
            place=place,
            limits=limits,
            replicas=Replicas(least=many.replicas, most=many.max_replicas),
            address=many.address,
        )
        return
    serve_index(index, model=model, device=device, place=place, limits=limits)
