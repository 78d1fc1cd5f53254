"""The ASGI application: routes, doors, errors and OpenAPI around a service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from stars_infer.errors import StarsError, UsageError
from stars_infer.serving import answers, clip_routes, exemplar_routes, watch_route
from stars_infer.serving.doors import Doors
from stars_infer.serving.logs import LOGGER, REQUEST
from stars_infer.serving.metrics import CONTENT_TYPE
from stars_infer.serving.problems import body_of, headers_of, status_of
from stars_infer.serving.service import Service
from stars_infer.serving.settings import Access

_WORKS = frozenset(
    f"/v1/{name}" for name in ("classify", "chances", "search", "embed", "segment", "exemplars")
)
"""Requests that need room."""
_WRITES = "/v1/exemplars"
_ABOUT = (
    "Names human motion clips from a few labeled examples per action. Clips come as files of a "
    "form (`curl -F clip=@wave.bvh`), as JSON or as NumPy arrays; options stand in the query."
)


_WELCOME = {
    "name": "stars-infer",
    "version": version("stars-infer"),
    "about": _ABOUT,
    "requests": "/openapi.json",
    "state": "/readyz",
    "documentation": "docs/serving.md, in the sources of stars-infer",
}


def _of(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: answers.PROBLEMS[status] for status in statuses}


_ANYWHERE = _of(414, 431)


def create_app(service: Service, access: Access | None = None) -> ASGIApp:
    """Make the application that answers for a service, which starts and ends with it.

    Args:
        service: What it is about.
        access: Who may ask; everybody if not given.
    """
    return behind_doors(create_api(service), service, access)


def behind_doors(api: FastAPI, service: Service, access: Access | None = None) -> ASGIApp:
    """Put doors before an application that was made by `create_api`, and perhaps added to."""
    return Doors(
        api,
        access=access or Access(),
        metrics=service.metrics,
        full=service.gate.check,
        works=_WORKS,
        writes=_WRITES,
        slowest=2 * service.limits.seconds,
    )


def create_api(service: Service) -> FastAPI:
    """The application without its doors: whoever reaches it may do everything."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    app = FastAPI(
        title="stars-infer",
        version=version("stars-infer"),
        description=_ABOUT,
        lifespan=lifespan,
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
        telemetry={"auto_configure": False},
    )
    app.state.service = service
    for router in (clip_routes.router, exemplar_routes.router, watch_route.router):
        app.include_router(router)
    _add_server_routes(app, service)
    app.add_exception_handler(StarsError, _told)
    app.add_exception_handler(RequestValidationError, _misused)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(Exception, _unexpected)
    return app


def _add_server_routes(app: FastAPI, service: Service) -> None:
    @app.get("/", response_model=answers.Welcome, tags=["server"], responses=_ANYWHERE)
    async def welcome() -> JSONResponse:
        """What this is, and where more is said."""
        return JSONResponse(_WELCOME)

    @app.get("/healthz", response_model=answers.State, tags=["server"], responses=_ANYWHERE)
    async def health() -> JSONResponse:
        """Whether the process answers."""
        return JSONResponse({"status": "ok"})

    @app.get(
        "/readyz",
        response_model=answers.State,
        tags=["server"],
        responses=_of(414, 429, 431, 503),
    )
    async def ready() -> JSONResponse:
        """Whether requests are answered now."""
        await service.check_ready()
        return JSONResponse({"status": "ready"})

    @app.get(
        "/metrics", tags=["server"], responses={200: {"content": {CONTENT_TYPE: {}}}, **_ANYWHERE}
    )
    async def metrics() -> Response:
        """What is counted and measured, as Prometheus reads it."""
        text = await asyncio.to_thread(service.metrics.text)
        return Response(text, media_type=CONTENT_TYPE)


async def _told(request: Request, error: Exception) -> JSONResponse:
    """An error that is raised on purpose: its own sentence."""
    assert isinstance(error, StarsError)
    return JSONResponse(body_of(error), status_of(error), headers_of(error))


async def _misused(request: Request, error: Exception) -> JSONResponse:
    """A query or a body of another form than OpenAPI says."""
    assert isinstance(error, RequestValidationError)
    said = "; ".join(
        f"{'.'.join(str(part) for part in one['loc'][1:]) or 'the body'}: {one['msg']}"
        for one in error.errors()[:3]
    )
    return await _told(request, UsageError(said))


async def _refused(request: Request, error: Exception) -> JSONResponse:
    """No such path, or no such method."""
    assert isinstance(error, HTTPException)
    said = {"error": f"{request.url.path[:200]}: {error.detail}", "kind": "server"}
    return JSONResponse(said, error.status_code, error.headers)


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    """A fault of ours: the client learns only under which number the log tells more."""
    LOGGER.error("unexpected %s", type(error).__name__, exc_info=error)
    said = f"unexpected error; the server's log says more about request {REQUEST.get()}"
    return JSONResponse({"error": said, "kind": "server"}, 500)
