"""Requests about exemplars: add, list, rename, remove, copy; and about the model."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, JSONResponse
from starlette.background import BackgroundTask

from stars_infer.errors import UsageError
from stars_infer.index.exemplar import check_ids
from stars_infer.index.labels import check_label
from stars_infer.serving import answers
from stars_infer.serving.clip_routes import BODY, failures_of, service_of, upload_of
from stars_infer.serving.options import AddQuery

router = APIRouter(prefix="/v1", responses=answers.PROBLEMS)
_PAGE, _MOST_PAGE = 100, 1000
_MOST_IDS = 10_000
_MOST_RENAMED = 256 * 1024
"""Bytes of a request to rename."""
_UNKNOWN = "no such example; GET /v1/exemplars lists them"


@router.post(
    "/exemplars",
    response_model=answers.AddAnswer,
    status_code=201,
    openapi_extra=BODY,
    tags=["exemplars"],
)
async def add(request: Request, query: Annotated[AddQuery, Query()]) -> JSONResponse:
    """Add clips as examples of an action. What is told to be added is in the file."""
    label = check_label(query.label)
    async with upload_of(request, query) as upload:
        found, failures = await service_of(request).add(upload, label)
    clips = [
        {
            "source": one.source,
            "label": one.label,
            "notes": list(one.notes),
            "added": one.known is None,
            "known": None if one.known is None else asdict(one.known),
        }
        for one in found
    ]
    return JSONResponse({"clips": clips, "failures": failures_of(failures)}, status_code=201)


@router.get("/exemplars", response_model=answers.ListAnswer, tags=["exemplars"])
async def list_(
    request: Request,
    label: Annotated[str | None, Query(description="Only those of an action.")] = None,
    start: Annotated[int, Query(ge=0, description="How many to leave out.")] = 0,
    limit: Annotated[int, Query(ge=0, le=_MOST_PAGE, description="How many at most.")] = _PAGE,
) -> JSONResponse:
    """List examples, by label and then by age, and count those of each action."""
    index = service_of(request).index
    counts = await asyncio.to_thread(index.counts)
    found = await asyncio.to_thread(index.exemplars, label) if limit else []
    page = found[start : start + limit]
    end = start + len(page)
    return JSONResponse(
        {
            "counts": counts,
            "exemplars": list(map(asdict, page)),
            "next": end if page and end < len(found) else None,
        }
    )


@router.patch(
    "/exemplars", response_model=answers.Changed, tags=["exemplars"], max_body_size=_MOST_RENAMED
)
async def rename(request: Request, what: answers.Rename) -> JSONResponse:
    """Give an action another name, or single examples another label."""
    service = service_of(request)
    if (what.label is None) == (not what.ids):
        raise UsageError("say what to rename: an action (`label`), or single examples (`ids`)")
    to = check_label(what.to)
    if (label := what.label) is not None:
        changed = await service.change(lambda: service.index.rename(label, to), label)
    else:
        ids = check_ids(what.ids)

        def relabel() -> int:
            done = service.index.relabel(ids, to)
            if not done and not {one.id for one in service.index.exemplars()} & set(ids):
                raise UsageError(_UNKNOWN)
            return done

        changed = await service.change(relabel)
    return JSONResponse({"changed": changed})


@router.delete("/exemplars", response_model=answers.Changed, tags=["exemplars"])
async def remove(
    request: Request,
    label: Annotated[str | None, Query(description="An action, with all its examples.")] = None,
    id: Annotated[
        Sequence[int] | None, Query(description="Single examples.", max_length=_MOST_IDS)
    ] = None,
) -> JSONResponse:
    """Remove an action with all its examples, or single examples."""
    service = service_of(request)
    ids = check_ids(id or ())
    if label is None and not ids:
        raise UsageError("say what to remove: an action (`label`), or single examples (`id`)")

    def work() -> int:
        removed = service.index.remove(label=label, ids=ids)
        if not removed:
            raise UsageError(_UNKNOWN)
        return removed

    return JSONResponse({"changed": await service.change(work, label)})


@router.get(
    "/exemplars/file",
    response_class=FileResponse,
    tags=["exemplars"],
    responses={200: {"content": {"application/vnd.sqlite3": {}}}},
)
async def copy(request: Request) -> FileResponse:
    """A copy of the index, as a file that `--index` takes."""
    folder = tempfile.TemporaryDirectory(prefix="stars-serve-copy-")
    path = Path(folder.name) / "stars.db"
    try:
        await service_of(request).save(path)
    except BaseException:
        folder.cleanup()
        raise
    return FileResponse(
        path,
        media_type="application/vnd.sqlite3",
        filename="stars.db",
        background=BackgroundTask(folder.cleanup),
    )


@router.get("/models", response_model=answers.ModelsAnswer, tags=["server"])
async def models(request: Request) -> JSONResponse:
    """The model that names clips here, and how much it was taught."""
    service = service_of(request)
    info = service.encoder.info
    counts = await asyncio.to_thread(service.index.counts)
    return JSONResponse(
        {
            "models": [
                {
                    "name": info.name,
                    "fingerprint": info.fingerprint,
                    "width": info.width,
                    "comparison": info.comparison_in_words(),
                    "license": info.license,
                    "exemplars": sum(counts.values()),
                    "actions": len(counts),
                }
            ]
        }
    )
