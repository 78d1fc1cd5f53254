"""Track Row Column, `.trc`: labeled points, as OpenSim, OpenCap and Pose2Sim write them.

Five lines of header: the rates, counts and units on the third, the labels on the fourth, one for
three columns. Then a line for each frame: its number, its time in seconds, and x, y, z of each
point, separated by tabs. An empty cell is a point that is not seen. OpenSim's y points up.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stars_infer.clips.clip import check_frame_count
from stars_infer.clips.convention import LEAST_FPS, MOST_FPS, Convention
from stars_infer.errors import ClipError, count_of
from stars_infer.readers.points import recording_of_points
from stars_infer.readers.recording import Recording, convention_in, empty_tracks

DEFAULTS = Convention(units="mm", up="y", handedness="right")
_HEADER = 5
_DIGITS = 16
"""More than a number of frames has; Python refuses to read thousands of them."""
_SURE = 0.05
"""Share by which the rate in the header may differ from the times, which are rounded."""


def read_trc(path: Path) -> tuple[Recording, ...]:
    """Read the points of a file as joints, or joints from its markers.

    Raises:
        ClipError: If the file is damaged (the message names the line), or its points are neither
            joints nor a known set of markers.
    """
    source = str(path)
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if len(lines) <= _HEADER or not lines[3].lower().startswith("frame#"):
        raise ClipError(source, "line 4: expected the labels of a TRC file, which begin with "
                        "'Frame#': export it again")  # fmt: skip
    stated = _description(lines[1], lines[2])
    labels = _labels(lines[3])
    if not labels:
        raise ClipError(source, "line 4: no label of a point: export it again")
    rows = [(at, line) for at, line in enumerate(lines[_HEADER - 1 :], start=_HEADER)
            if line.strip()]  # fmt: skip
    if rows and not _begins_with_number(rows[0][1]):
        del rows[0]  # X1 Y1 Z1 …
    check_frame_count(len(rows), source=source, recording=True)
    points = empty_tracks(1, len(rows), len(labels), source=source,
                          size=path.stat().st_size)[0]  # fmt: skip
    times = np.empty(len(rows))
    for row, (at, line) in enumerate(rows):
        values = _numbers(line, 2 + 3 * len(labels), at, source)
        times[row] = values[1]
        with np.errstate(over="ignore"):  # what overflows is missing
            points[row] = values[2:].reshape(-1, 3)
    return (
        recording_of_points(
            labels,
            points,
            source=source,
            stated=convention_in(
                source, fps=_rate(stated.get("datarate", ""), times),
                units=stated.get("units", "").lower() or None,
            ),
            default=DEFAULTS,
            notes=_cut_short(stated.get("numframes", ""), len(rows)),
        ),
    )  # fmt: skip


def _description(keys: str, values: str) -> dict[str, str]:
    """The header: its values by their keys in lower case."""
    pairs = zip(keys.split(), values.split(), strict=False)
    return {key.lower(): value for key, value in pairs}


def _labels(line: str) -> list[str]:
    """The labels of the points, each of which stands over three columns; `*` where one is empty."""
    cells = [cell.strip() for cell in line.split("\t")]
    if len(cells) < 3:
        return line.split()[2:]
    labels = cells[2:]
    while labels and not labels[-1]:
        labels.pop()
    if len(labels) > 1 and any(cell for at, cell in enumerate(labels) if at % 3):
        return [cell for cell in labels if cell]  # a label for each column that has one
    return [cell or "*" for cell in labels[::3]]


def _begins_with_number(line: str) -> bool:
    try:
        float(line.split()[0])
    except ValueError:
        return False
    return True


def _numbers(line: str, wanted: int, at: int, source: str) -> NDArray[np.float64]:
    """The numbers of a line, NaN where a cell is empty or the line ends early with such cells."""
    cells = line.split("\t") if "\t" in line else line.split()
    while cells and len(cells) > wanted and not cells[-1].strip():
        cells.pop()
    if len(cells) > wanted or len(cells) < min(wanted, 5):
        raise ClipError(source, f"line {at}: {len(cells)} values, but the labels need {wanted}: "
                        "export it again")  # fmt: skip
    values = np.full(wanted, np.nan)
    for column, cell in enumerate(cells):
        try:
            values[column] = float(cell) if cell.strip() else np.nan
        except ValueError:
            raise ClipError(source, f"line {at}: {cell.strip()[:24]!r} is not a number") from None
    return values


def _rate(stated: str, times: NDArray[np.float64]) -> float | None:
    """Frames per second by the header, or by the times if these say otherwise."""
    try:
        rate = float(stated)
    except ValueError:
        rate = 0.0
    steps = np.diff(times)
    rising = len(steps) > 0 and np.isfinite(steps).all() and float(steps.min()) > 0
    by_times = 1 / float(np.median(steps)) if rising else 0.0
    usable = [one for one in (rate, by_times) if LEAST_FPS <= one <= MOST_FPS]
    if len(usable) == 2 and abs(rate / by_times - 1) > _SURE:
        return by_times
    return usable[0] if usable else None


def _cut_short(stated: str, found: int) -> tuple[str, ...]:
    """A note if the header promises another number of frames."""
    if not stated.isdecimal():
        return ()
    promised = int(stated.lstrip("0")[:_DIGITS] or 0)
    if promised == found:
        return ()
    return (f"the header says {count_of(promised)} frames, but there are {found:,}",)
