"""The comparison of one body with those of many exemplars, compiled by Numba.

It gives what `stars_infer.similarity.dtw` computes with NumPy, several times as fast.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numba import config

from stars_infer.arrays import FloatArray
from stars_infer.similarity.comparison import (
    DEVIATION,
    FIRST,
    LAST,
    MIDDLE,
    MOVING,
    POSTURE,
    STEPS,
    UNTURNED,
    WHOLE,
    Kernel,
    SequenceConfig,
)
from stars_infer.similarity.compiled_warping import (
    LANES,
    NEXT,
    ONE,
    OWN,
    TABLE_ROWS,
    ZERO,
    Arranged,
    IntegerArray,
    compare,
    compiled,
)
from stars_infer.similarity.contents import (
    ABSENT,
    HEIGHT,
    MOVING_SHARES,
    POSTURES,
    STIFF,
    STILL,
    UNTURNED_SHARES,
    WALKING,
)

if getattr(config, "DISABLE_JIT", False):
    raise ImportError("Numba is told not to compile, and what it does not compile is slow")

_CACHE_LINE = 16
"""Numbers in a line of the processor's cache."""
_FORMS = {
    MOVING: (MOVING_SHARES, (ABSENT, STILL), (WALKING, HEIGHT)),
    UNTURNED: (UNTURNED_SHARES, (ABSENT, STILL), (1.0, 1.0)),
    DEVIATION: ((1.0, 0.0, 0.0), (STIFF, 1.0), (1.0, 1.0)),
}
"""Of each content: shares of posture, motion and path; sizes of posture and motion below which they
are not scaled up; and what the path is divided by."""


