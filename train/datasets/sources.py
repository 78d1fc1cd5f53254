"""Sources of a pack: folders of clip files, or motion-capture archives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.clips.clip import DEFAULT_FPS
from stars_infer.clips.convention import Convention
from stars_infer.errors import ClipError, UsageError, brief
from stars_infer.preprocessing.normalize import face_camera
from stars_infer.preprocessing.prepare import CENTER_JOINT, center, center_actors
from stars_infer.readers.files import READERS, read_clips
from stars_infer.train.datasets.hierarchies import hierarchy_to_ntu25, roles_to_ntu25
from stars_infer.train.datasets.pack import Pack, SourceClip

Skip = Callable[[ClipError], None]
"""Receives the error of each clip that cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """How recordings are cut into windows.

    Attributes:
        seconds: Length of a window, seconds; 0 keeps recordings whole.
        stride: Time between the starts of two windows, seconds.
        shortest: Shortest recording or last window that is kept, seconds.
        face_camera: Turn each window about the vertical axis until the body faces the camera
            (-z), as most people in front of a Kinect do.
    """

    seconds: float = 4.0
    stride: float = 1.0
    shortest: float = 1.0
    face_camera: bool = False

    def __post_init__(self) -> None:
        if min(self.stride, self.shortest) <= 0 or self.seconds < 0:
            raise UsageError("stride and shortest must be longer than 0 seconds, window not below")

    def cut(self, frames: int, fps: float) -> Iterator[slice]:
        """Windows of a recording with this number of frames."""
        shortest = max(2, round(self.shortest * fps))
        if not self.seconds:
            if frames >= shortest:
                yield slice(0, frames)
            return
        length, step = round(self.seconds * fps), max(1, round(self.stride * fps))
        for start in range(0, max(1, frames - length + step), step):
            window = slice(start, min(start + length, frames))
            if window.stop - window.start >= shortest:
                yield window


def clips_of(
    source: Path, *, layout: str | None, windows: Windows, skip: Skip
) -> Iterator[SourceClip]:
    """Read the clips of a source: a folder of clip files, or a motion-capture archive.

    Args:
        source: A folder (the folder of a clip is its label) or an `.npz` with `positions`,
            `starts`, `clip_ids`, `labels`, `subjects`, `fps`, `joint_names` and, where these are
            of no known layout, `joint_roles`: the Kinect v2 name of each joint, or nothing.
        layout: Joint layout of the clips in a folder.
        windows: How recordings are cut.
        skip: Called with the error of each clip that is left out.

    Raises:
        ClipError: If the source itself cannot be read.
    """
    if source.is_dir():
        yield from _folder(source, layout, windows, skip)
    elif source.suffix == ".npz":
        yield from _archive(source, windows)
    else:
        raise ClipError(str(source), "expected a folder of clips or a motion-capture .npz")


def open_training_data(source: Path, *, layout: str | None, skip: Skip) -> Pack:
    """Open a pack, or read a folder of clips into memory.

    Raises:
        StarsError: If it is neither, or holds no usable clip.
    """
    if (source / "pack.json").exists():
        return Pack.open(source)
    whole = Windows(seconds=300 / DEFAULT_FPS, stride=300 / DEFAULT_FPS, shortest=1 / DEFAULT_FPS)
    return Pack.from_clips(clips_of(source, layout=layout, windows=whole, skip=skip))


def _folder(folder: Path, layout: str | None, windows: Windows, skip: Skip) -> Iterator[SourceClip]:
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in READERS)
    if not files:
        raise ClipError(str(folder), f"no clip in this folder; known endings: {', '.join(READERS)}")
    for path in files:
        for clip in read_clips(path, convention=Convention(layout=layout), skip=skip):
            try:
                actors = center_actors(clip)
            except ClipError as error:
                skip(error)
                continue
            yield from _cut(
                actors, clip.fps, windows, label=path.parent.name, subject="", source=clip.source
            )


def _archive(path: Path, windows: Windows) -> Iterator[SourceClip]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            positions, starts = archive["positions"], archive["starts"]
            names = [str(name) for name in archive["joint_names"]]
            columns = [archive[key] for key in ("clip_ids", "labels", "subjects")]
            fps = float(archive["fps"])
            roles = archive["joint_roles"].tolist() if "joint_roles" in archive.files else None
    except (KeyError, ValueError, OSError) as error:
        raise ClipError(str(path), f"not a motion-capture archive: {brief(error)}") from error
    for clip_id, label, subject, start, end in zip(*columns, starts[:-1], starts[1:], strict=True):
        recording = positions[start:end].astype(np.float32)
        joints = roles_to_ntu25(recording, roles) if roles else hierarchy_to_ntu25(recording, names)
        yield from _cut(
            joints[None], fps, windows, label=str(label), subject=str(subject),
            source=f"{path.name}:{clip_id}",
        )  # fmt: skip


def _cut(
    actors: FloatArray, fps: float, windows: Windows, *, label: str, subject: str, source: str
) -> Iterator[SourceClip]:
    for window in windows.cut(actors.shape[1], fps):
        cut = actors[:, window]
        cut = cut[cut.any(axis=(1, 2, 3))]
        if not len(cut):
            continue
        cut = center(cut, center_joint=CENTER_JOINT)
        if windows.face_camera:
            cut = face_camera(cut)
        yield SourceClip(actors=cut, label=label, subject=subject, source=source)
