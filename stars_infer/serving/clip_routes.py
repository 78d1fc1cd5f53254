"""Requests about clips: name, find, embed, segment."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from stars_infer.clips.people import POOLED, check_way
from stars_infer.errors import ClipError
from stars_infer.preprocessing.views import check_views
from stars_infer.serving import answers
from stars_infer.serving.options import (
    ChancesQuery,
    ClassifyQuery,
    ClipQuery,
    SearchQuery,
    SegmentQuery,
)
from stars_infer.serving.reading import Upload
from stars_infer.serving.service import Service
from stars_infer.serving.uploads import ENDINGS, FORM

router = APIRouter(prefix="/v1", tags=["clips"], responses=answers.PROBLEMS)
NPY = "application/x-npy"

_FRAME = [[round(0.03 * joint - 0.4, 2), round(0.06 * joint, 2), 2.5] for joint in range(25)]
_CLIP = {"layout": "ntu25", "fps": 30, "units": "m", "up": "y", "bodies": [[_FRAME, _FRAME]]}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "Clip files, in any format of docs/sources.md but videos.",
        "content": {
            FORM: {
                "schema": {
                    "type": "object",
                    "required": ["clip"],
                    "properties": {
                        "clip": {
                            "type": "array",
                            "minItems": 1,
                            "items": {"type": "string", "format": "binary"},
                        }
                    },
                }
            },
            **{kind: _BINARY for kind in ENDINGS if kind != "application/json"},
            "application/json": {
                "schema": {
                    "type": "object",
                    "description": "`bodies` (M, T, V, 3), or `frames`.",
                    "properties": {
                        "layout": {"type": "string"},
                        "fps": {"type": "number"},
                        "units": {"type": "string"},
                        "up": {"type": "string"},
                        "bodies": {"type": "array"},
                        "frames": {"type": "array"},
                    },
                },
                "example": _CLIP,
            },
        },
    }
}
"""The body of requests with clips, for OpenAPI."""


def service_of(request: Request) -> Service:
    """The service that answers a request."""
    service: Service = request.app.state.service
    return service


@asynccontextmanager
async def upload_of(
    request: Request, query: ClipQuery, *, people: str = POOLED, views: Sequence[str] = ()
) -> AsyncIterator[Upload]:
    """Receive the clips of a request.

    Raises:
        StarsError: If an option means nothing, or the body cannot be taken.
    """
    convention = query.convention()
    check_way(people)
    views = check_views(views)
    async with service_of(request).spool.files_of(request, name=query.name) as (folder, files):
        yield Upload(folder=folder, files=files, convention=convention, people=people, views=views)


def failures_of(failures: Sequence[ClipError]) -> list[dict[str, str]]:
    """Clips that cannot be used, in JSON."""
    return [{"source": one.source, "error": one.problem} for one in failures]


@router.post("/classify", response_model=answers.ClassifyAnswer, openapi_extra=BODY)
async def classify(request: Request, query: Annotated[ClassifyQuery, Query()]) -> JSONResponse:
    """Name the action of each clip by its nearest examples, or say that it is unknown."""
    options = query.options()
    async with upload_of(request, query, people=query.people, views=query.views) as upload:
        found, failures = await service_of(request).classify(upload, options)
    return JSONResponse(
        {"answers": [one.to_dict() for one in found], "failures": failures_of(failures)}
    )


@router.post("/chances", response_model=answers.ChancesAnswer, openapi_extra=BODY)
async def chances(request: Request, query: Annotated[ChancesQuery, Query()]) -> JSONResponse:
    """How likely each action is; what is missing to 1 is the chance of another action."""
    options = query.options()
    async with upload_of(request, query, views=query.views) as upload:
        sources, found, failures = await service_of(request).chances(upload, options)
    return JSONResponse(
        {
            "labels": found.labels,
            "sources": sources,
            "chances": found.values,
            "failures": failures_of(failures),
        }
    )


@router.post("/search", response_model=answers.SearchAnswer, openapi_extra=BODY)
async def search(request: Request, query: Annotated[SearchQuery, Query()]) -> JSONResponse:
    """Find the examples that are most similar to each clip."""
    async with upload_of(request, query, views=query.views) as upload:
        sources, found, failures = await service_of(request).search(upload, query.k)
    return JSONResponse(
        {
            "answers": [
                {"source": source, "neighbors": [one.to_dict() for one in neighbors]}
                for source, neighbors in zip(sources, found, strict=True)
            ],
            "failures": failures_of(failures),
        }
    )


@router.post(
    "/embed",
    response_model=answers.EmbedAnswer,
    openapi_extra=BODY,
    responses={200: {"content": {NPY: _BINARY}}},
)
async def embed(request: Request, query: Annotated[ClipQuery, Query()]) -> Response:
    """Vectors of clips, as JSON or, with `Accept: application/x-npy`, as an array (N, D).

    With the latter, no clip may fail.
    """
    service = service_of(request)
    async with upload_of(request, query) as upload:
        clips, vectors, failures = await service.embed(upload)
    if NPY in request.headers.get("accept", ""):
        if failures:
            raise failures[0]
        file = io.BytesIO()
        np.save(file, vectors)
        return Response(file.getvalue(), media_type=NPY)
    info = service.encoder.info
    return JSONResponse(
        {
            "model": info.name,
            "fingerprint": info.fingerprint,
            "clips": [
                {
                    "source": clip.source,
                    "vector": vector.tolist(),
                    "content_hash": clip.content_hash,
                    "notes": list(clip.notes),
                }
                for clip, vector in zip(clips, vectors, strict=True)
            ],
            "failures": failures_of(failures),
        }
    )


@router.post("/segment", response_model=answers.SegmentAnswer, openapi_extra=BODY)
async def segment(request: Request, query: Annotated[SegmentQuery, Query()]) -> JSONResponse:
    """Find the actions in recordings: when each begins and ends, and how sure that is."""
    options = query.options()
    async with upload_of(request, query, people=query.people) as upload:
        found, failures = await service_of(request).segment(upload, options)
    return JSONResponse(
        {"recordings": [one.to_dict() for one in found], "failures": failures_of(failures)}
    )
