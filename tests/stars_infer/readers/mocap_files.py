"""Small files of motion-capture formats, written from positions that are known."""

import io
import pickle

import numpy as np

from stars_infer.clips.convention import Convention, to_standard
from stars_infer.layouts import get_layout
from stars_infer.synthetic.actions import perform
from tests.bodies import in_layout

KINECT = get_layout("kinect20").joints
XSENS = get_layout("xsens23").joints


def moving(layout="kinect20", action="wave", seed=0, frames=24):
    """A person in the joints of a layout, (T, V, 3), meters, y up."""
    body = perform(action, np.random.default_rng(seed))[:, :frames]
    return in_layout(body, layout)[0]


def z_up(points):
    """Positions with y up as with z up; `up="z"` undoes it."""
    turned = np.stack([points[..., 0], -points[..., 2], points[..., 1]], axis=-1)
    back = to_standard(turned, Convention(up="z"))
    assert np.allclose(back, points, equal_nan=True)
    return turned


def trc(labels, points, rate=30, units="m", frames=None, start=0.0, digits=7):
    """The text of a .trc file of points (T, P, 3); NaN becomes an empty cell."""
    head = [
        "PathFileType\t4\t(X/Y/Z)\ttrial.trc",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\t"
        "OrigNumFrames",
        f"{rate}\t{rate}\t{frames or len(points)}\t{len(labels)}\t{units}\t{rate}\t1\t"
        f"{len(points)}",
        "Frame#\tTime\t" + "\t\t\t".join(labels) + "\t\t",
        "\t\t" + "\t".join(f"{axis}{n}" for n in range(1, len(labels) + 1) for axis in "XYZ"),
    ]
    rows = [
        f"{at + 1}\t{start + at / rate:.4f}\t"
        + "\t".join("" if np.isnan(x) else f"{x:.{digits}g}" for x in frame.ravel())
        for at, frame in enumerate(points)
    ]
    return "\n".join(head + [""] + rows) + "\n"


def c3d_file(labels, points, rate=100.0, units="mm", screen="+Z"):
    """The bytes of a .c3d file of points (T, P, 3); NaN is not seen. Needs the package c3d."""
    import c3d

    writer = c3d.Writer(point_rate=rate, analog_rate=0, point_scale=-1.0, point_units=units)
    rows = []
    for frame in points:
        row = np.zeros((len(labels), 5), np.float32)
        row[:, :3] = np.nan_to_num(frame)
        row[np.isnan(frame).any(axis=1), 3] = -1
        rows.append((row, np.array([])))
    writer.add_frames(rows)
    writer.set_point_labels(labels)
    writer.set_screen_axis("+X", screen)
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


def mvnx(people, rate=60, segments=XSENS, extra="", head='<?xml version="1.0"?>'):
    """The text of an .mvnx file of people, each (T, 23, 3), with a pose of calibration before."""
    named = "".join(
        f'<segment label="{name}" id="{n}"/>' for n, name in enumerate(segments, start=1)
    )
    subjects = []
    for number, points in enumerate(people):
        numbers = [" ".join(f"{x:.6f}" for x in frame.ravel()) for frame in points]
        zeros = " ".join(["0"] * 3 * len(segments))
        frames = f'<frame time="" type="tpose"><position>{zeros}</position></frame>' + "".join(
            f'<frame time="{at}" index="{at}" type="normal"><orientation>1 0 0 0</orientation>'
            f"<position>{text}</position></frame>"
            for at, text in enumerate(numbers)
        )
        subjects.append(
            f'<subject label="P{number}" frameRate="{rate}" segmentCount="{len(segments)}">'
            f"<segments>{named}</segments><frames>{frames}</frames></subject>"
        )
    return (
        f'{head}{extra}<mvnx xmlns="http://www.xsens.com/mvn/mvnx" version="4">'
        + "".join(subjects)
        + "</mvnx>"
    )


