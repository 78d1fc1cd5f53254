"""How two clips lie over each other in time: the path along which they are compared.

The model compares two clips by several kernels, each of which warps time. The path here is that
of the kernel that says most for the pair, so that what is shown is what was compared: the whole of
both clips, or, where one of them shows half of the other, that half.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.clips.clip import Clip
from stars_infer.errors import ClipError
from stars_infer.preprocessing.normalize import face_camera, stand_upright, standard_body
from stars_infer.preprocessing.prepare import prepare
from stars_infer.preprocessing.timing import frames_of
from stars_infer.preprocessing.views import mirror_clip
from stars_infer.similarity.comparison import (
    UNTURNED,
    Kernel,
    SequenceConfig,
)
from stars_infer.similarity.contents import content_of, part_of
from stars_infer.similarity.differences import (
    HEIGHT,
    LIMBS,
    LimbDifference,
    largest_differences,
    limb_distances,
)
from stars_infer.similarity.dtw import FREE_PRICE, FREE_SHARE, WarpingGallery, band_of
from stars_infer.similarity.sequence import posture_sequence

MIRROR_LEAD = 0.03
"""How much more similar a mirror image has to be; a squat and its mirror image are equally so."""
HALF_LEAD = 1.5
"""How much more a half has to say than a whole, to be shown instead of it."""

Path = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Steps of two sequences that are matched, in order, (P,) each."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Alignment:
    """Two clips over each other in time, and what differs between them.

    Attributes:
        first_frames: Frame of the first clip at each of P places of the path, which never falls.
        second_frames: That of the second clip.
        first_fps: Frames per second of the first clip.
        second_fps: Those of the second.
        similarity: How similar the model's sequences are, at most 1.
        mirrored: Whether the first clip was compared as its mirror image; sides are then those of
            the second clip.
        limb_distances: How far each of `stars_infer.similarity.differences.LIMBS` is from the same
            limb of the other at each place, (P, L), in body heights; people face the same way and
            are equally tall.
        differences: What differs most, the largest first.
    """

    first_frames: NDArray[np.float64]
    second_frames: NDArray[np.float64]
    first_fps: float
    second_fps: float
    similarity: float
    mirrored: bool
    limb_distances: FloatArray
    differences: tuple[LimbDifference, ...]

    @property
    def first_seconds(self) -> NDArray[np.float64]:
        """Seconds into the first clip at each place of the path, (P,)."""
        return self.first_frames / self.first_fps

    @property
    def second_seconds(self) -> NDArray[np.float64]:
        """Seconds into the second clip at each place of the path, (P,)."""
        return self.second_frames / self.second_fps

    def words(self) -> tuple[str, ...]:
        """Say what differs most, the largest first; empty where nothing to speak of does."""
        return tuple(one.words() for one in self.differences)

    def pace_words(self) -> str:
        """Say which parts lie over each other, and how long either takes."""
        (a, b), (c, d) = self.first_seconds[[0, -1]], self.second_seconds[[0, -1]]
        return f"{a:.1f} to {b:.1f} s of the first lie over {c:.1f} to {d:.1f} s of the second"

    def to_json(self) -> dict[str, Any]:
        """The values for a player or a program: the path, limbs by place, and words."""
        return {
            "similarity": round(self.similarity, 4),
            "mirrored": self.mirrored,
            "first": np.round(self.first_frames, 2).tolist(),
            "second": np.round(self.second_frames, 2).tolist(),
            "first_seconds": np.round(self.first_seconds, 3).tolist(),
            "second_seconds": np.round(self.second_seconds, 3).tolist(),
            "limbs": list(LIMBS),
            "distances": np.round(self.limb_distances, 3).tolist(),
            "differences": [one.to_json() for one in self.differences],
        }


def align(
    first: Clip, second: Clip, how: SequenceConfig | None = None, *, mirrored: bool = False
) -> Alignment:
    """Lay two clips over each other in time, as the model compares them.

    Args:
        first: A clip.
        second: Another one, usually the nearest example.
        how: How the model compares sequences; the comparison of the shipped encoders if not given,
            also for models that compare vectors, which know nothing of time.
        mirrored: Compare the mirror image of the first clip.

    Raises:
        ClipError: If fewer than two frames of a clip show a body, or just one of them is in 2D.

    Example:
        >>> import numpy as np
        >>> from stars_infer import Clip
        >>> from stars_infer.similarity.alignment import align
        >>> from stars_infer.synthetic.actions import perform
        >>> wave, squat = (Clip.from_array(perform(name, np.random.default_rng(1)))
        ...     for name in ("wave", "squat"))
        >>> align(wave, wave).words()
        ()
        >>> align(wave, squat).differences[0].limb
        'hips'
    """
    how = how or SequenceConfig()
    if first.flat != second.flat:
        flat, deep = (first, second) if first.flat else (second, first)
        raise ClipError(
            flat.source, f"it is in 2D, and {deep.source} is not: pass --flat to compare both in 2D"
        )
    asked = mirror_clip(first) if mirrored else first
    prepared = [prepare(clip, how.preprocessing) for clip in (asked, second)]
    sequences = [posture_sequence(bodies, how) for bodies in prepared]
    similarity = WarpingGallery([sequences[1]], how).similarities(sequences[0])[0]
    pairs, kernel, path = _clearest(sequences[0], sequences[1], how)
    bodies, times = [], []
    for clip, joints, part, numbers, steps in zip(
        (asked, second),
        prepared,
        (kernel.clip, kernel.exemplar),
        zip(*pairs, strict=True),
        path,
        strict=True,
    ):
        frames = frames_of(clip, how.preprocessing).reshape(how.steps, -1).mean(axis=1)
        by_step = _part(frames[None, :, None], part)[0, :, 0]
        times.append(by_step[steps])
        postures = _comparable(joints, how)[list(numbers)]
        taken = _part(postures.reshape(len(numbers), how.steps, -1), part)[:, steps]
        bodies.append(np.asarray(taken.reshape(len(numbers), -1, 25, 3), np.float32))
    distances = limb_distances(bodies[0], bodies[1])
    return Alignment(
        first_frames=times[0],
        second_frames=times[1],
        first_fps=first.fps,
        second_fps=second.fps,
        similarity=float(similarity),
        mirrored=mirrored,
        limb_distances=np.asarray(distances.max(axis=0) / HEIGHT, np.float32),
        differences=largest_differences(
            bodies[0], bodies[1], times[0] / first.fps, times[1] / second.fps
        ),
    )


def align_either(
    first: Clip, second: Clip, how: SequenceConfig | None = None, *, lead: float = MIRROR_LEAD
) -> Alignment:
    """`align` as recorded, or the mirror image of the first clip where that is more similar.

    Args:
        first: A clip.
        second: Another one.
        how: As for `align`.
        lead: How much more similar the mirror image has to be.
    """
    straight, mirrored = (align(first, second, how, mirrored=flag) for flag in (False, True))
    return mirrored if mirrored.similarity > straight.similarity + lead else straight


def _part(steps: NDArray[Any], part: str) -> NDArray[Any]:
    return np.asarray(part_of(steps, part))


def _comparable(joints: FloatArray, how: SequenceConfig) -> FloatArray:
    """Steps (M, S, 25, 3) of people who stand upright, face the camera, and are equally tall."""
    if not how.preprocessing.standard_body:
        joints = standard_body(joints)
    steps = joints.reshape(len(joints), how.steps, -1, *joints.shape[2:]).mean(axis=2)
    return face_camera(stand_upright(steps))


def _clearest(
    first: FloatArray, second: FloatArray, how: SequenceConfig
) -> tuple[list[tuple[int, int]], Kernel, Path]:
    """Which bodies are paired, and the kernel that says most for them, with its path.

    Two bodies and two bodies are paired as the similarity pairs them, and share one path.
    """
    shared = min(len(first), len(second))
    pairings = {
        tuple(zip(one, other, strict=True))
        for one in permutations(range(len(first)), shared)
        for other in permutations(range(len(second)), shared)
    }
    best: tuple[float, tuple[tuple[int, int], ...], Kernel, Path] | None = None
    for pairing in sorted(tuple(sorted(one)) for one in pairings):
        for kernel in _kernels(how):
            costs = np.mean([_costs(first[a], second[b], kernel) for a, b in pairing], axis=0)
            cost, path = warping_path(
                costs, free=len(costs) // FREE_SHARE, band=band_of(len(costs))
            )
            says = kernel.weight * float(np.exp(cost / (-2 * len(costs) * kernel.width)))
            says *= HALF_LEAD if kernel.clip == kernel.exemplar else 1.0
            if best is None or says > best[0]:
                best = says, pairing, kernel, path
    assert best is not None
    return list(best[1]), best[2], best[3]


def _kernels(how: SequenceConfig) -> list[Kernel]:
    """The kernels whose paths can be shown, of people who face the same way, wholes first."""
    every = dict.fromkeys((*how.whole_kernels, *how.kernels))
    return [one for one in every if one.content != UNTURNED] or list(how.kernels)


def _costs(first: FloatArray, second: FloatArray, kernel: Kernel) -> NDArray[np.float64]:
    """Squared distances (S', S') of the steps of one body (S, F) each, by a kernel's content."""
    one, other = (
        content_of(part_of(np.asarray(sequence[None], np.float32), part), kernel.content)[0]
        for sequence, part in ((first, kernel.clip), (second, kernel.exemplar))
    )
    return np.asarray(np.square(one[:, None] - other[None]).sum(axis=2), np.float64)


