"""Choose the one or two actors among the people of a clip.

People act if they move. A bystander, a phantom body and somebody who walks past do not belong to
an action, and a clip that is compared with them in it resembles no example. So of several people

1. those are left out who stand still, beside somebody who does not;
2. those who are seen for less than half as long as others;
3. those who move much less than the one who moves most.

Who touches somebody that acts by these rules, stands face to face with them, or faces them while
they hold out an arm to them, belongs to the action, unless that body is frozen. `activity` says how
movement is measured. Of those who remain, the two who move most are the actors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.clips.clip import Clip
from stars_infer.clips.people import Person, join_tracks
from stars_infer.clips.tracks import Track, drop_furniture, drop_glimpses, tracks_of
from stars_infer.layouts import NTU25_INDEX, Layout, get_layout

STILL = 0.045
"""Activity, in meters, below which a person stands still. Of people who stand in front of a Kinect
it is 0.01 to 0.03; of the quietest actions of five public sets, such as tapping with a foot or
rolling the head, 0.05 to 0.07, and of half of all actions more than 0.13."""
FROZEN = 0.004
"""Activity below which a body is none of a living person, meters."""
MUCH_LESS = 0.6
"""Who moves less than this share of the one who moves most does not act."""
PASSING = 0.5
"""Who is seen for less than this share of the time of the one seen longest passes by."""
TOUCH = 0.2
"""Distance between joints of two people who touch each other, meters."""
FACE_TO_FACE = 1.3
"""Distance between two people who have to do with each other if they face each other, meters."""
FACING = 0.5
"""Cosine of the angle, 60°, up to which somebody faces somebody else."""
ARM, STRAIGHT = 0.25, 0.85
"""An arm is held out whose wrist is so far from the shoulder on the level, meters, and in space by
such a share of its length."""
ALONG_ARM = 0.87
"""Cosine of the angle, 30°, up to which an arm is held out to somebody."""
HELD = 0.2
"""Share of the frames in which an arm must be held out."""
MOST_MOVING = 0.25
"""Share of the joints by whose movement activity is measured: about one limb."""

SIDES = tuple(
    (NTU25_INDEX[f"left {joint}"], NTU25_INDEX[f"right {joint}"]) for joint in ("shoulder", "hip")
)
ARMS = tuple(
    tuple(NTU25_INDEX[f"{side} {joint}"] for joint in ("shoulder", "elbow", "wrist"))
    for side in ("left", "right")
)

ACTS, STANDS_STILL, PASSES_BY = "acts", "stands still", "passes by"
MOVES_LITTLE = "moves much less than others"
GLIMPSED, FURNITURE, THIRD = "seen too briefly", "wider than a person", "moves less than two others"


def select_actors(clip: Clip, *, bystanders: bool = False) -> FloatArray:
    """Keep the one or two bodies that act.

    Args:
        clip: Any number of bodies.
        bystanders: Keep people who do not act, too, as the papers do.

    Returns:
        Joints (1 or 2, T', V, 3) in meters, first the actor that moves more. Frames without any
        actor are dropped; an actor that is missing in a frame is zero there.
    """
    if len(clip.bodies) == 1:
        return clip.bodies[:, clip.presence[0]]
    cast = cast_bodies(clip, bystanders=bystanders)
    kept_frames = (cast >= 0).any(axis=0)
    cast = cast[:, kept_frames]
    acted = clip.bodies[:, kept_frames][cast, np.arange(cast.shape[1])]
    return np.where(cast[:, :, None, None] >= 0, acted, np.float32(0))


def cast_bodies(clip: Clip, *, bystanders: bool = False) -> NDArray[np.intp]:
    """Assign bodies to actors, frame by frame.

    Args:
        clip: Any number of bodies.
        bystanders: As in `select_actors`.

    Returns:
        Number of the body that is each actor (1 or 2, T), first the actor that moves more; -1 where
        the actor is missing.
    """
    tracks, _ = _acting(clip, bystanders=bystanders)
    return _merge_tracks(sorted(tracks, key=Track.motion, reverse=True))


def roles_of(clip: Clip) -> dict[int, str]:
    """Say of every body that is seen in a clip whether it acts, or why it does not.

    Returns:
        By the number of the body: `ACTS`, `STANDS_STILL`, `PASSES_BY`, `MOVES_LITTLE`, `GLIMPSED`,
        `FURNITURE` or `THIRD`.
    """
    tracks, roles = _acting(clip, bystanders=False)
    cast = _merge_tracks(sorted(tracks, key=Track.motion, reverse=True))
    for track in tracks:
        roles[track.number] = ACTS if (cast == track.number).any() else THIRD
    return roles


def activity(joints: FloatArray) -> float:
    """Measure how much a body (T, V, 3) moves, apart from going somewhere, meters.

    It is the root mean square distance of joints from their mean places, of the quarter of the
    joints that move most, relative to the body's center. The noise of the sensor, which differs
    from frame to frame, is estimated from second differences and subtracted.
    """
    if not len(joints):
        return 0.0
    centered = joints - joints.mean(axis=1, keepdims=True, dtype=np.float64)
    spread = centered.var(axis=0).sum(axis=1)
    if len(joints) > 2:
        # Of independent noise, second differences have six times the variance.
        noise = np.square(np.diff(centered, 2, axis=0)).mean(axis=0).sum(axis=1) / 6
        spread = np.maximum(spread - noise, 0)
    moving = np.sort(spread)[-max(1, round(MOST_MOVING * len(spread))) :]
    return float(np.sqrt(moving.mean()))


def _acting(clip: Clip, *, bystanders: bool) -> tuple[list[Track], dict[int, str]]:
    """The tracks of the people who act, and why each of the others does not."""
    tracks = tracks_of(clip.bodies, clip.presence)
    roles: dict[int, str] = {}
    if len(tracks) == 1:
        return tracks, roles
    kept = drop_glimpses(tracks, fps=clip.fps)
    roles |= {track.number: GLIMPSED for track in tracks if track not in kept}
    tracks, kept = kept, drop_furniture(kept)
    roles |= {track.number: FURNITURE for track in tracks if track not in kept}
    if not bystanders and len(kept) > 1:
        people = join_tracks(kept, fps=clip.fps)
        layout = get_layout(clip.layout)
        for person, role in zip(people, _roles(people, layout), strict=True):
            if role != ACTS:
                roles |= dict.fromkeys(person.bodies, role)
    return [track for track in kept if track.number not in roles], roles


def _roles(people: Sequence[Person], layout: Layout) -> list[str]:
    """Who acts, and why each of the others does not; at least one does."""
    moves = np.array([activity(person.joints[person.seen]) for person in people])
    seen = np.array([int(person.seen.sum()) for person in people])
    roles = np.array([ACTS] * len(people), object)
    if len(people) == 1 or moves.max() < FROZEN:
        return list(roles)
    roles[(moves < STILL) & (moves < MUCH_LESS * moves.max())] = STANDS_STILL
    acts = roles == ACTS
    roles[acts & (seen < PASSING * seen[acts].max())] = PASSES_BY
    acts = roles == ACTS
    roles[acts & (moves < MUCH_LESS * moves[acts].max())] = MOVES_LITTLE
    actors = np.flatnonzero(roles == ACTS).tolist()
    for other in np.flatnonzero((roles != ACTS) & (moves >= FROZEN)).tolist():
        if any(
            _touch(people[actor], people[other])
            or (roles[other] != PASSES_BY and _face(people[actor], people[other], layout))
            for actor in actors
        ):
            roles[other] = ACTS
    return list(roles)


def _touch(one: Person, other: Person) -> bool:
    """Whether two people touch each other in any frame."""
    together = one.seen & other.seen
    mine, theirs = one.joints[together], other.joints[together]
    apart = np.maximum(
        mine.min(axis=1) - theirs.max(axis=1), theirs.min(axis=1) - mine.max(axis=1)
    )  # of the boxes around them, which spares most frames the distances of all joints
    near = np.flatnonzero((apart < TOUCH).all(axis=1))
    return any(
        np.linalg.norm(mine[frame][:, None] - theirs[frame], axis=2).min() < TOUCH for frame in near
    )


def _face(actor: Person, other: Person, layout: Layout) -> bool:
    """Whether somebody faces an actor who faces them, too, or holds out an arm to them.

    It counts how they stand on average over the frames that show both. A Kinect takes whoever is
    seen from behind for somebody who is seen from the front, and confuses left and right: of an
    actor who is turned away from it, only the arms say where the front is.
    """
    together = actor.seen & other.seen
    if not together.any():
        return False
    mine, theirs = (
        layout.ntu25_matrix() @ person.joints[together].mean(axis=0) for person in (actor, other)
    )
    way = (theirs - mine).mean(axis=0)[[0, 2]]
    distance = float(np.linalg.norm(way))
    if not 0 < distance < FACE_TO_FACE or float(_front(theirs) @ -way) <= FACING * distance:
        return False
    return float(_front(mine) @ way) > FACING * distance or _holds_out(
        actor.joints[together], way / distance, layout
    )


def _holds_out(joints: FloatArray, way: NDArray[np.floating[Any]], layout: Layout) -> bool:
    """Whether a body (T, V, 3) holds out an arm in a direction (x, z) of length 1."""
    for arm in ARMS:
        shoulder, elbow, wrist = np.moveaxis(layout.ntu25_matrix()[list(arm)] @ joints, 1, 0)
        reach = wrist - shoulder
        level = np.linalg.norm(reach[:, [0, 2]], axis=1)
        length = sum(np.linalg.norm(b - a, axis=1) for a, b in ((shoulder, elbow), (elbow, wrist)))
        held = (
            (level > ARM)
            & (np.linalg.norm(reach, axis=1) > STRAIGHT * length)
            & (reach[:, [0, 2]] @ way > ALONG_ARM * level)
        )
        if held.mean() >= HELD:
            return True
    return False


def _front(joints: FloatArray) -> NDArray[np.float64]:
    """The direction (x, z) in which NTU-25 joints (25, 3) face on the level, of length 1."""
    across = np.sum([joints[right] - joints[left] for left, right in SIDES], axis=0)
    front = np.array([across[2], -across[0]], np.float64)
    return front / max(float(np.linalg.norm(front)), 1e-9)


def _merge_tracks(tracks: list[Track]) -> NDArray[np.intp]:
    """Lay tracks, sorted by falling motion, into actors (1 or 2, T).

    A track that lies before or after all that the first actor has so far goes on with that actor;
    any other track fills the gaps of the second.
    """
    cast = np.full((2, len(tracks[0].seen)), -1, np.intp)
    cast[0, tracks[0].seen] = tracks[0].number
    first, last = tracks[0].interval()
    for track in tracks[1:]:
        start, end = track.interval()
        if end < first or start > last:
            cast[0, track.seen] = track.number
            first, last = min(first, start), max(last, end)
        else:
            cast[1, track.seen & (cast[1] < 0)] = track.number
    return cast if (cast[1] >= 0).any() else cast[:1]
