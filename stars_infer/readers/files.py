"""Find the clip files in folders, and read clips from files of any known format."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

from stars_infer.clips.clip import Clip
from stars_infer.clips.convention import Convention
from stars_infer.errors import ClipError, check_path
from stars_infer.layouts import get_layout
from stars_infer.pose.pictures import VIDEO_ENDINGS
from stars_infer.readers import fbx, gltf
from stars_infer.readers.amc import read_amc
from stars_infer.readers.archives import is_many_in_npz, read_archive
from stars_infer.readers.arrays import read_npy
from stars_infer.readers.bounds import check_points
from stars_infer.readers.bvh import read_bvh
from stars_infer.readers.c3d import read_c3d
from stars_infer.readers.csv import holds_numbers, read_csv
from stars_infer.readers.fbx import read_fbx
from stars_infer.readers.frames import frame_series, read_frames
from stars_infer.readers.gltf import read_gltf
from stars_infer.readers.hdf5 import read_h5
from stars_infer.readers.json import read_json, read_jsonl
from stars_infer.readers.mat import read_mat
from stars_infer.readers.mvnx import read_mvnx
from stars_infer.readers.parquet import read_parquet
from stars_infer.readers.pkl import read_pkl
from stars_infer.readers.recording import Recording, clip_of
from stars_infer.readers.skeleton import read_skeleton
from stars_infer.readers.trc import read_trc
from stars_infer.readers.video import read_video


def clip_files(
    paths: Iterable[Path],
    *,
    skip: Callable[[ClipError], None] | None = None,
    note: Callable[[str], None] | None = None,
) -> list[Path]:
    """Replace each folder among paths by the clip files in it, at any depth.

    A folder in which each file is a frame of a recording stands for that recording, and stays.

    Args:
        paths: Files and folders.
        skip: Called with the error of each folder without clips, when there are other paths.
            Without it, or if nothing else is left, the error is raised.
        note: Called with a line for each folder that holds files which are not read.

    Raises:
        ClipError: If a folder holds no clip file.
    """
    files: list[Path] = []
    errors: list[ClipError] = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        inside = _Folder(path)
        files += inside.clips
        if not inside.clips:
            errors.append(ClipError(str(path), inside.why_empty()))
        elif note is not None and inside.unread:
            note(f"{path}: {inside.unread}")
    if errors and (skip is None or not files):
        raise errors[0]
    for error in errors:
        assert skip is not None
        skip(error)
    return files


class _Folder:
    """The files in a folder, at any depth.

    Attributes:
        clips: Clip files, and folders of one file a frame.
        unread: What is not read, in words; empty if all is.
    """

    def __init__(self, path: Path) -> None:
        clips: list[Path] = []
        unknown: Counter[str] = Counter()
        lacking: Counter[tuple[str, str]] = Counter()
        beside = 0
        for parent, folders, names in os.walk(path):
            folders[:] = [name for name in folders if not name.startswith(".")]
            here = [Path(parent, name) for name in names if not name.startswith(".")]
            if series := frame_series(here):
                clips.append(Path(parent))
                frames = {file for files in series.values() for file in files}
                here = [file for file in here if file not in frames]
            has_clips = bool(series) or any(map(_is_recorded_clip, here))
            for file in here:
                ending = file.suffix.lower()
                if ending in VIDEO_ENDINGS and has_clips:
                    beside += 1
                elif ending == ".txt" and not holds_numbers(file):
                    unknown[ending] += 1
                elif ending in READERS:
                    package, extra = PACKAGES.get(ending, ("", ""))
                    if package and find_spec(package) is None:
                        lacking[package, extra] += 1
                    else:
                        clips.append(file)
                elif ending not in COMPANIONS:
                    unknown[ending or "none"] += 1
        self.clips = sorted(clips)
        told = [
            f"{_count_files(number)} not read: pip install 'stars-infer[{extra}]' ({package})"
            for (package, extra), number in sorted(lacking.items())
        ]
        if beside:
            told.append(f"{_count_files(beside)} of video beside clips not read: name them to")
        if unknown:
            endings = ", ".join(sorted(unknown)[:_ENDINGS_SHOWN])
            more = ", …" if len(unknown) > _ENDINGS_SHOWN else ""
            told.append(f"{_count_files(unknown.total())} of unknown ending: {endings}{more}")
        self.unread = "; ".join(told)

    def why_empty(self) -> str:
        """Why there is no clip."""
        why = f" ({self.unread})" if self.unread else ""
        return f"no clip in this folder{why}; known endings: {', '.join(READERS)}"


def _is_recorded_clip(file: Path) -> bool:
    """Whether a file holds joints, so that a video beside it is likely of the same motions."""
    ending = file.suffix.lower()
    if ending == ".txt":
        return holds_numbers(file)
    return ending in READERS.keys() - set(VIDEO_ENDINGS)


def _count_files(number: int) -> str:
    return f"{number:,} file{'' if number == 1 else 's'}"


def holds_many(path: Path) -> bool:
    """Whether a path stands for a file that may hold any number of clips."""
    file, _ = file_and_name(path)
    ending = file.suffix.lower()
    looks = _MAY_HOLD_MANY.get(ending)
    return ending in MANY_CLIPS or (looks is not None and looks(file))


Reader = Callable[[Path], Iterable[Recording | ClipError]]
"""Reads the recordings of a file; of many in one file, one that cannot be used gives its error."""

READERS: dict[str, Reader] = {
    ".skeleton": read_skeleton,
    ".bvh": read_bvh,
    ".csv": read_csv,
    ".tsv": read_csv,
    ".txt": read_csv,
    ".json": read_json,
    ".jsonl": read_jsonl,
    ".parquet": read_parquet,
    ".npy": read_npy,
    ".npz": read_archive,
    ".pkl": read_pkl,
    ".amc": read_amc,
    ".c3d": read_c3d,
    ".trc": read_trc,
    ".mvnx": read_mvnx,
    ".h5": read_h5,
    ".mat": read_mat,
    ".fbx": read_fbx,
    ".glb": read_gltf,
    ".gltf": read_gltf,
    **dict.fromkeys(VIDEO_ENDINGS, read_video),
}
"""The reader of each file ending."""
MANY_CLIPS = frozenset({".pkl"})
"""Endings of files that always may hold many clips; others do now and then (`holds_many`)."""
_MAY_HOLD_MANY = {
    ".npz": is_many_in_npz,
    ".fbx": fbx.has_several,
    ".glb": gltf.has_several,
    ".gltf": gltf.has_several,
}
"""Looks into a file for how many clips it holds."""
COMPANIONS = {
    ".asf": "a skeleton without a motion: name the .amc beside it",
    ".bin": "numbers without a scene: name the .gltf beside it",
}
"""Endings of files that are read with a clip beside them, and what is said when one is named."""
PACKAGES = {
    ".parquet": ("pyarrow", "formats"),
    ".c3d": ("c3d", "mocap"),
    ".h5": ("h5py", "mocap"),
    **dict.fromkeys(VIDEO_ENDINGS, ("mediapipe", "video")),
}
"""Endings whose reader needs a package, and the extra that brings it."""
_NAMES_SHOWN = 3
_ENDINGS_SHOWN = 6


def read_clip(
    path: str | Path,
    *,
    layout: str | None = None,
    units: str | float | None = None,
    up: str | None = None,
    handedness: str | None = None,
    fps: float | None = None,
    flat: bool | None = None,
    convention: Convention | None = None,
    recording: bool = False,
) -> Clip:
    """Read the one clip of a file; the format follows from the file's ending.

    Args:
        path: A file of a known format (docs/sources.md), a folder of one file a frame, or
            `FILE#NAME` for one clip of many.
        layout: Joint layout. Where you say nothing, the file decides, and then what is usual in the
            format; so for the next five.
        units: Of the positions: `m`, `cm`, `mm` or `in`, or the meters in a unit.
        up: The axis that points up: `x`, `y`, `z`, `-x`, `-y` or `-z`; or `auto`, which finds it
            from the bodies.
        handedness: Of the axes, `right` or `left`.
        fps: Frames per second.
        flat: Whether the clip is in 2D, or to be taken so: its depth is set to zero.
        convention: The six in one, for what was not given by itself.
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
    said = Convention(layout=layout, units=units, up=up, handedness=handedness, fps=fps, flat=flat)
    given = _check_convention(said, convention)
    file, name = file_and_name(check_path("path", path))
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
    file, name = file_and_name(check_path("path", path))
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


