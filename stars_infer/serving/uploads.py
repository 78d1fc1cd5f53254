"""Bodies of requests as files in a folder of their own, whatever form they come in.

No path that a client names is ever opened: of a file's name, only its last part is kept, as the
name of a new file in a new folder.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from stars_infer.atomic import new_folder_beside
from stars_infer.errors import ClipError, ServerError, UsageError
from stars_infer.pose.pictures import VIDEO_ENDINGS
from stars_infer.readers.files import COMPANIONS
from stars_infer.serving.problems import come_again
from stars_infer.serving.settings import MEGABYTE, Limits

ENDINGS = {
    "application/json": ".json",
    "application/jsonl": ".jsonl",
    "application/x-ndjson": ".jsonl",
    "application/x-npy": ".npy",
    "application/x-npz": ".npz",
    "text/csv": ".csv",
}
"""Types of bodies that need no name, and the ending of files of that kind."""
FORM = "multipart/form-data"
_LONGEST_STEM, _LONGEST_ENDING = 50, 12
"""Characters of a file's name, of which a file system takes 255 bytes."""
_WANTED = (
    f"send files as {FORM} (curl -F clip=@FILE), a body as {', '.join(ENDINGS)}, or any file with "
    "its name in the query (?name=wave.bvh)"
)


class Spool:
    """A folder for the bodies of requests, and a count of their bytes.

    Args:
        limits: Of bodies, alone and together, of files, and of the time in which they must come.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._folder = new_folder_beside(Path(tempfile.gettempdir()) / "serve")
        self._removing = ThreadPoolExecutor(1, thread_name_prefix="removing")
        self.kept = 0

    def close(self) -> None:
        """Remove the folder."""
        self._removing.shutdown()
        shutil.rmtree(self._folder, ignore_errors=True)

    @asynccontextmanager
    async def files_of(
        self, request: Request, *, name: str | None = None
    ) -> AsyncIterator[tuple[Path, Sequence[Path]]]:
        """Receive the body of a request.

        Args:
            request: The request.
            name: Name of the file that the body is, if it is no form.

        Yields:
            A folder, which is removed in the end, and the files in it that are to hold clips.

        Raises:
            ServerError: If the body is too large, comes too slowly, is of no known type, or there
                is no room for it.
            UsageError: If it is no form as it should be.
            ClipError: If there is no file in it, or none that a server reads.
        """
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        body = _Body(request, self, self._limits)
        try:
            try:
                async with asyncio.timeout(self._limits.seconds):
                    names = await self._receive(request, body, folder, name)
            except TimeoutError as error:
                raise ServerError(
                    408, f"the body did not come within {self._limits.seconds:g} s"
                ) from error
            except ClientDisconnect as error:
                raise ServerError(400, "the body was cut short") from error
            yield folder, _clip_files(folder, names)
        finally:
            self.kept -= body.size
            self._removing.submit(shutil.rmtree, folder, ignore_errors=True)  # takes milliseconds

    async def _receive(
        self, request: Request, body: _Body, folder: Path, name: str | None
    ) -> list[str]:
        """Write the files, and return their names."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == FORM:
            return await _receive_form(request, body, folder, self._limits)
        ending = ENDINGS.get(kind)
        if name is None and ending is None:
            raise ServerError(415, f"{kind or 'no content type'}: {_WANTED}")
        safe = safe_name(name or f"clip{ending}", ())
        with (folder / safe).open("xb") as file:
            async for chunk in body.chunks():
                file.write(chunk)
        return [safe]


class _Body:
    """The bytes of a request, counted as they come.

    Attributes:
        size: How many came so far.
    """

    def __init__(self, request: Request, spool: Spool, limits: Limits) -> None:
        self.size = 0
        self._request, self._spool, self._limits = request, spool, limits

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The bytes.

        Raises:
            ServerError: If there are too many.
        """
        said = self._request.headers.get("content-length", "")
        if said.isdecimal() and int(said) > self._limits.body:
            raise self._too_large()
        async for chunk in self._request.stream():
            self.size += len(chunk)
            self._spool.kept += len(chunk)
            if self.size > self._limits.body:
                raise self._too_large()
            if self._spool.kept > self._limits.spool:
                raise come_again("too many bodies come at once", 1)
            yield chunk

    def _too_large(self) -> ServerError:
        most = self._limits.body / MEGABYTE
        return ServerError(413, f"a body of more than {most:,.3g} MB: send it in parts")


class _FormParser(MultiPartParser):
    spool_max_size = 16_384


async def _receive_form(request: Request, body: _Body, folder: Path, limits: Limits) -> list[str]:
    parser = _FormParser(
        request.headers, body.chunks(), max_files=limits.files, max_fields=1, max_part_size=1024
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        if error.message.startswith("Too many files"):
            raise ServerError(
                413, f"more than {limits.files} files in one request: send them in parts"
            ) from error
        raise ServerError(400, f"no form as it should be: {error.message}") from error
    names: list[str] = []
    try:
        for field, value in form.multi_items():
            if not isinstance(value, UploadFile):
                raise UsageError(
                    f"the form has the text field {field[:40]!r}: options stand in the query, as "
                    "?label=wave"
                )
            safe = safe_name(value.filename or "", names)
            names.append(safe)
            await asyncio.to_thread(_copy, value, folder / safe)
    finally:
        await form.close()
    return names


def _copy(upload: UploadFile, path: Path) -> None:
    with path.open("xb") as file:
        shutil.copyfileobj(upload.file, file)


def safe_name(name: str, taken: Sequence[str]) -> str:
    """Make the name of a new file from what a client calls it.

    Args:
        name: Anything.
        taken: Names that it must not have.
    """
    last = PureWindowsPath(PurePosixPath(name).name).name
    plain = "".join(one if one.isprintable() and one not in '#/\\:"' else "_" for one in last)
    parts = PurePosixPath(plain.lstrip(".") or "clip")
    ending = parts.suffix[:_LONGEST_ENDING]
    stem = parts.stem[:_LONGEST_STEM].strip() or "clip"
    number = 1
    while (safe := f"{stem}{'' if number == 1 else f' ({number})'}{ending}") in taken:
        number += 1
    return safe


def _clip_files(folder: Path, names: Sequence[str]) -> list[Path]:
    """The files that are to hold clips; skeletons and numbers beside motions are none.

    Raises:
        ClipError: If there are none, or there is a video.
    """
    if not names:
        raise ClipError("the form", f"holds no file: {_WANTED}")
    for name in names:
        if PurePosixPath(name).suffix.lower() in VIDEO_ENDINGS:
            raise ClipError(
                name,
                "servers read no videos: make a clip of it with `stars pose`, and send that",
            )
    motions = [name for name in names if PurePosixPath(name).suffix.lower() not in COMPANIONS]
    return [folder / name for name in motions or names]
