"""Loops that warp one clip to blocks of exemplars, compiled by Numba.

All parts of a clip share one table of products of postures, clip by exemplar: halves are stretched
from it, motion is made of its differences, and sizes scale it. Exemplars lie in blocks of
`LANES`, the same number of all of them side by side, so that one instruction works on several
exemplars, and that the tables of a block stay in the cache.

Loops run over `x`, a step and an exemplar at once, where processors work on many numbers in a row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.similarity.comparison import POSTURE
from stars_infer.similarity.contents import OWN_SHARE

LANES = 32
"""Exemplars in a block. With fewer, loops are too short; with more, tables leave the cache."""
TABLE_ROWS = 3
"""Rows of a table that are computed at once."""
ALL, ROWS, COLUMNS = 0, 1, 2
"""Tables of whole clips, of a stretched half of the clip, and of stretched halves of exemplars."""
ZERO, ONE, TWO = (np.float32(number) for number in (0, 1, 2))
"""Other numbers would make 64 bits of 32."""
OWN, NEXT = np.float32(OWN_SHARE), np.float32(1 - OWN_SHARE)
_INFINITY = np.float32(np.inf)

IntegerArray = NDArray[np.int64]
_Function = TypeVar("_Function", bound=Callable[..., Any])


class Arranged(NamedTuple):
    """One content of B blocks of bodies, with S steps.

    Attributes:
        postures: (B, POSTURE, S * LANES).
        scales: What postures and motions of P parts are multiplied by, (B, P, 2, LANES).
        squares: Square norm of each step of each part, (B, P, S * LANES).
        paths: Speed of the hips and their height at each step, (B, P, 2, S * LANES).
    """

    postures: FloatArray
    scales: FloatArray
    squares: FloatArray
    paths: FloatArray


def compiled(function: _Function) -> _Function:
    """Compile a function when it is called first, and keep the result on the disk.

    Numba keeps it beside this file, or else in the user's cache, or else not at all.
    """
    options: dict[str, Any] = {"fastmath": {"contract", "nsz", "reassoc"}, "error_model": "numpy"}
    try:
        fast = njit(cache=True, nogil=True, **options)(function)
    except RuntimeError:
        fast = njit(nogil=True, **options)(function)
    return cast(_Function, fast)


@compiled
def compare(
    kernels: IntegerArray,
    clips: Arranged,
    exemplars: Arranged,
    free: int,
    price: np.float32,
    band: int,
    tables: FloatArray,
    work: FloatArray,
    result: FloatArray,
) -> None:
    """Compare the first of some clips with all exemplars by some kernels of one content.

    Args:
        kernels: What `CompiledBodies._numbers` gives for each, (K, 4).
        clips: Has the clip.
        exemplars: Of E bodies.
        free: How many steps may be left out at either end.
        price: Cost of a step that is left out.
        band: How far apart steps may be that are matched.
        tables: Room for three tables, (3, R, S * LANES).
        work: Room for rows, (6, (S + 2) * LANES).
        result: The distances, (K, E).
    """
    rows, clip_scales, clip_squares, clip_paths = _first_clip(clips)
    found = np.empty(LANES, np.float32)
    for block in range(len(exemplars.postures)):
        _multiply(rows, exemplars.postures[block], tables[ALL])
        for k in range(len(kernels)):
            clip_part, part, row, column = kernels[k]
            table = tables[ALL]
            if row >= 0:
                _stretch_rows(table, row, tables[ROWS])
                table = tables[ROWS]
            if column >= 0:
                _stretch_columns(table, column, tables[COLUMNS])
                table = tables[COLUMNS]
            _warp(
                table,
                clip_scales[clip_part],
                clip_squares[clip_part],
                clip_paths[clip_part],
                exemplars.scales[block, part],
                exemplars.squares[block, part],
                exemplars.paths[block, part],
                free,
                price,
                band,
                work,
                found,
            )
            for lane in range(min(LANES, result.shape[1] - block * LANES)):
                result[k, block * LANES + lane] = found[lane]


@compiled
def _first_clip(clips: Arranged) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Take the first body out of its block.

    Returns:
        Its mean posture and the postures less that, (R, POSTURE); its scales (P, 2), squares (P, S)
        and paths (P, 2, S).
    """
    _, parts, width = clips.squares.shape
    count, steps = clips.postures.shape[2] // LANES, width // LANES
    rows = np.zeros((-(-(1 + count) // TABLE_ROWS) * TABLE_ROWS, POSTURE), np.float32)
    for c in range(POSTURE):
        for i in range(count):
            rows[0, c] += clips.postures[0, c, i * LANES] / np.float32(count)
        for i in range(count):
            rows[1 + i, c] = clips.postures[0, c, i * LANES] - rows[0, c]
    scales = np.empty((parts, 2), np.float32)
    squares = np.empty((parts, steps), np.float32)
    paths = np.empty((parts, 2, steps), np.float32)
    for p in range(parts):
        for k in range(2):
            scales[p, k] = clips.scales[0, p, k, 0]
            for i in range(steps):
                paths[p, k, i] = clips.paths[0, p, k, i * LANES]
        for i in range(steps):
            squares[p, i] = clips.squares[0, p, i * LANES]
    return rows, scales, squares, paths


@compiled
def _multiply(rows: FloatArray, postures: FloatArray, table: FloatArray) -> None:
    """Multiply rows (R, POSTURE) by the postures of a block: the table, (R, S * LANES)."""
    width = postures.shape[1]
    for i in range(0, len(rows), TABLE_ROWS):
        for x in range(width):
            for r in range(TABLE_ROWS):
                table[i + r, x] = ZERO
        for c in range(0, POSTURE, 6):
            for x in range(width):
                p0, p1, p2 = postures[c, x], postures[c + 1, x], postures[c + 2, x]
                p3, p4, p5 = postures[c + 3, x], postures[c + 4, x], postures[c + 5, x]
                for r in range(TABLE_ROWS):
                    row = rows[i + r]
                    table[i + r, x] += (
                        row[c] * p0 + row[c + 1] * p1 + row[c + 2] * p2
                        + row[c + 3] * p3 + row[c + 4] * p4 + row[c + 5] * p5
                    )  # fmt: skip


@compiled
def _stretch_rows(table: FloatArray, first: int, stretched: FloatArray) -> None:
    """Compute the table of a half of the clip, from step `first`, in twice as many steps."""
    half = table.shape[1] // LANES // 2
    stretched[0] = table[0]
    for i in range(half):
        here = table[1 + first + i]
        before, after = table[1 + first + max(i - 1, 0)], table[1 + first + min(i + 1, half - 1)]
        one, other = stretched[1 + 2 * i], stretched[2 + 2 * i]
        for x in range(table.shape[1]):
            one[x] = OWN * here[x] + NEXT * before[x]
            other[x] = OWN * here[x] + NEXT * after[x]


@compiled
def _stretch_columns(table: FloatArray, first: int, stretched: FloatArray) -> None:
    """Compute the table of halves of the exemplars, from step `first`, in twice as many steps."""
    steps = table.shape[1] // LANES
    half = steps // 2
    for i in range(1 + steps):
        for j in range(half):
            here = table[i, (first + j) * LANES :]
            before, after = max(j - 1, 0), min(j + 1, half - 1)
            earlier, later = (
                table[i, (first + before) * LANES :],
                table[i, (first + after) * LANES :],
            )
            pair = stretched[i, 2 * j * LANES :]
            for lane in range(LANES):
                pair[lane] = OWN * here[lane] + NEXT * earlier[lane]
                pair[LANES + lane] = OWN * here[lane] + NEXT * later[lane]


@compiled
def _warp(
    table: FloatArray,
    clip_scales: FloatArray,
    clip_squares: FloatArray,
    clip_path: FloatArray,
    scales: FloatArray,
    exemplar_squares: FloatArray,
    path: FloatArray,
    free: int,
    price: np.float32,
    band: int,
    work: FloatArray,
    found: FloatArray,
) -> None:
    """Warp a part of a clip to a part of each exemplar of a block.

    The paths are those of `stars_infer.similarity.dtw.warping_distances`, row after row.

    Args:
        table: Products of postures, with the clip's mean posture in row 0.
        clip_scales: Scales of posture and motion, (2,).
        clip_squares: Square norm of each step, (S,).
        clip_path: Speed and height at each step, (2, S).
        scales: Of the exemplars, (2, LANES).
        exemplar_squares: Of the exemplars, (S * LANES,).
        path: Of the exemplars, (2, S * LANES).
        free: How many steps may be left out at either end.
        price: Cost of a step that is left out.
        band: How far apart steps may be that are matched, at least `free`.
        work: Room for rows.
        found: The distances, (LANES,).
    """
    width = table.shape[1]
    steps = width // LANES
    squares, near, moving, slopes, last, here = work[0], work[1], work[2], work[3], work[4], work[5]
    for j in range(steps):
        across = ONE if 0 < j < steps - 1 else TWO  # differences of one step, not of two
        for lane in range(LANES):
            near[j * LANES + lane] = -TWO * clip_scales[0] * scales[0, lane]
            moving[j * LANES + lane] = -across * clip_scales[1] * scales[1, lane]
    for x in range(width):
        squares[x] = exemplar_squares[x] + near[x] * table[0, x]
    for j in range(steps + 1):  # in the first row, a path may come from nowhere, along diagonals
        start = price * np.float32(j) if j <= free else _INFINITY
        for lane in range(LANES):
            last[j * LANES + lane] = start
    for lane in range(LANES):
        found[lane] = _INFINITY
    for i in range(steps):
        first, end = max(i - band, 0), min(i + band + 1, steps)
        # In the first column, from the left; what is outside of the band is never reached.
        start = price * np.float32(i) if i <= free else _INFINITY
        for lane in range(LANES):
            here[first * LANES + lane] = start
            if end < steps:
                here[(end + 1) * LANES + lane] = _INFINITY
        above, below = max(i - 1, 0), min(i + 1, steps - 1)
        low, high = first * LANES, end * LANES
        _differ(
            table[1 + above],
            table[1 + below],
            ONE / np.float32(below - above),
            max(low - LANES, 0),
            min(high + LANES, width),
            slopes,
        )
        _advance(
            table[1 + i, low:high],
            slopes[low:],
            clip_squares[i],
            -TWO * clip_path[0, i],
            -TWO * clip_path[1, i],
            squares[low:],
            near[low:],
            moving[low:],
            path[0, low:],
            path[1, low:],
            last[low:],
            here[low:],
        )
        left_out = steps - 1 - i
        for lane in range(LANES):
            here[first * LANES + lane] = _INFINITY
            if left_out <= free:
                cost = here[width + lane] + price * np.float32(left_out)
                found[lane] = min(found[lane], cost)
        last, here = here, last
    for left_out in range(1, free + 1):
        for lane in range(LANES):
            cost = last[width - left_out * LANES + lane] + price * np.float32(left_out)
            found[lane] = min(found[lane], cost)


@compiled
def _differ(
    above: FloatArray, below: FloatArray, share: np.float32, low: int, high: int, slopes: FloatArray
) -> None:
    """Compute a part of the differences of two rows, with the first and last step repeated."""
    width = len(above)
    one, other, differences = above[low:high], below[low:high], slopes[LANES + low :]
    for x in range(len(one)):
        differences[x] = share * (other[x] - one[x])
    for lane in range(LANES):
        slopes[lane] = slopes[LANES + lane]
        slopes[width + LANES + lane] = slopes[width + lane]


@compiled
def _advance(
    products: FloatArray,
    slopes: FloatArray,
    square: np.float32,
    speed: np.float32,
    height: np.float32,
    squares: FloatArray,
    near: FloatArray,
    moving: FloatArray,
    speeds: FloatArray,
    heights: FloatArray,
    last: FloatArray,
    here: FloatArray,
) -> None:
    """Compute a row of costs, and of the costs of the cheapest paths to each of its cells."""
    for x in range(len(products)):
        cost = square + squares[x] + near[x] * products[x]
        cost += moving[x] * (slopes[2 * LANES + x] - slopes[x])
        cost += speed * speeds[x] + height * heights[x]
        here[LANES + x] = min(min(last[x], last[LANES + x]), here[x]) + cost
