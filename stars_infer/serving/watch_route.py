"""`/v1/watch`: frames come in over a WebSocket, and labels go out."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, WebSocket
from starlette.websockets import WebSocketDisconnect

from stars_infer.clips.convention import AUTO, Convention
from stars_infer.errors import ClipError, StarsError
from stars_infer.serving.logs import LOGGER
from stars_infer.serving.options import WatchQuery
from stars_infer.serving.problems import body_of
from stars_infer.serving.service import Service
from stars_infer.streaming.classifier import StreamAnswer, StreamClassifier
from stars_infer.streaming.feed import QUEUE, FrameFeed
from stars_infer.streaming.frames import FrameReader
from stars_infer.streaming.options import StreamOptions
from stars_infer.streaming.session import StreamSession

router = APIRouter(prefix="/v1")
_WAIT = 0.1
"""Seconds after which a stream without frames looks whether it has ended."""
_PAUSE = 0.01
_UNSENT = 64
"""Answers that wait for a client; the oldest are dropped."""
_WRONG, _FULL = 1008, 1013
"""Codes with which a WebSocket is closed: against the rules, and come again later."""


class _Stream:
    """One stream: a thread names what comes in.

    Args:
        service: Names it.
        query: How it is read.

    Raises:
        StarsError: If an option means nothing, or the index is empty.
    """

    def __init__(self, service: Service, query: WatchQuery) -> None:
        self._service, self._every = service, query.every_answer
        convention = query.convention()
        if convention.flat and convention.up is None:
            convention = Convention(
                layout=convention.layout, units=convention.units, up=AUTO, flat=True,
                handedness=convention.handedness, fps=convention.fps,
            )  # fmt: skip
        how = StreamOptions(
            interval=query.interval,
            mirror=query.mirror,
            people=query.people,
            live=not query.replay,
        )
        # The reader brings frames to standard axes, unless these are still to be found.
        axes = convention if convention.up == AUTO else Convention(flat=convention.flat)
        self._lines: queue.Queue[bytes | None] = queue.Queue(QUEUE)
        self._loop = asyncio.get_running_loop()
        self._answers: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(_UNSENT)
        self._stop = threading.Event()
        self._said = False
        self._feed = FrameFeed(self._incoming, wait=query.replay)
        self._session = StreamSession(
            self._feed,
            FrameReader(convention),
            lambda layout: StreamClassifier(
                service.encoder,
                service.index,
                layout=layout,
                up=axes.up or "y",
                handedness=axes.handedness or "right",
                flat=bool(axes.flat),
                how=how,
            ),
            even=query.replay,
        )
        self.failure: StarsError | None = None

    def _incoming(self, stop: threading.Event) -> Iterator[bytes]:
        while not (stop.is_set() or self._stop.is_set()):
            try:
                line = self._lines.get(timeout=_WAIT)
            except queue.Empty:
                continue
            if line is None:
                return
            yield line

    async def take(self, line: bytes | None) -> None:
        """Take a frame, or the end; of a recording, wait until there is room."""
        while not self._stop.is_set():
            try:
                self._lines.put_nowait(line)
                return
            except queue.Full:
                await asyncio.sleep(_PAUSE)

    def follow(self) -> None:
        """Name what comes in, until it ends; in a thread."""
        try:
            for event in self._session.events(timeout=_WAIT):
                if self._stop.is_set():
                    return
                if isinstance(event, ClipError):
                    self._say(body_of(event))
                elif event is not None and (event.changed or self._every or not self._said):
                    self._said = True
                    self._say(_said(event))
        except StarsError as error:
            self.failure = error
        finally:
            self._feed.close()
            self._say(None)

    def _say(self, said: dict[str, Any] | None) -> None:
        def put() -> None:
            if self._answers.full():
                self._answers.get_nowait()
            self._answers.put_nowait(said)

        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(put)

    async def answers(self, websocket: WebSocket) -> None:
        """Send answers until the stream ends."""
        while (said := await self._answers.get()) is not None:
            await websocket.send_json(said)

    def stop(self) -> None:
        """End it soon."""
        self._stop.set()
        self._feed.close()

    @property
    def summary(self) -> dict[str, Any]:
        """What came of it."""
        session = self._session
        return {"frames": session.frames, "changes": session.changes, "losses": session.losses}


@router.websocket("/watch")
async def watch(websocket: WebSocket, query: Annotated[WatchQuery, Query()]) -> None:
    """Name what is going on in a stream.

    Each message in is a frame: a line as `stars watch` reads them; an empty one ends the stream.
    Each message out is an answer as `stars watch --json` prints it, or an error.
    """
    service: Service = websocket.app.state.service
    await websocket.accept()
    if service.watching >= service.limits.watchers:
        await _refuse(websocket, f"{service.watching} streams are followed, which is all", _FULL)
        return
    service.watching += 1
    try:
        await asyncio.to_thread(service.index.calibration)  # refuses an empty index
        await _follow(websocket, _Stream(service, query))
    except StarsError as error:
        await _refuse(websocket, str(error), _WRONG)
    finally:
        service.watching -= 1


async def _follow(websocket: WebSocket, stream: _Stream) -> None:
    """Take frames and send answers until the stream ends, or the client has gone."""
    thread = threading.Thread(target=stream.follow, daemon=True)
    thread.start()
    sending = asyncio.create_task(stream.answers(websocket))
    receiving = asyncio.create_task(_receive(websocket, stream))
    try:
        await asyncio.wait({sending, receiving}, return_when=asyncio.FIRST_COMPLETED)
        gone = receiving.done() and receiving.result()
        if not gone:
            await sending
            await _finish(websocket, stream)
    except (WebSocketDisconnect, OSError, RuntimeError):
        pass  # the client has gone, or does not take its answers
    finally:
        stream.stop()
        for task in (sending, receiving):
            task.cancel()
        await asyncio.gather(sending, receiving, return_exceptions=True)
        await asyncio.to_thread(thread.join)
        LOGGER.info("stream ended", extra=stream.summary)


async def _receive(websocket: WebSocket, stream: _Stream) -> bool:
    """Take frames until the stream ends; whether the client has gone."""
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return True
        text = message.get("text")
        line = text.encode("utf-8", "surrogatepass") if text is not None else message["bytes"]
        if not line.strip():
            await stream.take(None)
            return False
        await stream.take(line)


async def _finish(websocket: WebSocket, stream: _Stream) -> None:
    if stream.failure is not None:
        await _refuse(websocket, str(stream.failure), _WRONG)
        return
    await websocket.send_json({"end": stream.summary})
    await websocket.close()


async def _refuse(websocket: WebSocket, why: str, code: int) -> None:
    await websocket.send_json({"error": why, "kind": "server" if code == _FULL else "usage"})
    await websocket.close(code)


def _said(answer: StreamAnswer) -> dict[str, Any]:
    """As `stars watch --json` prints it."""
    return {
        "time": round(answer.time, 4),
        **({"people": list(answer.people)} if answer.people else {}),
        "answer": answer.answer,
        "confidence": round(float(answer.confidence), 4),
        "since": round(answer.since, 4),
        "candidate": answer.candidate,
        "latency_ms": round(1000 * answer.latency, 2),
        "notes": list(answer.notes),
    }