def amass(poses, **others):
    """An archive as AMASS has them, in memory."""
    written = io.BytesIO()
    frames = len(poses)
    np.savez(
        written,
        **{"poses": poses, "trans": np.zeros((frames, 3)), "betas": np.zeros(16),
           "gender": np.array("female"), "mocap_framerate": np.array(120.0), **others},
    )  # fmt: skip
    return written.getvalue()


def ctrgcn(clips, classes, parts=("train", "test"), frames=40):
    """An archive as CTR-GCN prepares them: clips (M, T, 25, 3), padded with zeros."""
    written = io.BytesIO()
    arrays = {}
    for part in parts:
        x = np.zeros((len(clips), frames, 2, 25, 3), np.float32)
        for at, clip in enumerate(clips):
            x[at, : clip.shape[1], : len(clip)] = clip.swapaxes(0, 1)
        arrays[f"x_{part}"] = x.reshape(len(clips), frames, 150)
        arrays[f"y_{part}"] = np.eye(60)[classes]
    np.savez(written, **arrays)
    return written.getvalue()


def sleap(tracks, names=None):
    """The bytes of an .h5 file with `tracks` in any order of axes. Needs h5py."""
    import h5py

    written = io.BytesIO()
    with h5py.File(written, "w") as file:
        file.create_dataset("tracks", data=tracks, compression="gzip")
        if names is not None:
            file["node_names"] = np.array([name.encode() for name in names])
    return written.getvalue()


def deeplabcut(columns, values, *, fixed=False):
    """The bytes of an .h5 file as pandas writes a table, in either of its forms. Needs h5py."""
    import h5py

    written = io.BytesIO()
    with h5py.File(written, "w") as file:
        group = file.create_group("df_with_missing")
        if not fixed:
            rows = np.zeros(
                len(values), [("index", "<i8"), ("values_block_0", "<f8", (len(columns),))]
            )
            rows["values_block_0"] = values
            table = group.create_dataset("table", data=rows)
            table.attrs["values_block_0_kind"] = np.bytes_(pickle.dumps(columns, protocol=0))
            return _close(file, written)
        for level, texts in enumerate(zip(*columns, strict=True)):
            known = list(dict.fromkeys(texts))
            group[f"block0_items_level{level}"] = np.array([text.encode() for text in known])
            group[f"block0_items_label{level}"] = np.array(
                [known.index(text) for text in texts], "i1"
            )
        group["block0_values"] = np.asarray(values, float)
    return written.getvalue()


def _close(file, written):
    file.close()
    return written.getvalue()


ASF = """# made for a test
:version 1.10
:name VICON
:units
  mass 1.0
  length 0.45
  angle deg
:documentation
  none
:root
  order TX TY TZ RX RY RZ
  axis XYZ
  position 0 0 0
  orientation 0 0 0
:bonedata
{bones}
:hierarchy
  begin
{hierarchy}
  end
"""