class CompiledBodies:
    """One body of each of E clips, (E, S, F), arranged for the compiled comparison."""

    def __init__(self, sequences: FloatArray, how: SequenceConfig) -> None:
        self._size, self._steps, _ = sequences.shape
        kernels = (*how.kernels, how.mirror)
        self._parts: dict[str, list[str]] = {
            content: sorted({part for one in kernels for part in _parts(one, content)})
            for content in dict.fromkeys(one.content for one in kernels)
        }
        bodies = np.array(sequences, np.float32, order="C")
        self._arranged = {content: self._arrange(bodies, content) for content in self._parts}

    @staticmethod
    def can_compare(how: SequenceConfig) -> bool:
        """Whether all kernels are of a kind that this form computes: no deviation of a half."""
        kernels = (*how.kernels, how.mirror)
        deviating = {part for one in kernels for part in _parts(one, DEVIATION)}
        return deviating <= {WHOLE}

    def distances(
        self, clip: CompiledBodies, kernels: Sequence[Kernel], *, free: int, price: float, band: int
    ) -> FloatArray:
        """Warping distances of the first of other bodies to each of these, (K, E).

        Args:
            clip: Bodies that were arranged for the same comparison.
            kernels: Some of its kernels, K of them.
            free: How many steps may be left out at either end of either sequence.
            price: Cost of a step that is left out.
            band: How far apart steps may be that are matched, at least `free`.
        """
        result = np.empty((len(kernels), self._size), np.float32)
        for content in dict.fromkeys(one.content for one in kernels):
            chosen = [number for number, one in enumerate(kernels) if one.content == content]
            found = np.empty((len(chosen), self._size), np.float32)
            compare(
                np.array([self._numbers(kernels[number]) for number in chosen]),
                clip._arranged[content],
                self._arranged[content],
                free,
                np.float32(price),
                band,
                _zeros(3, _height(self._steps), self._steps * LANES),
                _zeros(6, (self._steps + 2) * LANES),
                found,
            )
            result[chosen] = found
        return result

    def _arrange(self, bodies: FloatArray, content: str) -> Arranged:
        """Arrange the postures of a content."""
        blocks, steps, parts = -(-self._size // LANES), self._steps, self._parts[content]
        arranged = Arranged(
            postures=_zeros(blocks, POSTURE, steps * LANES),
            scales=_zeros(blocks, len(parts), 2, LANES),
            squares=_zeros(blocks, len(parts), steps * LANES),
            paths=_zeros(blocks, len(parts), 2, steps * LANES),
        )
        starts = np.array([self._start(part) for part in parts])
        start = POSTURE * POSTURES.index(content)
        _fill(bodies, start, content == DEVIATION, *_FORMS[content], starts, arranged)
        return arranged

    def _start(self, part: str) -> int:
        """The first step of a half; -1 for the whole."""
        steps: int = self._steps
        return {WHOLE: -1, FIRST: 0, LAST: steps // 2, MIDDLE: steps // 4}[part]

    def _numbers(self, kernel: Kernel) -> tuple[int, int, int, int]:
        """Numbers of the parts of clip and exemplar, and where they start."""
        parts = self._parts[kernel.content]
        clip, exemplar = _parts(kernel, kernel.content)
        return parts.index(clip), parts.index(exemplar), self._start(clip), self._start(exemplar)


def _parts(kernel: Kernel, content: str) -> tuple[str, ...]:
    """The parts of clip and exemplar that a kernel compares, if it compares this content."""
    return (kernel.clip, kernel.exemplar) if kernel.content == content else ()


def _zeros(*shape: int) -> FloatArray:
    """Zeros in memory that begins at a line of the cache, which makes loops up to 1.5 x as fast."""
    numbers = np.zeros(math.prod(shape) + _CACHE_LINE, np.float32)
    skipped = -numbers.ctypes.data % (4 * _CACHE_LINE) // 4
    return numbers[skipped : skipped + math.prod(shape)].reshape(shape)


def _height(steps: int) -> int:
    """Rows of a table for a clip of so many steps."""
    return -(-(1 + steps) // TABLE_ROWS) * TABLE_ROWS


@compiled
def _fill(
    bodies: FloatArray,
    start: int,
    deviating: bool,
    shares: tuple[float, float, float],
    floors: tuple[float, float],
    extents: tuple[float, float],
    starts: IntegerArray,
    arranged: Arranged,
) -> None:
    """Arrange one content of bodies (E, S, F), whose postures begin at number `start`."""
    steps, width = bodies.shape[1:]
    stretched = np.empty((steps, width), np.float32)
    scales = np.empty(2, np.float32)
    squares = np.empty(steps, np.float32)
    path = np.empty((2, steps), np.float32)
    for number in range(len(bodies)):
        block, lane, body = number // LANES, number % LANES, bodies[number]
        for c in range(POSTURE):
            mean = ZERO
            if deviating:
                for i in range(steps):
                    mean += body[i, start + c] / np.float32(steps)
            for i in range(steps):
                arranged.postures[block, c, i * LANES + lane] = body[i, start + c] - mean
        for p in range(len(starts)):
            part = body
            if starts[p] >= 0:
                part = stretched
                _stretch(body[starts[p] : starts[p] + steps // 2], stretched)
            _describe(part, start, deviating, shares, floors, extents, scales, squares, path)
            for k in range(2):
                arranged.scales[block, p, k, lane] = scales[k]
                for i in range(steps):
                    arranged.paths[block, p, k, i * LANES + lane] = path[k, i]
            for i in range(steps):
                arranged.squares[block, p, i * LANES + lane] = squares[i]


@compiled
def _stretch(half: FloatArray, stretched: FloatArray) -> None:
    """Compute twice as many steps of a half, as `stars_infer.similarity.contents.part_of`."""
    steps, width = half.shape
    for i in range(steps):
        before, after = max(i - 1, 0), min(i + 1, steps - 1)
        for c in range(width):
            stretched[2 * i, c] = OWN * half[i, c] + NEXT * half[before, c]
            stretched[2 * i + 1, c] = OWN * half[i, c] + NEXT * half[after, c]


@compiled
def _describe(
    steps: FloatArray,
    start: int,
    deviating: bool,
    shares: tuple[float, float, float],
    floors: tuple[float, float],
    extents: tuple[float, float],
    scales: FloatArray,
    squares: FloatArray,
    path: FloatArray,
) -> None:
    """Compute scales (2,), squares (S,) and path (2, S) of a part (S, F) of a body."""
    count = len(steps)
    pace = STEPS / count
    posture, hips = steps[:, start : start + POSTURE], steps[:, 3 * POSTURE :]
    means = np.zeros(POSTURE, np.float32)
    height = 0.0
    for i in range(count):
        height += hips[i, 1] / count
        if deviating:
            for c in range(POSTURE):
                means[c] += posture[i, c] / np.float32(count)
    sizes = np.empty((2, count), np.float32)
    size = motion_size = 0.0
    for i in range(count):
        before, after = max(i - 1, 0), min(i + 1, count - 1)
        share = ONE / np.float32(after - before)
        near = moving = ZERO
        for c in range(POSTURE):
            value = posture[i, c] - means[c]
            slope = share * (posture[after, c] - posture[before, c])
            near += value * value
            moving += slope * slope
        sizes[0, i], sizes[1, i] = near, moving
        size += float(near) / count
        motion_size += float(moving) / count
        path[0, i] = path[1, i] = ZERO
        if shares[2]:
            x, z = hips[after, 0] - hips[before, 0], hips[after, 2] - hips[before, 2]
            speed = share * math.sqrt(x * x + z * z)
            path[0, i] = math.sqrt(shares[2]) * math.tanh(speed / (extents[0] * pace))
            path[1, i] = math.sqrt(shares[2]) * math.tanh((hips[i, 1] - height) / extents[1])
    scales[0] = math.sqrt(shares[0]) / max(math.sqrt(size), floors[0])
    scales[1] = math.sqrt(shares[1]) / max(math.sqrt(motion_size), floors[1] * pace)
    for i in range(count):
        squares[i] = scales[0] ** 2 * sizes[0, i] + scales[1] ** 2 * sizes[1, i]
        squares[i] += path[0, i] ** 2 + path[1, i] ** 2
