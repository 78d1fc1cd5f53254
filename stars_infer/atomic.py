"""Files are written beside their place and renamed; what a command was given is never replaced."""

from __future__ import annotations

import errno
import os
import platform
import re
import secrets
import shutil
import stat
import sys
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from stars_infer.errors import UsageError, reason_of

_LEFTOVER = re.compile(r"\.stars-([0-9a-f]{8})-(\d+)-[0-9a-f]{16}(\..*)?", re.DOTALL)
"""Names of files in the making: the machine, the process, and what nobody can foretell."""
_FOLDER = ".making"
"""Ending of folders in the making."""
_EXCHANGE = 2
"""RENAME_EXCHANGE of Linux (linux/fs.h), RENAME_SWAP of macOS (sys/stdio.h)."""
_WRITING = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
"""What is wrong when a file that could be made cannot be written."""
STALE = 86_400.0
"""Seconds after which a file in the making is taken for one that a killed run has left."""


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """A file to write beside a path, which takes its place in one rename when all went well.

    On failure what was at the path before stays, and nothing is left beside it; what killed runs
    have left there is removed. In the end contents and name are on the disk, so that a power cut
    leaves the old file or the new one. The file that is yielded is new, empty, and has the same
    ending. A symbolic link stays one; what is no regular file, such as a pipe or `/dev/stdout`, is
    written itself.

    Raises:
        OSError: If the file cannot be written.
    """
    if path.exists() and not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():
        yield path
        return
    target = path.resolve() if path.is_symlink() else path
    sweep(target.parent)
    beside = new_beside(target)
    try:
        yield beside
        flush(beside)
        with suppress(FileNotFoundError):
            shutil.copymode(target, beside)
        beside.replace(target)
        flush_folder(target.parent)
    except OSError as error:
        # Writing says no name, and that of the file in the making tells nobody anything.
        unnamed = error.filename is None and error.errno in _WRITING
        if unnamed or (error.filename is not None and os.fsdecode(error.filename) == str(beside)):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """A new folder beside a path, which is gone in the end unless it was moved to its place.

    What killed runs have left there is removed.

    Raises:
        OSError: If it cannot be made.
    """
    beside = new_folder_beside(path)
    try:
        yield beside
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def new_folder_beside(path: Path) -> Path:
    """Make a folder of this user's alone beside a path, and remove what killed runs left there.

    Raises:
        OSError: If it cannot be made.
    """
    sweep(path.parent)
    beside = path.with_name(f".stars-{owned_name()}.{path.name}{_FOLDER}")
    beside.mkdir(mode=0o700)
    return beside


def exchange(one: Path, other: Path) -> bool:
    """Let two files or folders trade places in one step; False where the system cannot do that."""
    import ctypes

    calls = {"linux": ("renameat2", _EXCHANGE), "darwin": ("renameatx_np", _EXCHANGE)}
    name, flag = calls.get(sys.platform, ("", 0))
    call = getattr(ctypes.CDLL(None), name, None) if name else None
    if call is None:
        return False
    here = -100 if sys.platform == "linux" else -2  # AT_FDCWD
    return bool(call(here, os.fsencode(one), here, os.fsencode(other), flag) == 0)