def warping_path(
    costs: NDArray[np.float64],
    *,
    free: int = 0,
    price: float = FREE_PRICE,
    band: int | None = None,
) -> tuple[float, Path]:
    """The cheapest path of `stars_infer.similarity.dtw.warping_distances` for one pair.

    Args:
        costs: Cost of matching step i of one sequence with step j of the other, (S, S).
        free: How many steps may be left out at either end.
        price: Cost of a step that is left out.
        band: How far apart steps may be that are matched; any if not given.

    Returns:
        Its cost, and the steps of both sequences that it matches.
    """
    steps = len(costs)
    band = steps if band is None else max(band, free)
    best = np.full((steps + 1, steps + 1), np.inf)  # the cost of the path to (i - 1, j - 1)
    for i in range(steps):
        for j in range(max(0, i - band), min(steps, i + band + 1)):
            before = min(best[i, j], best[i, j + 1], best[i + 1, j])
            if min(i, j) == 0 and i + j <= free:
                before = min(before, price * (i + j))
            best[i + 1, j + 1] = before + costs[i, j]
    ends = [(steps - 1 - left, steps - 1) for left in range(free + 1)]
    ends += [(steps - 1, steps - 1 - left) for left in range(1, free + 1)]
    ends = [(i, j) for i, j in ends if min(i, j) >= 0]
    left_out = [price * (2 * steps - 2 - i - j) for i, j in ends]
    totals = [best[i + 1, j + 1] + out for (i, j), out in zip(ends, left_out, strict=True)]
    at = int(np.argmin(totals))
    i, j = ends[at]
    path = [(i, j)]
    while True:
        came = [(best[i, j], -1, -1), (best[i, j + 1], -1, 0), (best[i + 1, j], 0, -1)]
        cost, down, across = min(came, key=lambda step: step[0])
        starts = min(i, j) == 0 and i + j <= free and price * (i + j) <= cost
        if starts or not np.isfinite(cost):
            break
        i, j = i + down, j + across
        path.append((i, j))
    matched = np.array(path[::-1], np.intp)
    return float(totals[at]), (matched[:, 0], matched[:, 1])
