"""Requests of the page about the whole index: list, map, check, confuse, suggest, change."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from stars_infer.curation.suggest import as_named, suggest
from stars_infer.curation.words import what as said_of
from stars_infer.layouts import layout_names
from stars_infer.similarity.features import Features
from stars_infer.studio.routes import Key, about_exemplar, studio_of

router = APIRouter(prefix="/studio/api")
_MOST_IDS = 10_000
_WAIT = JSONResponse({"ready": False}, 202)


class Ids(BaseModel):
    """Examples."""

    ids: list[int] = Field(min_length=1, max_length=_MOST_IDS)


class Relabel(Ids):
    """Examples, and what they show."""

    label: str = Field(max_length=1000)


class Rename(BaseModel):
    """An action, and its new name."""

    label: str = Field(max_length=1000)
    to: str = Field(max_length=1000)


class Unlabeled(BaseModel):
    """Clips of which the most useful are looked for."""

    keys: list[Key] = Field(max_length=3000)
    n: int = Field(10, ge=1, le=100)


@router.get("/state")
async def state(request: Request) -> JSONResponse:
    """What is taught, and what can be undone."""
    service = studio_of(request)
    counts = await asyncio.to_thread(service.index.counts)
    return JSONResponse(
        {
            "index": str(service.index.path),
            "model": service.encoder.info.name,
            "counts": counts,
            "undo": service.history.words,
            "clips": service.shelf.folder.name,
            "layouts": list(layout_names()),
            "camera": bool(request.app.state.camera),
            "limits": {"files": service.limits.files, "body": service.limits.body},
        }
    )


@router.get("/exemplars")
async def exemplars(request: Request) -> JSONResponse:
    """All examples."""
    found = await asyncio.to_thread(studio_of(request).index.exemplars)
    return JSONResponse({"exemplars": list(map(about_exemplar, found))})


@router.get("/map")
async def map_(request: Request) -> JSONResponse:
    """Where examples lie on the map; a draft while it is drawn."""
    found, kept = await asyncio.to_thread(studio_of(request).tending.map)
    if found is None:
        return _WAIT
    labels = sorted({one.label for one in kept})
    number = {label: position for position, label in enumerate(labels)}
    by_id = {one.id: one for one in kept}
    shown = [position for position, one in enumerate(found.ids.tolist()) if one in by_id]
    ids = found.ids[shown].tolist()
    return JSONResponse(
        {
            "ready": True,
            "final": found.final,
            "ids": ids,
            "labels": labels,
            "label": [number[by_id[one].label] for one in ids],
            "places": np.round(found.places[shown].astype(float), 4).ravel().tolist(),
        }
    )


@router.get("/report")
async def report(request: Request) -> JSONResponse:
    """What looks wrong, what is confused, and what would help."""
    found = await asyncio.to_thread(studio_of(request).tending.report)
    if found is None:
        return _WAIT
    confusion = found.confusion
    return JSONResponse(
        {
            "ready": True,
            "findings": [
                {
                    "kind": one.kind,
                    "words": said_of(one, found.exemplars),
                    "labels": list(one.labels),
                    "exemplars": [about_exemplar(found.exemplars[at]) for at in one.positions],
                    "similarity": one.similarity,
                }
                for one in found.findings
            ],
            "confusion": {
                "labels": list(confusion.labels),
                "table": confusion.table.tolist(),
                "asked": confusion.asked,
                "right": confusion.right,
                "pairs": [one.to_json() for one in confusion.confused],
            },
            "advice": [one.to_json() for one in found.advice],
        }
    )


@router.post("/suggest")
async def suggested(request: Request, what: Unlabeled) -> JSONResponse:
    """Which of some clips to name next."""
    service = studio_of(request)
    held = [await asyncio.to_thread(service.shelf.held, key) for key in what.keys]
    clips = [await service.prepared(one) for one in held]
    vectors: Any = [None] * len(clips)
    if service.encoder.info.compares_vectors:
        vectors = await service.draw(
            lambda: service.encoder.embed_prepared([one.prepared for one in clips])
        )
    asked = [
        Features(vector=vector, sequence=clip.sequence, flat=clip.flat)
        for clip, vector in zip(clips, vectors, strict=True)
    ]

    def choose() -> list[dict[str, Any]]:
        kept = service.index.features()
        found = suggest(
            asked,
            what.n,
            exemplars=[one for _, one in kept],
            labels=[one.label for one, _ in kept],
            how=service.encoder.info.comparison,
        )
        if kept:
            named = service.index.classify([asked[one.position] for one in found])
            found = as_named(found, named)
        return [
            {
                "key": held[one.position].key,
                "reason": one.reason,
                "labels": list(one.labels),
                "stands_for": one.stands_for,
            }
            for one in found
        ]

    return JSONResponse({"suggestions": await service.draw(choose) if asked else []})


@router.post("/remove")
async def remove(request: Request, what: Ids) -> JSONResponse:
    """Remove examples."""
    service = studio_of(request)
    return _changed(await service.change(lambda: service.history.remove(what.ids)))


@router.post("/relabel")
async def relabel(request: Request, what: Relabel) -> JSONResponse:
    """Give examples another action."""
    service = studio_of(request)
    return _changed(await service.change(lambda: service.history.relabel(what.ids, what.label)))


@router.post("/rename")
async def rename(request: Request, what: Rename) -> JSONResponse:
    """Give an action another name."""
    service = studio_of(request)
    return _changed(await service.change(lambda: service.history.rename(what.label, what.to)))


@router.post("/undo")
async def undo(request: Request) -> JSONResponse:
    """Take back the latest change."""
    service = studio_of(request)
    words: list[str] = []

    def work() -> int:
        said, done = service.history.undo()
        words.append(said)
        return done

    done = await service.change(work)
    return JSONResponse({"changed": done, "words": words[0]})


def _changed(count: int) -> JSONResponse:
    return JSONResponse({"changed": count})
