"""Serve the studio to this machine's browser until Ctrl-C."""

from __future__ import annotations

import logging
import socket
import sys
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread

import uvicorn

from stars_infer.encoder.encoder import Encoder
from stars_infer.errors import UsageError
from stars_infer.serving.connections import DeadlineProtocol
from stars_infer.serving.lengths import LONGEST_HEAD
from stars_infer.serving.logs import LOGGER
from stars_infer.serving.metrics import Metrics
from stars_infer.shared.open import open_index
from stars_infer.streaming.frames import MAX_LINE
from stars_infer.studio.app import create_studio
from stars_infer.studio.service import LIMITS, StudioService

HOST = "127.0.0.1"
CAMERA_FILES = ("vision_bundle.mjs", "wasm", "pose_landmarker.task")
"""What the folder for the camera holds: files of MediaPipe for pages, and its pose model."""


def serve_studio(
    index: Path,
    *,
    model: str | None = None,
    device: str = "auto",
    port: int = 0,
    browser: bool = True,
    camera: Path | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> None:
    """Open an index, made if there is none, and serve the studio.

    Args:
        index: The file of examples.
        model: As in `Encoder.load`.
        device: As in `Encoder.load`.
        port: Of this machine; 0 for one that is free.
        browser: Whether to open the page.
        camera: As in `create_studio`.
        tell: Called with the address once the page can be opened.

    Raises:
        StarsError: If there is no such model, or the file is no index of it.
        OSError: If the port cannot be used.
    """
    check_camera(camera)
    encoder = Encoder.load(model, device=device)
    service = StudioService(encoder, open_index(index, encoder.info), LIMITS, Metrics())
    app = create_studio(service, camera=camera)
    _log_briefly()
    listening = _listen(port)
    address = f"http://{HOST}:{listening.getsockname()[1]}/?token="

    def ready() -> None:
        tell(address + app.token)
        if browser:
            # Some browsers run in the terminal until they are closed.
            Thread(target=webbrowser.open, args=(address + app.ticket,), daemon=True).start()

    config = uvicorn.Config(
        app,
        http=DeadlineProtocol,
        ws="websockets-sansio",
        ws_max_size=MAX_LINE,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=round(LIMITS.grace),
        h11_max_incomplete_event_size=LONGEST_HEAD,
        lifespan="on",
    )
    with listening, suppress(KeyboardInterrupt):  # which is how it is ended
        _Server(config, ready).run(sockets=[listening])


def check_camera(folder: Path | None) -> None:
    """Make sure that a folder holds what the page needs to use the camera.

    Raises:
        UsageError: If a file is missing.
    """
    if folder is None:
        return
    missing = [name for name in CAMERA_FILES if not (folder / name).exists()]
    if missing:
        raise UsageError(
            f"{folder}: holds no {', '.join(missing)}; docs/studio.md says where they come from"
        )


def _listen(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
    except OSError as error:
        listening.close()
        raise OSError(
            f"port {port} cannot be used: {error.strerror}; try another --port"
        ) from error
    return listening


def _log_briefly() -> None:
    """Write warnings of the server to stderr in one line each, without tracebacks."""

    class Brief(logging.Formatter):
        def formatException(self, ei: object) -> str:  # noqa: N802
            return f"({ei[0].__name__}: {ei[1]})" if isinstance(ei, tuple) and ei[0] else ""

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Brief("%(message)s"))
    handler.setLevel(logging.WARNING)
    LOGGER.addHandler(handler)
    LOGGER.propagate = False


class _Server(uvicorn.Server):
    """Says when the page can be opened."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()
