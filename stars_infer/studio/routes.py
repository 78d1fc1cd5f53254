"""Requests of the studio's page about clips: read, play, lay over each other, name, teach, cut."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import PurePath
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from stars_infer.clips.clip import Clip
from stars_infer.errors import UsageError
from stars_infer.index.exemplar import Exemplar
from stars_infer.preprocessing.views import mirror_clip
from stars_infer.segmentation.segment import MIN_CONFIDENCE
from stars_infer.serving.clip_routes import failures_of, upload_of
from stars_infer.serving.options import ClipQuery
from stars_infer.similarity.alignment import Alignment, align
from stars_infer.studio.bodies import SAID, drawn, playable
from stars_infer.studio.service import StudioService
from stars_infer.studio.shelf import Held
from stars_infer.synthetic.actions import perform

router = APIRouter(prefix="/studio/api")
NEAR_MISS = 0.1
"""Segments less sure than others, down to this, are shown as near misses."""
DEMO = ("wave", "squat", "kick")
"""Actions of the made-up clips."""
_MOST_KEYS = 1000
Key = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def studio_of(request: Request) -> StudioService:
    """The service that answers a request."""
    service: StudioService = request.app.state.service
    return service


class ReadQuery(ClipQuery):
    """How files are read."""

    recording: bool = False


class Teach(BaseModel):
    """Clips, and what they show."""

    keys: list[Key] = Field(max_length=_MOST_KEYS)
    label: str = Field(max_length=1000)
    batch: str = Field("", max_length=40)


class One(BaseModel):
    """A clip."""

    key: Key


class Told(One):
    """A clip, and whether it shows an action of the index."""

    known: bool


class Cut(BaseModel):
    """A part of a recording, from second to second."""

    key: Key
    start: float = Field(ge=0, allow_inf_nan=False)
    end: float = Field(ge=0, allow_inf_nan=False)


@router.post("/read")
async def read(request: Request, query: Annotated[ReadQuery, Query()]) -> JSONResponse:
    """Read files, and hold their clips."""
    service = studio_of(request)
    async with upload_of(request, query) as upload:
        held, failures = await service.read(upload, recording=query.recording)
    known = {one.content_hash: one for one in await _exemplars(service)}
    return JSONResponse(
        {
            "clips": [about_clip(one, known.get(one.key)) for one in held],
            "failures": failures_of(failures),
        }
    )


@router.post("/demo")
async def demo(request: Request) -> JSONResponse:
    """Hold made-up clips of three actions, to try the studio with."""
    service = studio_of(request)
    made = await service.draw(made_up)
    held = [(action, service.shelf.hold(clip, None)) for action, clip in made]
    known = {one.content_hash: one for one in await _exemplars(service)}
    clips = [about_clip(one, known.get(one.key)) | {"folder": action} for action, one in held]
    return JSONResponse({"clips": clips})


@router.get("/clips/{key}")
async def play(request: Request, key: str, mirrored: bool = False) -> JSONResponse:
    """A clip that is held, to be played."""
    service = studio_of(request)
    held = await asyncio.to_thread(service.shelf.held, key)
    return await _played(service, held.clip, mirrored, name=name_of(held.clip.source))


@router.get("/exemplars/{number}/clip")
async def play_exemplar(request: Request, number: int, mirrored: bool = False) -> JSONResponse:
    """An example, to be played as far as it can be."""
    service = studio_of(request)
    exemplar = await exemplar_of(service, number)
    found = await drawn(service, exemplar)
    return await _played(
        service,
        found.clip,
        mirrored,
        name=name_of(exemplar.source),
        note=SAID[found.source],
        label=exemplar.label,
        **{"from": found.source},
    )


async def _played(service: StudioService, clip: Clip, mirrored: bool, **more: str) -> JSONResponse:
    made = await service.draw(lambda: playable(mirror_clip(clip) if mirrored else clip))
    return JSONResponse(made | more)


@router.get("/align")
async def lay_over(request: Request, first: str, second: str) -> JSONResponse:
    """Two clips over each other in time: `k` and a hash, or `e` and the number of an example."""
    service = studio_of(request)
    one, other = [await _clip_of(service, what) for what in (first, second)]
    how = service.encoder.info.comparison

    def work() -> Alignment:
        found = align(one, other, how)
        if len(service.index) and service.index.mirroring().weight:
            mirrored = align(one, other, how, mirrored=True)
            return max(found, mirrored, key=lambda each: each.similarity)
        return found

    found = await service.draw(work)
    return JSONResponse(
        found.to_json() | {"words": list(found.words()), "pace": found.pace_words()}
    )


@router.post("/ask")
async def ask(request: Request, what: One) -> JSONResponse:
    """Name a clip, with the numbers of the nearest examples."""
    service = studio_of(request)
    held = await asyncio.to_thread(service.shelf.held, what.key)
    found, mirrored = await service.name(held)
    near = [
        one.to_dict() | {"id": one.id, "name": name_of(one.source)}
        for one in (*mirrored, *found.neighbors)
    ]
    return JSONResponse(found.to_dict() | {"neighbors": near, "key": what.key})


@router.post("/tell")
async def tell(request: Request, what: Told) -> JSONResponse:
    """Count a clip that was looked at as one of a known or of an unknown action."""
    counted = await asyncio.to_thread(studio_of(request).tell, what.key, known=what.known)
    return JSONResponse({"counted": counted})


@router.post("/segment")
async def segment(request: Request, what: One) -> JSONResponse:
    """Find the actions in a recording, and what nearly was one."""
    service = studio_of(request)
    held = await asyncio.to_thread(service.shelf.held, what.key)
    found, missed = await service.segments(held, NEAR_MISS)
    parts = [(one, False) for one in found] + [(one, True) for one in missed]
    parts.sort(key=lambda part: part[0].start)
    return JSONResponse(
        {
            "key": what.key,
            "seconds": held.clip.frames / held.clip.fps,
            "threshold": MIN_CONFIDENCE,
            "segments": [asdict(one) | {"missed": miss} for one, miss in parts],
        }
    )


@router.post("/cut")
async def cut(request: Request, what: Cut) -> JSONResponse:
    """Make a clip of a part of a recording."""
    service = studio_of(request)
    held = await asyncio.to_thread(service.shelf.held, what.key)
    return JSONResponse(about_clip(service.cut(held, what.start, what.end), None))


@router.post("/teach")
async def teach(request: Request, what: Teach) -> JSONResponse:
    """Add clips as examples of an action."""
    service = studio_of(request)
    held = [await asyncio.to_thread(service.shelf.held, key) for key in what.keys]
    found = await service.teach(held, what.label, what.batch)
    known = {one.content_hash: one for one in await _exemplars(service)}
    clips = [
        {
            "key": one.key,
            "name": name_of(one.clip.source),
            "added": addition.known is None,
            "exemplar": about_exemplar(known[one.key]) if one.key in known else None,
        }
        for one, addition in zip(held, found, strict=True)
    ]
    return JSONResponse({"clips": clips, "label": found[0].label})


def made_up() -> list[tuple[str, Clip]]:
    """Three clips of three actions by a synthetic performer."""
    random = np.random.default_rng(7)
    return [
        (action, Clip.from_array(perform(action, random), source=f"{action} {number}"))
        for action in DEMO
        for number in (1, 2, 3)
    ]


async def exemplar_of(service: StudioService, number: int) -> Exemplar:
    """An example by its number.

    Raises:
        UsageError: If there is none.
    """
    found = await asyncio.to_thread(service.index.exemplar, number)
    if found is None:
        raise UsageError(f"there is no example {number}: somebody else may have removed it")
    return found


async def _exemplars(service: StudioService) -> Sequence[Exemplar]:
    return await asyncio.to_thread(service.index.exemplars)


async def _clip_of(service: StudioService, what: str) -> Clip:
    kind, rest = what[:1], what[1:]
    if kind == "e" and rest.isdecimal():
        exemplar = await exemplar_of(service, int(rest))
        return replace((await drawn(service, exemplar)).clip, source=name_of(exemplar.source))
    if kind == "k":
        return (await asyncio.to_thread(service.shelf.held, rest)).clip
    raise UsageError(f"{what[:20]!r}: name a clip by k and its hash, or an example by e and its id")


def about_clip(held: Held, known: Exemplar | None) -> dict[str, Any]:
    """A clip in words and numbers, and the example that holds it already."""
    clip = held.clip
    return {
        "key": held.key,
        "source": clip.source,
        "name": name_of(clip.source),
        "seconds": clip.frames / clip.fps,
        "frames": clip.frames,
        "people": int(clip.presence.any(axis=1).sum()),
        "layout": clip.layout,
        "notes": list(clip.notes),
        "known": None if known is None else about_exemplar(known),
    }


def about_exemplar(one: Exemplar) -> dict[str, Any]:
    """An example in words and numbers."""
    return {
        "id": one.id,
        "label": one.label,
        "source": one.source,
        "name": name_of(one.source),
        "added": one.added,
    }


def name_of(source: str) -> str:
    """The name of a file without its folders."""
    file, mark, rest = source.partition("#")
    return PurePath(file).name + mark + rest
