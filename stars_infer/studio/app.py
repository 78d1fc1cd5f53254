"""The studio's application: that of `stars serve`, with the page and what it asks."""

from __future__ import annotations

import mimetypes
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from stars_infer.serving.app import behind_doors, create_api
from stars_infer.serving.settings import Access
from stars_infer.studio import routes, tend_routes
from stars_infer.studio.guard import Guard
from stars_infer.studio.service import StudioService

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_PLAYER = ("player.css", "player.js", "skeleton.js")
"""Files of the player, which lie in another room."""
_TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".html": "text/html",
    ".svg": "image/svg+xml",
}


def create_studio(service: StudioService, *, camera: Path | None = None) -> Guard:
    """Make the application.

    Args:
        service: What it is about; it is started and ended with it.
        camera: Folder of MediaPipe's files for pages; None to leave out the camera.
    """
    api = create_api(service)
    api.state.camera = camera is not None
    api.include_router(routes.router, include_in_schema=False)
    api.include_router(tend_routes.router, include_in_schema=False)
    if camera is not None:
        mimetypes.add_type("application/wasm", ".wasm")
        mimetypes.add_type("text/javascript", ".mjs")
        api.mount("/studio/camera", StaticFiles(directory=camera))
    _add_page(api)
    _end_with(api, service)
    access = Access(hosts=_LOOPBACK)
    return Guard(behind_doors(api, service, access), camera=camera is not None)


def _add_page(api: FastAPI) -> None:
    """Hand out the page's own files, by their names alone."""
    player = files("stars_infer.inspection").joinpath("web")
    own = files("stars_infer.studio").joinpath("web")
    held: dict[str, tuple[bytes, str]] = {}
    for one in (*own.iterdir(), *map(player.joinpath, _PLAYER)):
        kind = _TYPES.get(Path(one.name).suffix)
        if kind is not None:
            held[one.name] = one.read_bytes(), kind

    @api.get("/studio/{name:path}", include_in_schema=False)
    async def page(request: Request, name: str) -> Response:
        if (name or "index.html") not in held:
            raise HTTPException(404)
        body, kind = held[name or "index.html"]
        return Response(body, media_type=kind)


def _end_with(api: FastAPI, service: StudioService) -> None:
    """End the studio's threads where the service ends."""
    inner = api.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with inner(app):
            try:
                yield
            finally:
                service.close()

    api.router.lifespan_context = lifespan
