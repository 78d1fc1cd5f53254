"""Write synthetic recordings as NTU RGB+D `.skeleton` files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.atomic import write_text
from stars_infer.errors import UsageError
from stars_infer.synthetic.actions import ACTIONS, perform

_FIRST_ID = 72057594037927936


def skeleton_text(bodies: FloatArray) -> str:
    """Write the text of a `.skeleton` file, without a body in frames where it is all zeros.

    Args:
        bodies: (M, T, 25, 3), meters.
    """
    lines = [str(bodies.shape[1])]
    for frame in np.moveaxis(bodies, 1, 0):
        seen = [number for number, body in enumerate(frame) if body.any()]
        lines.append(str(len(seen)))
        for number in seen:
            lines.append(f"{_FIRST_ID + number} 0 1 1 1 1 0 0.01 -0.05 2")
            lines.append(str(len(frame[number])))
            lines += [
                f"{x:.7g} {y:.7g} {z:.7g} 256.0 212.0 960.0 540.0 0 0 0 0 2"
                for x, y, z in frame[number]
            ]
    return "\n".join(lines) + "\n"


def write_recordings(
    folder: Path, *, performers: int, seed: int = 0, actions: Sequence[str] = ACTIONS
) -> Iterator[Path]:
    """Write a recording of every action by every performer.

    Their files are ACTION/S001C001PpppR001Aaaa.skeleton.

    Yields:
        Each file once it is written, or found with the same text.

    Raises:
        UsageError: If a file of that name holds something else, which stays as it is.
    """
    for number, action in enumerate(actions, start=1):
        (folder / action).mkdir(parents=True, exist_ok=True)
        for performer in range(1, performers + 1):
            random = np.random.default_rng([seed, number, performer])
            path = folder / action / f"S001C001P{performer:03}R001A{number:03}.skeleton"
            text = skeleton_text(perform(action, random))
            if not path.exists():
                write_text(path, text)
            elif path.read_bytes() != text.encode("ascii"):
                raise UsageError(f"{path}: another recording lies here; name another folder")
            yield path
