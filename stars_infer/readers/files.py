"""Find the clip files in folders, and read clips from files of any known format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from stars_infer.clips.clip import Clip
from stars_infer.clips.convention import Convention
from stars_infer.errors import ClipError, check_path
from stars_infer.layouts import get_layout
from stars_infer.readers.arrays import read_npy, read_npz
from stars_infer.readers.bvh import read_bvh
from stars_infer.readers.csv import read_csv
from stars_infer.readers.json import read_json, read_jsonl
from stars_infer.readers.parquet import read_parquet
from stars_infer.readers.pkl import read_pkl
from stars_infer.readers.recording import Recording, clip_of
from stars_infer.readers.skeleton import read_skeleton


def clip_files(paths: Iterable[Path]) -> list[Path]:
    """Replace each folder among paths by the clip files in it, at any depth.

    Raises:
        ClipError: If a folder holds no clip file.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in READERS)
            if not inside:
                known = ", ".join(READERS)
                raise ClipError(str(path), f"no clip in this folder; known endings: {known}")
            files += inside
        else:
            files.append(path)
    return files


Reader = Callable[[Path], Iterable[Recording | ClipError]]
"""Reads the recordings of a file; of many in one file, one that cannot be used gives its error."""

READERS: dict[str, Reader] = {
    ".skeleton": read_skeleton,
    ".bvh": read_bvh,
    ".csv": read_csv,
    ".json": read_json,
    ".jsonl": read_jsonl,
    ".parquet": read_parquet,
    ".npy": read_npy,
    ".npz": read_npz,
    ".pkl": read_pkl,
}
"""The reader of each file ending."""
MANY_CLIPS = frozenset({".pkl"})
"""Endings of files that hold any number of clips."""
_NAMES_SHOWN = 3


def read_clip(
    path: str | Path,
    *,
    layout: str | None = None,
    units: str | None = None,
    up: str | None = None,
    handedness: str | None = None,
    fps: float | None = None,
    convention: Convention | None = None,
    recording: bool = False,
) -> Clip:
    """Read the one clip of a file; the format follows from the file's ending.

    Args:
        path: A file of a known format (docs/sources.md), or `FILE#NAME` for one clip of many.
        layout: Joint layout. Where you say nothing, the file decides, and then what is usual in the
            format; so for the next four.
        units: Of the positions: `m`, `cm`, `mm` or `in`.
        up: The axis that points up: `x`, `y`, `z`, `-x`, `-y` or `-z`.
        handedness: Of the axes, `right` or `left`.
        fps: Frames per second.
        convention: The five in one, for what was not given by itself.
        recording: Whether the clip will be cut into actions. If so, it may be hours long, and a
            body counts as absent while too little of it is seen.

    Raises:
        ClipError: If the file is missing or damaged, of another format, or without usable motion,
            or if it holds many clips and the path names none of them.
        MissingExtraError: If the format needs a package that is not installed.
        UsageError: If there is no such layout, unit, axis or frame rate.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from stars_infer import read_clip
        >>> from stars_infer.synthetic.actions import perform
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "wave.npy"
        ...     np.save(path, perform("wave", np.random.default_rng(0)))
        ...     clip = read_clip(path, layout="ntu25")
        >>> clip.bodies.shape, clip.fps
        ((1, 89, 25, 3), 30.0)
    """
    said = Convention(layout=layout, units=units, up=up, handedness=handedness, fps=fps)
    given = _check_convention(said, convention)
    file, name = _file_and_name(check_path("path", path))
    if name is not None:
        for found in _recordings(file):
            if isinstance(found, ClipError):
                if found.source == f"{file}#{name}":
                    raise found
            elif found.name == name:
                return clip_of(found, given, uncut=recording)
        raise ClipError(str(path), f"no clip of the name {name[:60]!r} in {file}")
    several: list[Recording] = []
    for found in _recordings(file):
        if isinstance(found, ClipError):
            raise found
        several.append(found)
        if len(several) > _NAMES_SHOWN:
            break
    if len(several) != 1:
        names = ", ".join(recording.name for recording in several[:_NAMES_SHOWN])
        raise ClipError(
            str(path), f"holds several clips ({names}, …): name one as {file.name}#NAME"
        )  # fmt: skip
    return clip_of(several[0], given, uncut=recording)


def read_clips(
    path: str | Path,
    *,
    convention: Convention | None = None,
    skip: Callable[[ClipError], None] | None = None,
) -> Iterator[Clip]:
    """Read the clips of a file one by one.

    Args:
        path: As for `read_clip`.
        convention: As for `read_clip`.
        skip: Called with the error of each clip that cannot be used, before reading goes on with
            the next. Without it, the first error is raised.

    Yields:
        Clips. Their source is `FILE#NAME` if the format can hold many.

    Raises:
        ClipError: As for `read_clip`, unless `skip` is given.
        MissingExtraError: If the format needs a package that is not installed.
        UsageError: If there is no such layout.
    """
    given = _check_convention(Convention(), convention)
    file, name = _file_and_name(check_path("path", path))
    try:
        if name is not None:
            yield read_clip(path, convention=given)
            return
        for found in _recordings(file):
            try:
                if isinstance(found, ClipError):
                    raise found
                clip = clip_of(found, given)
            except ClipError as error:
                if skip is None:
                    raise
                skip(error)
                continue
            yield clip
    except ClipError as error:
        if skip is None:
            raise
        skip(error)


def _check_convention(said: Convention, convention: Convention | None) -> Convention:
    """Join what the caller says, and check that its layout exists."""
    given = said.over(convention or Convention())
    if given.layout is not None:
        get_layout(given.layout)
    return given


def _file_and_name(path: Path) -> tuple[Path, str | None]:
    """Split `FILE#NAME` into a file and the name of one of its clips, if there is one."""
    if "#" not in str(path) or path.exists():
        return path, None
    file, _, name = str(path).partition("#")
    while name and not Path(file).is_file():
        more, _, name = name.partition("#")
        file = f"{file}#{more}"
    return (Path(file), name) if name else (path, None)


def _recordings(path: Path) -> Iterator[Recording | ClipError]:
    """Read the recordings of a file with the reader for its ending.

    Raises:
        ClipError: If there is no such file, or if it cannot be read.
    """
    if path.is_dir():
        raise ClipError(str(path), "is a directory, not a clip: name the files in it")
    if not path.exists():
        raise ClipError(str(path), "no such file")
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        known = ", ".join(READERS)
        raise ClipError(str(path), f"unknown file ending {path.suffix!r}; known: {known}")
    try:
        if path.stat().st_size == 0:
            raise ClipError(str(path), "the file is empty")
        yield from reader(path)
    except OSError as error:
        raise ClipError(str(path), f"cannot be read: {error.strerror or error}") from error
