"""Miniatures of the data sets that no license lets us ship: synthetic motion, official names.

Every class moves in its own way, is in the train and the test part of every split at least six
times, and in short clips. Written in well under two seconds each, same files for the same seed.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stars_infer.synthetic.actions import perform
from stars_infer.synthetic.files import skeleton_text
from stars_infer.train.datasets.ntu.actions import NTU_ACTIONS
from stars_infer.train.datasets.ntu.missing import missing_skeletons
from stars_infer.train.datasets.pku.actions import PKU_ACTIONS

BASE = {10: "clap", 23: "wave", 24: "kick", 27: "jump", 58: "handshake"}
"""NTU RGB+D class to the synthetic action that stands for it; 58 has two bodies."""
NOVEL = {80: "squat", 99: "walk", 112: "wave together"}
"""The same for NTU RGB+D 120."""
PKU = {6: "clap", 13: "wave", 14: "handshake", 17: "jump", 19: "kick"}
"""The same for PKU-MMD."""
PERFORMERS = {
    "ntu60": (1, 2, 4, 3, 6, 7),
    "base": (1, 2, 4, 3, 6, 7),
    "novel": (45, 46, 47, 60, 61, 62),
}
"""Three who are trained on in XSub, three who are tested."""
SECONDS = 1.3


@dataclass(frozen=True)
class Miniature:
    """What was written.

    Attributes:
        root: Folder or file.
        clips: Names of the clips that a pack must hold, in its order.
        left_out: How many are to be left out, by reason.
    """

    root: Path
    clips: list[str]
    left_out: dict[str, int]


def write_ntu(root: Path, *, dataset: str = "ntu60", seed: int = 0) -> Miniature:
    """Write `.skeleton` files: 18 clips of each class, and the difficulties of the true set.

    There are changing body ids, frames without a body, a chair, glimpses of a second body, samples
    on the missing list, a file cut short, one without anybody, and names of no or another set.
    """
    root.mkdir(parents=True, exist_ok=True)
    groups = [("base", BASE)] + ([("novel", NOVEL)] if dataset == "ntu120" else [])
    clips = []
    for group, classes in groups:
        for action, motion in classes.items():
            for place, (performer, camera) in enumerate(
                (p, c) for p in PERFORMERS[group] for c in (1, 2, 3)
            ):
                setup = (1 if group == "base" else 18) + place % 2
                name = f"S{setup:03}C{camera:03}P{performer:03}R001A{action:03}"
                random = np.random.default_rng([seed, action, performer, camera])
                bodies = _performed(motion, random)
                if len(bodies) == 1:
                    bodies = _DIFFICULTIES[place % len(_DIFFICULTIES)](bodies, random)
                (root / f"{name}.skeleton").write_text(skeleton_text(bodies), encoding="ascii")
                clips.append(name)
    assert not missing_skeletons() & set(clips)
    waving = skeleton_text(perform("wave", np.random.default_rng(seed), seconds=SECONDS))
    bad = {
        "S001C001P008R001A023": waving[: len(waving) // 2],
        "S001C001P009R001A010": skeleton_text(np.zeros((1, 30, 25, 3), np.float32)),
        "S001C002P005R002A008": waving,
        "S017C003P020R001A059": "0\n",
        "S001C004P001R001A001": waving,
        "copy of S001C001P001R001A023": waving,
        "S019C001P046R001A075": waving,
    }
    for name, text in bad.items():
        (root / f"{name}.skeleton").write_text(text, encoding="ascii")
    left_out = {
        "cannot be used": 1,
        "no body": 1,
        "no official name": 2,
        "on the list of missing skeletons": 2 if dataset == "ntu60" else 3,
    } | ({"of another set": 1} if dataset == "ntu60" else {})
    return Miniature(root, sorted(clips), left_out)


def write_pku(root: Path, *, part: int = 1, seed: int = 0) -> Miniature:
    """Write recordings, labels and split files of a part as they are downloaded.

    Three recordings from three views are trained on in the cross-subject split, three tested; each
    holds every class once. One interval ends before it begins, one lies behind the last frame.
    """
    skeletons, labels = root / "PKU_Skeleton_Renew", root / "Train_Label_PKU_final"
    for folder in (skeletons, labels, root / "Split"):
        folder.mkdir(parents=True, exist_ok=True)
    stems = [f"{n:04}" if part == 1 else f"A{n:02}N{n:02}" for n in range(1, 7)]
    clips = []
    for stem_number, stem in enumerate(stems):
        for view in "LMR":
            random = np.random.default_rng([seed, part, stem_number, ord(view)])
            rows, lines = [np.zeros((5, 150))], []
            for action, motion in PKU.items():
                bodies = _performed(motion, random)
                start = sum(map(len, rows))
                rows += [_pku_rows(bodies), np.zeros((4, 150))]
                clips.append(f"{stem}-{view}_{len(lines)}")
                lines.append(f"{action},{start},{start + bodies.shape[1]},2")
            content = np.concatenate(rows)
            if (stem_number, view) == (0, "L"):
                lines += [
                    "13,90,80,1",
                    f"13,{len(content)},{len(content) + 50},1",
                    "13,0,4,1",
                    "99,9,40,1",
                ]
            np.savetxt(skeletons / f"{stem}-{view}.txt", content, fmt="%.5f")
            (labels / f"{stem}-{view}.txt").write_text("\n".join(lines) + "\n")
    absent = "0399-L" if part == 1 else "A26N26-L"
    names = {
        "subject": (
            [f"{stem}-{view}" for stem in stems[:3] for view in "LMR"],
            [f"{stem}-{view}" for stem in stems[3:] for view in "LMR"],
        ),
        "view": (
            [f"{stem}-{view}" for stem in stems for view in "MR"],
            [f"{stem}-L" for stem in stems],
        ),
    }
    for split, (train, test) in names.items():
        file = f"cross-{split}.txt" if part == 1 else f"cross_{split}_v2.txt"
        (root / "Split" / file).write_text(
            "Training videos: \n" + ", ".join([*train, absent]) + "\n\n"
            "Validataion videos: \n" + ", ".join(test) + "\n"
        )
    left_out = {"broken interval": 2, "no body": 1, "unknown class": 1}
    return Miniature(root, sorted(clips), left_out)


def write_pyskl(path: Path, *, dataset: str = "ntu60", seed: int = 0) -> Miniature:
    """Write a pickle as PYSKL publishes: half precision, absent second bodies zero or not there."""
    groups = [("base", BASE)] + ([("novel", NOVEL)] if dataset == "ntu120" else [])
    annotations = []
    for group, classes in groups:
        for action, motion in classes.items():
            for performer in PERFORMERS[group]:
                for camera in (1, 2, 3):
                    setup = (1 if group == "base" else 18) + camera % 2
                    random = np.random.default_rng([seed, action, performer, camera])
                    keypoint = _performed(motion, random).astype(np.float16)
                    annotations.append(
                        {
                            "frame_dir": f"S{setup:03}C{camera:03}P{performer:03}R001A{action:03}",
                            "label": action - 1,
                            "keypoint": keypoint,
                            "total_frames": keypoint.shape[1],
                        }
                    )
    names = [annotation["frame_dir"] for annotation in annotations]
    trained = {p for those in PERFORMERS.values() for p in those[:3]}
    split = {
        "xsub_train": [name for name in names if int(name[9:12]) in trained],
        "xsub_val": [name for name in names if int(name[9:12]) not in trained],
    }
    if dataset == "ntu60":
        split["xview_train"] = [name for name in names if "C001" not in name]
        split["xview_val"] = [name for name in names if "C001" in name]
    else:
        split["xset_train"] = [name for name in names if int(name[1:4]) % 2 == 0]
        split["xset_val"] = [name for name in names if int(name[1:4]) % 2 == 1]
    annotations.append({**annotations[0], "frame_dir": "S001C002P005R002A008"})
    nobody = np.zeros((1, 30, 25, 3), np.float16)
    annotations.append({**annotations[0], "frame_dir": "S001C001P009R001A010", "keypoint": nobody})
    path.write_bytes(pickle.dumps({"split": split, "annotations": annotations}, protocol=4))
    return Miniature(path, sorted(names), {"no body": 1, "on the list of missing skeletons": 1})


def write_mamp_npz(path: Path, *, dataset: str = "ntu60", seed: int = 0) -> Miniature:
    """Write an archive as the public MAMP code makes: padded to 300 frames, one-hot labels."""
    classes = {"ntu60": BASE, "ntu120": BASE | NOVEL}.get(dataset, PKU)
    width = {"ntu60": 60, "ntu120": len(NTU_ACTIONS)}.get(dataset, len(PKU_ACTIONS))
    arrays, clips = {}, []
    for part in ("test", "train"):
        x, y = [], []
        for action, motion in classes.items():
            for number in range(6):
                random = np.random.default_rng([seed, part == "train", action, number])
                bodies = _performed(motion, random)
                if dataset == "ntu120" and len(bodies) == 1:
                    bodies = np.concatenate([bodies, bodies])
                rows = np.zeros((300, 150), np.float32)
                rows[: bodies.shape[1]] = _pku_rows(bodies)
                clips.append(f"{part}_{len(x):06}")
                x.append(rows)
                y.append(np.eye(width)[action - 1])
        if part == "train":
            x.append(np.zeros((300, 150), np.float32))
            y.append(np.eye(width)[0])
        arrays |= {f"x_{part}": np.stack(x), f"y_{part}": np.stack(y)}
    np.savez(path, **arrays)
    return Miniature(path, clips, {"no body": 1})


def _performed(motion, random):
    """Bodies (1 or 2, T, 25, 3) of a short clip."""
    if motion != "wave together":
        return perform(motion, random, seconds=SECONDS)
    people = [perform("wave", random, seconds=SECONDS)[0] for _ in range(2)]
    frames = min(map(len, people))
    for side, person in zip((-1, 1), people, strict=True):  # they turn to each other
        middle = person[0, 1].copy()
        x, y, z = np.moveaxis(person - middle, 2, 0)
        person[:] = np.stack([side * z, y, -side * x], axis=2) + middle + [side * 0.5, 0, 0]
    return np.stack([person[:frames] for person in people])


def _pku_rows(bodies):
    """Rows (T, 150) of one or two bodies."""
    rows = np.zeros((bodies.shape[1], 2, 75))
    rows[:, : len(bodies)] = np.moveaxis(bodies, 1, 0).reshape(bodies.shape[1], len(bodies), 75)
    return rows.reshape(-1, 150)


def _as_it_is(bodies, random):
    return bodies


def _changing_id(bodies, random):
    """The sensor loses the body and finds it again under another id."""
    two = np.concatenate([bodies, bodies])
    half = bodies.shape[1] // 2
    two[0, half:] = 0
    two[1, :half] = 0
    return two


def _gone_for_a_while(bodies, random):
    """Nobody is seen in three frames."""
    bodies[:, 5:8] = 0
    return bodies


def _with_a_chair(bodies, random):
    """Something wide and still is taken for a second body."""
    chair = random.normal(0, 0.002, bodies.shape) + random.uniform(
        [-0.5, -1, 3], [0.5, -0.8, 3.2], (25, 3)
    )
    return np.concatenate([chair.astype(np.float32), bodies])


def _with_a_glimpse(bodies, random):
    """A second body for five frames."""
    other = np.zeros_like(bodies)
    other[:, 10:15] = bodies[:, 10:15] + np.float32(0.7)
    return np.concatenate([bodies, other])


_DIFFICULTIES = (_as_it_is, _changing_id, _gone_for_a_while, _with_a_chair, _with_a_glimpse)
