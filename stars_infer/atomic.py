"""Files are written beside their place and renamed; what a command was given is never replaced."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from stars_infer.errors import UsageError


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """A file to write beside a path, which takes its place in one rename when all went well.

    On failure what was at the path before stays, and nothing is left beside it. The name that is
    yielded has the same ending. A symbolic link stays one; what is no regular file, such as a pipe
    or `/dev/stdout`, is written itself.

    Raises:
        OSError: If the file cannot be written.
    """
    if path.exists() and not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():
        yield path
        return
    target = path.resolve() if path.is_symlink() else path
    beside = target.with_name(f".{target.stem}.{os.getpid()}{target.suffix}")
    try:
        yield beside
        if target.exists():
            shutil.copymode(target, beside)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text in UTF-8; a kill leaves the old file or the new one.

    Raises:
        OSError: If the file cannot be written.
    """
    with written_beside(path) as beside:
        beside.write_text(text, encoding="utf-8")


def check_output(
    path: Path | None, option: str, *, endings: Sequence[str], inputs: Iterable[Path] = ()
) -> None:
    """Make sure, before work begins, that an option's file can be written and is no input.

    Args:
        path: The file; None if the option was not given.
        option: For messages.
        endings: Of which it must have one, whatever the case of its letters.
        inputs: Files that the command reads.

    Raises:
        UsageError: If it has another ending, its folder is missing, it is a folder, or an input.
    """
    if path is None:
        return
    if path.suffix.lower() not in endings:
        known = " or ".join(filter(None, (", ".join(endings[:-1]), endings[-1])))
        raise UsageError(f"{option} {path}: give the file the ending {known}")
    if path.is_dir():
        raise UsageError(f"{option} {path}: is a folder; name a file in it")
    if not path.parent.is_dir():
        raise UsageError(f"{option} {path}: there is no folder {path.parent}")
    refuse_inputs(path, option, inputs)


def refuse_inputs(path: Path, option: str, inputs: Iterable[Path]) -> None:
    """Make sure that a file or folder to be written is none of those that are read.

    Raises:
        UsageError: If it is one of them, by whatever name.
    """
    if not path.exists():
        return
    for named in inputs:
        given = Path(str(named).partition("#")[0])  # FILE.pkl#NAME is one clip of a file
        if given.exists() and path.samefile(given):
            raise UsageError(
                f"{option} {path}: is what the command reads, and would be replaced; name another"
            )
