"""The modes of the body that `stars_infer/similarity/modes.py` holds, computed again.

    python benchmarks/quality/modes.py --data DATA

DATA holds `mocap/cmu.npz` and `mocap/hdm05.npz`, of whom the actors bd, bk and dg are taken. About
ten seconds. Those in use were made when an earlier form of `stand_upright` prepared the windows,
and differ by a few hundredths.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sets import TAUGHT

from stars_infer.arrays import FloatArray
from stars_infer.clips.clip import Clip
from stars_infer.errors import ClipError
from stars_infer.layouts import get_layout
from stars_infer.preprocessing.normalize import face_camera, stand_upright
from stars_infer.preprocessing.prepare import prepare
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.similarity.modes import JOINTS, MODES
from stars_infer.train.datasets.sources import Windows, clips_of

SHARES = (0.72, 0.28)
"""Of postures and motions."""
STIFF = 0.05
"""Motion, meters per step, that is not scaled up."""


def main() -> None:
    """Compute and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with mocap/")
    options = parser.parse_args()
    sides = get_layout("ntu25").counterparts
    exchanged = np.eye(len(JOINTS))[[JOINTS.index(sides[joint]) for joint in JOINTS]]
    total: NDArray[np.float64] = np.zeros((len(JOINTS),) * 2)
    count = 0
    for posture in postures(options.data / "mocap"):
        motion = np.gradient(posture, axis=0)
        for share, steps, least in zip(SHARES, (posture, motion), (1e-6, STIFF), strict=True):
            size = np.sqrt(np.square(steps).sum(axis=(1, 2)).mean())
            scaled = steps / max(float(size), least)
            total += share * np.einsum("sic,sjc->ij", scaled, scaled) / len(steps)
        count += 1
    total = (total + exchanged @ total @ exchanged.T) / 2
    sizes, directions = np.linalg.eigh(total)
    modes = directions[:, ::-1].T
    modes = modes[: len(MODES)]
    modes *= np.sign((modes * MODES).sum(axis=1, keepdims=True))  # either sign is a mode
    held = np.cumsum(sizes[::-1]) / sizes.sum()
    print(f"{count} windows; share of the variance that the first 1, 2, … modes hold:")
    print(held[: len(MODES) + 2].round(4).tolist())
    print(modes.round(3))
    print(f"largest difference from those in use: {np.abs(modes - MODES).max():.3f}")


def postures(folder: Path) -> Iterator[FloatArray]:
    """Postures (S, 19, 3) of windows, relative to the base of the spine, as they are compared."""
    how = SequenceConfig()
    windows = Windows(seconds=4, shortest=1.0)
    for name in ("cmu.npz", "hdm05.npz"):
        for source in clips_of(folder / name, layout=None, windows=windows, skip=print):
            if name == "hdm05.npz" and source.subject not in TAUGHT:
                continue
            try:
                bodies = prepare(Clip.from_array(source.actors, source=name), how.preprocessing)
            except ClipError:
                continue
            steps = bodies[:1].reshape(1, how.steps, -1, *bodies.shape[2:]).mean(axis=2)
            (joints,) = face_camera(stand_upright(steps))
            yield (joints - joints[:, :1])[:, JOINTS]


if __name__ == "__main__":
    main()