PERSON = {
    "lhipjoint": ("root", (1.6, -1.7, 0.2), (0, 0, 0), ""),
    "lfemur": ("lhipjoint", (2.4, -6.6, 0), (0, 0, 20), "rx ry rz"),
    "ltibia": ("lfemur", (2.5, -7.0, 0), (0, 0, 20), "rx"),
    "lfoot": ("ltibia", (0.2, -0.4, 2.3), (-90, 0, 20), "rx rz"),
    "rhipjoint": ("root", (-1.6, -1.7, 0.2), (0, 0, 0), ""),
    "rfemur": ("rhipjoint", (-2.4, -6.6, 0), (0, 0, -20), "rx ry rz"),
    "rtibia": ("rfemur", (-2.5, -7.0, 0), (0, 0, -20), "rx"),
    "rfoot": ("rtibia", (-0.2, -0.4, 2.3), (-90, 0, -20), "rx rz"),
    "lowerback": ("root", (0, 2.0, -0.1), (0, 0, 0), "rx ry rz"),
    "upperback": ("lowerback", (0, 2.0, 0), (0, 0, 0), "rx ry rz"),
    "thorax": ("upperback", (0, 2.0, 0), (0, 0, 0), "rx ry rz"),
    "lowerneck": ("thorax", (0, 1.7, 0.2), (0, 0, 0), "rx ry rz"),
    "upperneck": ("lowerneck", (0, 1.7, 0), (0, 0, 0), "rx ry rz"),
    "head": ("upperneck", (0, 1.7, 0), (0, 0, 0), "rx ry rz"),
    "lclavicle": ("thorax", (3.0, 1.4, 0), (0, 0, 0), "ry rz"),
    "lhumerus": ("lclavicle", (5.0, 0, 0), (180, 30, 90), "rx ry rz"),
    "lradius": ("lhumerus", (3.0, 0, 0), (180, 30, 90), "rx"),
    "lwrist": ("lradius", (1.5, 0, 0), (180, 30, 90), "ry"),
    "lhand": ("lwrist", (0.7, 0, 0), (180, 30, 90), "rx rz"),
    "lfingers": ("lhand", (0.6, 0, 0), (180, 30, 90), "rx"),
    "lthumb": ("lwrist", (0.6, 0, 0.6), (90, 45, 0), "rx rz"),
    "rclavicle": ("thorax", (-3.0, 1.4, 0), (0, 0, 0), "ry rz"),
    "rhumerus": ("rclavicle", (-5.0, 0, 0), (180, -30, -90), "rx ry rz"),
    "rradius": ("rhumerus", (-3.0, 0, 0), (180, -30, -90), "rx"),
    "rwrist": ("rradius", (-1.5, 0, 0), (180, -30, -90), "ry"),
    "rhand": ("rwrist", (-0.7, 0, 0), (180, -30, -90), "rx rz"),
    "rfingers": ("rhand", (-0.6, 0, 0), (180, -30, -90), "rx"),
    "rthumb": ("rwrist", (-0.6, 0, 0.6), (90, -45, 0), "rx rz"),
}  # fmt: skip
"""Bones: parent, offset in units of the file, axes and degrees of freedom."""


def asf(bones=PERSON, order="XYZ"):
    """The text of a skeleton."""
    told = []
    for number, (name, (_, offset, axes, dof)) in enumerate(bones.items(), start=1):
        length = float(np.linalg.norm(offset))
        x, y, z = (np.array(offset) / length).tolist()
        told += [
            "  begin",
            f"     id {number}",
            f"     name {name}",
            f"     direction {x!r} {y!r} {z!r}",
            f"     length {length!r}",
            f"     axis {axes[0]} {axes[1]} {axes[2]}  {order}",
        ]
        if dof:
            told += [f"    dof {dof}", "    limits (-160.0 20.0)"]
            told += ["           (-70.0 70.0)"] * (len(dof.split()) - 1)
        told.append("  end")
    parents: dict[str, list[str]] = {}
    for name, (parent, *_) in bones.items():
        parents.setdefault(parent, []).append(name)
    lines = [f"    {parent} {' '.join(children)}" for parent, children in parents.items()]
    return ASF.format(bones="\n".join(told), hierarchy="\n".join(lines))


def amc(values, bones=PERSON):
    """The text of a motion: for each frame, a map of bones and the root to their values."""
    lines = ["# made for a test", ":FULLY-SPECIFIED", ":DEGREES"]
    for number, frame in enumerate(values, start=1):
        lines.append(str(number))
        lines.append("root " + " ".join(f"{x:.9g}" for x in frame["root"]))
        lines += [
            f"{name} " + " ".join(f"{x:.9g}" for x in frame[name])
            for name, (_, _, _, dof) in bones.items()
            if dof
        ]
    return "\n".join(lines) + "\n"


def turning(rng, frames=4, bones=PERSON):
    """Random values of a motion."""
    return [
        {"root": [*rng.normal(scale=3, size=3), *rng.normal(scale=30, size=3)],
         **{name: rng.normal(scale=30, size=len(dof.split())).tolist()
            for name, (_, _, _, dof) in bones.items()}}
        for _ in range(frames)
    ]  # fmt: skip