def new_beside(path: Path) -> Path:
    """Make an empty file beside a path, with a name of its own and the same ending.

    Raises:
        OSError: If it cannot be made.
    """
    beside = path.with_name(f".stars-{owned_name()}{path.suffix}")
    # Exclusively: a name that is there already, be it a link, is refused and never followed.
    try:
        os.close(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    return beside


def sweep(folder: Path) -> int:
    """Remove files and folders in the making that killed runs have left in a folder.

    Only those that `new_beside` and `folder_beside` have named are removed: those of a process of
    this machine that has ended, and files of whatever process that are older than `STALE` seconds.

    Returns:
        How many were removed.
    """
    removed = 0
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            named = _LEFTOVER.fullmatch(entry.name)
            if named is None:
                continue
            with suppress(OSError):  # gone by now, or another user's
                ended = has_ended(named[1], int(named[2]))
                status = entry.stat(follow_symlinks=False)
                old = time.time() - status.st_mtime > STALE
                if (ended or old) and stat.S_ISREG(status.st_mode):
                    os.unlink(entry.path)
                    removed += 1
                elif ended and entry.name.endswith(_FOLDER) and stat.S_ISDIR(status.st_mode):
                    shutil.rmtree(entry.path)
                    removed += 1
    return removed


def owned_name() -> str:
    """A name that nobody can foretell: of this machine, this process, and random digits."""
    return f"{_machine()}-{os.getpid()}-{secrets.token_hex(8)}"


def has_ended(machine: str, process: int) -> bool:
    """Whether it is known that the process in an `owned_name` has ended."""
    return machine == _machine() and not _runs(process)


def _machine() -> str:
    """This machine, so that on a shared disk no other's processes are taken for ended."""
    return f"{zlib.crc32(platform.node().encode()):08x}"


def _runs(process: int) -> bool:
    """Whether there is such a process here; True where that cannot be told."""
    if sys.platform == "win32":  # where asking by a signal would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # another user's
        return True
    return True


def flush(path: Path) -> None:
    """Wait until the contents of a file are on the disk."""
    file = os.open(path, os.O_RDWR)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def flush_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk; Windows need not be asked."""
    if os.name == "nt":
        return
    folder = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):  # not every file system knows this of a folder
            os.fsync(folder)
    finally:
        os.close(folder)


def write_text(path: Path, text: str) -> None:
    """Write a text in UTF-8; a kill leaves the old file or the new one.

    Raises:
        OSError: If the file cannot be written.
    """
    with written_beside(path) as beside:
        beside.write_text(text, encoding="utf-8")


def check_output(
    path: Path | None,
    option: str,
    *,
    endings: Sequence[str] = (),
    inputs: Iterable[Path] = (),
    make_folder: bool = False,
) -> None:
    """Make sure, before work begins, that an option's file can be written and is no input.

    Args:
        path: The file; None if the option was not given.
        option: For messages.
        endings: Of which it must have one, if any are named, whatever the case of its letters.
        inputs: Files that the command reads.
        make_folder: Whether the command makes a folder that is missing.

    Raises:
        UsageError: If it has another ending, its folder is missing or takes no files, it is a
            folder, or an input.
    """
    if path is None:
        return
    if endings and path.suffix.lower() not in endings:
        known = " or ".join(filter(None, (", ".join(endings[:-1]), endings[-1])))
        raise UsageError(f"{option} {path}: give the file the ending {known}")
    if path.is_dir():
        raise UsageError(f"{option} {path}: is a folder; name a file in it")
    refuse_inputs(path, option, inputs)
    if path.exists() and not path.is_file():  # a pipe, or a device
        return
    folder = path.resolve().parent if path.is_symlink() else path.parent
    if not (make_folder or folder.exists()) and _nearest(folder).is_dir():
        raise UsageError(f"{option} {path}: there is no folder {folder}: make it, or name another")
    _check_place(path, option, folder)


def check_folder(path: Path | None, option: str) -> None:
    """Make sure, before work begins, that files can be written in an option's folder.

    Args:
        path: The folder, which need not be there yet; None if the option was not given.
        option: For messages.

    Raises:
        UsageError: If it is a file, or it cannot be made or written in.
    """
    if path is None:
        return
    if path.exists() and not path.is_dir():
        raise UsageError(f"{option} {path}: is a file; name a folder")
    _check_place(path, option, path)


def _nearest(path: Path) -> Path:
    """A path, or the nearest one above it that is there."""
    return next((one for one in (path, *path.absolute().parents) if one.exists()), path)


def _check_place(path: Path, option: str, folder: Path) -> None:
    """Make sure that files can be made in a folder, or where it is to be made.

    Raises:
        UsageError: If not, with what helps.
    """
    there = _nearest(folder)
    if not there.is_dir():
        raise UsageError(f"{option} {path}: {there} is a file, not a folder; name another place")
    try:
        new_beside(there / "new").unlink()
    except OSError as error:
        raise UsageError(
            f"{option} {path}: nothing can be written in {there}: {reason_of(error)}"
        ) from error


def refuse_inputs(path: Path, option: str, inputs: Iterable[Path]) -> None:
    """Make sure that a file or folder to be written is none of those that are read.

    Raises:
        UsageError: If it is one of them, by whatever name.
    """
    if not path.exists():
        return
    for named in inputs:
        if any(one.exists() and path.samefile(one) for one in _files_of(named)):
            raise UsageError(
                f"{option} {path}: is what the command reads, and would be replaced; name another"
            )


def _files_of(named: Path) -> list[Path]:
    """The file that is named; of `FILE#NAME`, one clip of a file, those that FILE may be."""
    if named.exists():
        return [named]
    parts = str(named).split("#")
    return [Path("#".join(parts[:count])) for count in range(1, len(parts)) if parts[0]]
