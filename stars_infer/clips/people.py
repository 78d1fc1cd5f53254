"""Find the people of a clip, and part it by person or by pair.

Trackers start a new body whenever they lose one. Bodies that follow each other closely in time and
space are one person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from stars_infer.arrays import BoolArray, FloatArray
from stars_infer.clips.clip import Clip
from stars_infer.clips.tracks import Track, people_among
from stars_infer.errors import ClipError, UsageError

POOLED, EACH, PAIRS = "pooled", "each", "pairs"
WAYS = (POOLED, EACH, PAIRS)
"""A clip gets one answer, as in the papers; or one for each person; or one for each two people who
are seen together."""

LONGEST_LOSS = 1.0
"""Seconds after a body was lost from which on a new body is another person."""
REACH = 0.5
"""Meters that a body may move while it is lost, and as many more for each second."""
SHORTEST_MEETING = 0.5
"""Seconds that two people must be seen together to be a pair."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Person:
    """One person of a clip.

    Attributes:
        bodies: Numbers of the bodies in the clip that are this person, earliest first.
        joints: (T, V, 3), meters; zero where not seen.
        seen: (T,).
    """

    bodies: tuple[int, ...]
    joints: FloatArray
    seen: BoolArray


def check_way(way: str) -> None:
    """Check the name of a way to treat several people.

    Raises:
        UsageError: If it is not one of `WAYS`.
    """
    if way not in WAYS:
        raise UsageError(f"people {way!r}: choose {', '.join(WAYS)}")


def people_of(clip: Clip) -> list[Person]:
    """Find the people of a clip in order of appearance, without furniture and brief bodies."""
    return join_tracks(people_among(clip.bodies, clip.presence, fps=clip.fps), fps=clip.fps)


def join_tracks(tracks: Sequence[Track], *, fps: float) -> list[Person]:
    """Join tracks that follow each other in time and space to people, in order of appearance."""
    people: list[Person] = []
    for track in sorted(tracks, key=Track.interval):
        before = _find_predecessor(track, people, fps)
        if before is None:
            people.append(Person(bodies=(track.number,), joints=track.joints, seen=track.seen))
        else:
            people[before] = _append_track(people[before], track)
    return people


def parts_by_people(clip: Clip, way: str, *, uncut: bool = False) -> list[Clip]:
    """Part a clip by its people: not at all, by person, or by pair.

    Args:
        clip: Any number of bodies.
        way: One of `WAYS`.
        uncut: Keep all frames, so that times stay those of the clip; otherwise frames are dropped
            in which the people of a part are not seen.

    Returns:
        Clips. If there are several, the source of each names its people.

    Raises:
        ClipError: If pairs are asked for and nobody meets.
        UsageError: If there is no such way.
    """
    check_way(way)
    if way == POOLED:
        return [clip]
    people = people_of(clip)
    groups: list[Sequence[int]] = [(number,) for number in range(len(people))]
    if way == PAIRS:
        groups = [
            pair
            for pair in combinations(range(len(people)), 2)
            if (people[pair[0]].seen & people[pair[1]].seen).sum() >= SHORTEST_MEETING * clip.fps
        ]
        if not groups:
            raise ClipError(
                clip.source,
                f"{len(people)} person(s), no two of them together for {SHORTEST_MEETING:g} s: "
                "ask for each person instead",
            )
    if way == EACH and len(groups) == 1:
        return [clip]
    return [
        _part(clip, [people[number] for number in group], group, uncut=uncut) for group in groups
    ]


def people_in_words(numbers: Sequence[int | str]) -> str:
    """Name people by number or identity: `person 0`, or `people 0 and 1`."""
    names = " and ".join(str(number) for number in numbers)
    return f"{'person' if len(numbers) == 1 else 'people'} {names}"


def _part(clip: Clip, people: Sequence[Person], numbers: Sequence[int], *, uncut: bool) -> Clip:
    together = np.logical_and.reduce([person.seen for person in people])
    frames = slice(None) if uncut else together
    joints = np.stack([person.joints for person in people])
    return replace(
        clip,
        bodies=np.where(together[:, None, None], joints, np.float32(0))[:, frames],
        presence=np.tile(together, (len(people), 1))[:, frames],
        source=f"{clip.source}, {people_in_words(numbers)}",
    )


def _find_predecessor(track: Track, people: Sequence[Person], fps: float) -> int | None:
    """Find the person who was lost shortly before a track begins, and near where it begins."""
    begin, _ = track.interval()
    place = track.joints[begin].mean(axis=0)
    nearest: tuple[float, int] | None = None
    for number, person in enumerate(people):
        last = int(np.flatnonzero(person.seen)[-1])
        lost = (begin - last) / fps
        if not 0 < lost <= LONGEST_LOSS:
            continue
        way = float(np.linalg.norm(place - person.joints[last].mean(axis=0)))
        if way <= REACH * (1 + lost) and (nearest is None or way < nearest[0]):
            nearest = way, number
    return None if nearest is None else nearest[1]


def _append_track(person: Person, track: Track) -> Person:
    return Person(
        bodies=(*person.bodies, track.number),
        joints=np.where(track.seen[:, None, None], track.joints, person.joints),
        seen=person.seen | track.seen,
    )
