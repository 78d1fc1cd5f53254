"""The same clip as other sensors and tools would have written it, and at other frame rates."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[2]))  # where tests.bodies is, in a clone

from stars_infer.arrays import FloatArray
from stars_infer.clips.clip import Clip
from stars_infer.clips.convention import Convention
from stars_infer.layouts import get_layout
from stars_infer.preprocessing.prepare import to_ntu25
from stars_infer.readers.files import read_clip
from tests.bodies import in_layout

JITTER = 0.01
"""Deviation of a joint on each axis, meters, the jitter of a sensor or a pose estimator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How a tool writes positions.

    Attributes:
        layout: Of the joints.
        ending: Of the file.
        write: Writes positions (T, V, 3), meters, y up.
        convention: What the reader is told, which the file does not say.
        axes: What becomes of positions before they are written.
    """

    layout: str
    ending: str
    write: Callable[[Path, FloatArray, tuple[str, ...]], None]
    convention: Convention
    axes: Callable[[FloatArray], FloatArray] = np.asarray

    @property
    def name(self) -> str:
        """For the table."""
        told = self.convention
        given = [
            f"`--{name} {value}`" if value else ""
            for name, value in (("layout", told.layout), ("units", told.units), ("up", told.up))
        ]
        options = " ".join(filter(None, given))
        return f"{self.layout}, `{self.ending}`" + (f" with {options}" if options else "")


def _down(joints: FloatArray) -> FloatArray:
    """A camera's axes: y down."""
    return joints * np.array([-1, -1, 1], np.float32)


def _around_hips(joints: FloatArray) -> FloatArray:
    """World landmarks of MediaPipe: around the hips, y down."""
    hips = joints[:, [23, 24]].mean(axis=1, keepdims=True)
    return _down(joints - hips)


def _z_up(joints: FloatArray) -> FloatArray:
    return np.stack([joints[..., 0], -joints[..., 2], joints[..., 1]], axis=-1)


def _landmarks(path: Path, joints: FloatArray, _: tuple[str, ...]) -> None:
    frames = [
        {"worldLandmarks": [dict(zip("xyz", map(float, p), strict=True), visibility=1.0)
                            for p in frame]}
        for frame in joints
    ]  # fmt: skip
    path.write_text(json.dumps(frames))


def _people(path: Path, joints: FloatArray, _: tuple[str, ...]) -> None:
    sure = np.concatenate([joints, np.ones_like(joints[..., :1])], axis=2)
    lines = [
        json.dumps({"people": [{"person_id": [-1], "pose_keypoints_3d": frame.ravel().tolist()}]})
        for frame in sure
    ]
    path.write_text("\n".join(lines))


def _named_columns(path: Path, joints: FloatArray, names: tuple[str, ...]) -> None:
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["time", *(f"{name}_{axis}" for name in names for axis in "xyz")])
        for number, frame in enumerate(joints):
            out.writerow([number / 30, *frame.ravel().tolist()])


def _own(path: Path, joints: FloatArray, names: tuple[str, ...]) -> None:
    content = {"joint_names": names, "up": "z", "units": "mm", "fps": 30}
    path.write_text(json.dumps({**content, "bodies": (joints * 1000).tolist()}))


def _array(path: Path, joints: FloatArray, _: tuple[str, ...]) -> None:
    np.save(path, joints)


def _archive(path: Path, joints: FloatArray, _: tuple[str, ...]) -> None:
    np.savez(path, joints=joints * 1000, layout="azure32", units="mm", up="-y", fps=30.0)


NOTHING = Convention()
FORMS = (
    Form(layout="ntu25", ending=".npy", write=_array, convention=NOTHING),
    Form(layout="kinect20", ending=".npy", write=_array, convention=Convention(layout="kinect20")),
    Form(layout="azure32", ending=".npz", write=_archive, convention=NOTHING, axes=_down),
    Form(layout="mediapipe33", ending=".json", write=_landmarks, convention=NOTHING,
         axes=_around_hips),
    Form(layout="coco17", ending=".csv", write=_named_columns, convention=NOTHING),
    Form(layout="body25", ending=".jsonl", write=_people,
         convention=Convention(layout="body25"), axes=_down),
    Form(layout="h36m17", ending=".npy", write=_array,
         convention=Convention(layout="h36m17", up="z"), axes=_z_up),
    Form(layout="smpl24", ending=".csv", write=_named_columns, convention=NOTHING),
    Form(layout="openni15", ending=".npy", write=_array,
         convention=Convention(layout="openni15", units="cm"), axes=lambda x: x * 100),
    Form(layout="humanik", ending=".json", write=_own, convention=NOTHING,
         axes=lambda x: _z_up(x)[None]),
)  # fmt: skip


def through(form: Form, clip: Clip, folder: Path, random: np.random.Generator) -> Clip:
    """A clip of one body, written in a form by a sensor with jitter, and read again."""
    body = to_ntu25(clip.bodies, clip.layout)[0]
    joints = in_layout(body, form.layout)
    joints = joints + random.normal(scale=JITTER, size=joints.shape).astype(np.float32)
    path = folder / f"clip{form.ending}"
    form.write(path, form.axes(joints), get_layout(form.layout).joints)
    return read_clip(path, convention=form.convention)


def at_rate(clip: Clip, fps: float) -> Clip:
    """A clip as it would be at another rate: positions at its times, linear between frames."""
    last = (clip.frames - 1) / clip.fps
    times = np.arange(0, last + 1e-9, 1 / fps)
    position = times * clip.fps
    before = np.minimum(position.astype(np.intp), clip.frames - 2)
    share = (position - before).astype(np.float32)[:, None, None]
    bodies = clip.bodies[:, before] * (1 - share) + clip.bodies[:, before + 1] * share
    return replace(
        clip, bodies=bodies.astype(np.float32), presence=np.ones(bodies.shape[:2], bool), fps=fps
    )


def windows(clip: Clip, *, seconds: float, stride: float) -> Iterator[Clip]:
    """Parts of a recording, as clips."""
    length = round(seconds * clip.fps)
    for start in range(0, clip.frames - length + 1, round(stride * clip.fps)):
        part = slice(start, start + length)
        yield replace(
            clip,
            bodies=clip.bodies[:, part],
            presence=clip.presence[:, part],
            source=f"{clip.source}:{start}",
        )


def archive_clips(archive: Path) -> Iterator[Clip]:
    """Recordings of a motion-capture archive, in the layout of its joint names."""
    from stars_infer.layouts import layout_for_names

    with np.load(archive, allow_pickle=False) as data:
        content: Mapping[str, np.ndarray] = {name: data[name] for name in data.files}
    found = layout_for_names([str(name) for name in content["joint_names"]])
    assert found is not None, archive
    layout, positions = found
    starts = content["starts"]
    for name, start, end in zip(content["clip_ids"], starts[:-1], starts[1:], strict=True):
        joints = content["positions"][start:end][:, list(positions)].astype(np.float32)
        fps = float(content["fps"])
        yield Clip.from_array(joints, layout=layout.name, fps=fps, source=str(name))
