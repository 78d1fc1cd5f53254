"""Loops that warp one clip to blocks of exemplars, compiled by Numba.

All parts of a clip share one table of products of postures, clip by exemplar: coarse parts are
means of it, motion is made of its differences, and sizes scale it. Exemplars lie in blocks of
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

LANES = 32
"""Exemplars in a block. With fewer, loops are too short; with more, tables leave the cache."""
TABLE_ROWS = 3
"""Rows of a table that are computed at once."""
EXEMPLAR, CLIP, BOTH = 1, 2, 3
"""Tables of coarse parts of exemplars, of the clip, and of both; table 0 has no coarse parts."""
ZERO, HALF, ONE, TWO = (np.float32(number) for number in (0, 0.5, 1, 2))
"""Other numbers would make 64 bits of 32."""
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
    used: IntegerArray,
    clips: Arranged,
    exemplars: Arranged,
    free_share: int,
    price: np.float32,
    tables: FloatArray,
    work: FloatArray,
    result: FloatArray,
) -> None:
    """Compare the first of some clips with all exemplars by some kernels of one content.

    Args:
        kernels: What `CompiledBodies._numbers` gives for each, (K, 6).
        used: How many kernels use each table, (4,).
        clips: Has the clip.
        exemplars: Of E bodies.
        free_share: As in `CompiledBodies.distances`.
        price: As in `CompiledBodies.distances`.
        tables: Room for four tables, (4, R, S * LANES).
        work: Room for rows, (6, (S + 2) * LANES).
        result: The distances, (K, E).
    """
    rows, clip_scales, clip_squares, clip_paths = _first_clip(clips)
    found = np.empty(LANES, np.float32)
    for block in range(len(exemplars.postures)):
        if used[BOTH] == len(kernels):
            _multiply(rows, exemplars.postures[block], tables[BOTH])
        else:
            _multiply(rows, exemplars.postures[block], tables[0])
            if used[CLIP]:
                _pool_rows(tables[0], tables[CLIP])
            if used[EXEMPLAR] or used[BOTH]:
                _pool_columns(tables[0], tables[EXEMPLAR])
            if used[BOTH]:
                _pool_rows(tables[EXEMPLAR], tables[BOTH])
        for k in range(len(kernels)):
            clip_part, part, table, row, column, steps = kernels[k]
            _warp(
                tables[table],
                row,
                column * LANES,
                steps,
                clip_scales[clip_part],
                clip_squares[clip_part],
                clip_paths[clip_part],
                exemplars.scales[block, part],
                exemplars.squares[block, part],
                exemplars.paths[block, part],
                steps // free_share,
                price,
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
def _pool_rows(table: FloatArray, pooled: FloatArray) -> None:
    """Compute the table of half as many steps of the clip."""
    width = table.shape[1]
    for x in range(width):
        pooled[0, x] = table[0, x]
    for i in range(width // LANES // 2):
        one, other, mean = table[1 + 2 * i], table[2 + 2 * i], pooled[1 + i]
        for x in range(width):
            mean[x] = HALF * (one[x] + other[x])


@compiled
def _pool_columns(table: FloatArray, pooled: FloatArray) -> None:
    """Compute the table of half as many steps of the exemplars, on the left of `pooled`."""
    steps = table.shape[1] // LANES
    for i in range(1 + steps):
        for j in range(steps // 2):
            pair, mean = table[i, 2 * j * LANES :], pooled[i, j * LANES :]
            for lane in range(LANES):
                mean[lane] = HALF * (pair[lane] + pair[LANES + lane])


@compiled
def _warp(
    table: FloatArray,
    row: int,
    column: int,
    steps: int,
    clip_scales: FloatArray,
    clip_squares: FloatArray,
    clip_path: FloatArray,
    scales: FloatArray,
    exemplar_squares: FloatArray,
    path: FloatArray,
    free: int,
    price: np.float32,
    work: FloatArray,
    found: FloatArray,
) -> None:
    """Warp a part of a clip to a part of each exemplar of a block.

    The paths are those of `stars_infer.similarity.dtw.warping_distances`, row after row.

    Args:
        table: Products of postures, with the clip's mean posture in row 0.
        row: First step of the clip's part.
        column: First number of the exemplars' part, LANES times its first step.
        steps: Steps of either part, S'.
        clip_scales: Scales of posture and motion, (2,).
        clip_squares: Square norm of each step, (S,).
        clip_path: Speed and height at each step, (2, S).
        scales: Of the exemplars, (2, LANES).
        exemplar_squares: Of the exemplars, (S * LANES,).
        path: Of the exemplars, (2, S * LANES).
        free: How many steps may be left out at either end.
        price: Cost of a step that is left out.
        work: Room for rows.
        found: The distances, (LANES,).
    """
    width = steps * LANES
    squares, near, moving, slopes, last, here = work[0], work[1], work[2], work[3], work[4], work[5]
    for j in range(steps):
        across = ONE if 0 < j < steps - 1 else TWO  # differences of one step, not of two
        for lane in range(LANES):
            near[j * LANES + lane] = -TWO * clip_scales[0] * scales[0, lane]
            moving[j * LANES + lane] = -across * clip_scales[1] * scales[1, lane]
    mean = table[0, column : column + width]
    for x in range(width):
        squares[x] = exemplar_squares[x] + near[x] * mean[x]
    for j in range(steps + 1):  # in the first row, a path may come from nowhere, along diagonals
        start = price * np.float32(j) if j <= free else _INFINITY
        for lane in range(LANES):
            last[j * LANES + lane] = start
    for lane in range(LANES):
        found[lane] = _INFINITY
    for i in range(steps):
        start = price * np.float32(i) if i <= free else _INFINITY
        for lane in range(LANES):  # in the first column, from the left
            here[lane] = start
        above, below = max(i - 1, 0), min(i + 1, steps - 1)
        _differ(
            table[1 + row + above, column : column + width],
            table[1 + row + below, column : column + width],
            ONE / np.float32(below - above),
            slopes,
        )
        _advance(
            table[1 + row + i, column : column + width],
            slopes,
            clip_squares[i],
            -TWO * clip_path[0, i],
            -TWO * clip_path[1, i],
            squares,
            near,
            moving,
            path[0],
            path[1],
            last,
            here,
        )
        left_out = steps - 1 - i
        for lane in range(LANES):
            here[lane] = _INFINITY
            if left_out <= free:
                end = here[width + lane] + price * np.float32(left_out)
                found[lane] = min(found[lane], end)
        last, here = here, last
    for left_out in range(1, free + 1):
        for lane in range(LANES):
            end = last[width - left_out * LANES + lane] + price * np.float32(left_out)
            found[lane] = min(found[lane], end)


@compiled
def _differ(above: FloatArray, below: FloatArray, share: np.float32, slopes: FloatArray) -> None:
    """Compute the differences of two rows, with the first and last step repeated."""
    width = len(above)
    for x in range(width):
        slopes[LANES + x] = share * (below[x] - above[x])
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