def file_and_name(path: Path) -> tuple[Path, str | None]:
    """Split `FILE#NAME` into a file and the name of one of its clips, if there is one."""
    if "#" not in str(path) or path.exists():
        return path, None
    file, _, name = str(path).partition("#")
    while name and not Path(file).exists():
        more, _, name = name.partition("#")
        file = f"{file}#{more}"
    return (Path(file), name) if name else (path, None)


def _recordings(path: Path) -> Iterator[Recording | ClipError]:
    """Read the recordings of a file with the reader for its ending.

    Raises:
        ClipError: If there is no such file, or if it cannot be read.
    """
    if path.is_dir():
        series = frame_series(sorted(path.iterdir()))
        if not series:
            raise ClipError(str(path), "is a directory, not a clip: name the files in it")
        yield from read_frames(path, series)
        return
    if not path.exists():
        raise ClipError(str(path), "no such file")
    ending = path.suffix.lower()
    if ending in COMPANIONS:
        raise ClipError(str(path), COMPANIONS[ending])
    reader = READERS.get(ending)
    if reader is None:
        known = ", ".join(READERS)
        raise ClipError(str(path), f"unknown file ending {path.suffix!r}; known: {known}")
    try:
        size = path.stat().st_size
        if size == 0:
            raise ClipError(str(path), "the file is empty")
        for found in reader(path):
            if isinstance(found, Recording) and ending not in VIDEO_ENDINGS:
                check_points(found.joints.size // 3, source=found.source, size=size)
            yield found
    except OSError as error:
        raise ClipError(str(path), f"cannot be read: {error.strerror or error}") from error
