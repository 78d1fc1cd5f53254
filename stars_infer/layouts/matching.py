"""Recognize a layout by the names of joints, whatever tool wrote them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from stars_infer.layouts.finding import get_layout, layout_names
from stars_infer.layouts.layout import Layout
from stars_infer.layouts.spelling import (
    BODY,
    NAMESPACE,
    canonical,
    fold,
    shared_start,
    usual_prefix,
)

_NEEDED = (
    "base of spine",
    *(f"{side} {joint}" for side in ("left", "right")
      for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")),
)  # fmt: skip
"""NTU-25 joints without which a body is not known; the others can be filled in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedJoints:
    """The joints of a layout among the names of a file.

    Attributes:
        layout: The layout.
        places: For each of its joints the position of its name; -1 if the file lacks it.
    """

    layout: Layout
    places: tuple[int, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """The joints of the layout that the file lacks."""
        joints = zip(self.layout.joints, self.places, strict=True)
        return tuple(joint for joint, place in joints if place < 0)

    @property
    def lacking(self) -> tuple[str, ...]:
        """The missing joints without which the others cannot be used."""
        missing = set(self.missing)
        mixtures = self.layout.ntu25
        needed = {joint for target in _NEEDED for joint in mixtures[target]}
        # A line that is extended beyond its end needs the joint where it begins.
        for mixture in mixtures.values():
            if not missing.issuperset(mixture):
                needed |= {joint for joint, weight in mixture.items() if weight < 0}
        return tuple(
            joint
            for joint in self.missing
            if joint in needed
            and missing.intersection(self.layout.stand_in.get(joint, {joint: 1.0}))
        )


def layout_for_names(
    names: Sequence[str], *, among: Sequence[Layout] | None = None
) -> tuple[Layout, tuple[int, ...]] | None:
    """Recognize a layout by the names of joints, as a hierarchy or a table has them.

    Names are compared as they are and without the prefixes that tools add (`mixamorig:`,
    `Character1:`, or any beginning that most names share); without regard to case, spaces and
    underscores; and in any order of words (`ShoulderLeft`, `LShoulder`), with the layout's aliases.
    A name that occurs twice is ignored.

    Args:
        names: Names in any order; there may be more of them than the layout has.
        among: The layouts to choose from; all shipped ones if not given.

    Returns:
        The layout whose joints are all among the names, the largest if there are several, and the
        position in `names` of each of its joints; None if there is no such layout.
    """
    found = match_names(names, among=among)
    return None if found is None or found.missing else (found.layout, found.places)


def match_names(
    names: Sequence[str], *, among: Sequence[Layout] | None = None
) -> NamedJoints | None:
    """Recognize a layout as `layout_for_names` does, or else one that lacks no joint it needs.

    Returns:
        The layout with all of its joints, or else the one of which most joints are there and fewest
        are missing; at least half must be there. None if there is no such layout.
    """
    if among is None:
        return _match_shipped(tuple(names))
    return _match(names, among)


def nearest_layout(
    names: Sequence[str], *, among: Sequence[Layout] | None = None
) -> NamedJoints | None:
    """Find the layout that comes nearest to names which are not enough for any.

    Returns:
        The layout with the greatest share of its joints among the names; None if it is less than a
        third.
    """
    found = max(
        _partial(names, _shipped() if among is None else among),
        key=lambda found: len(found.missing) / -len(found.places),
        default=None,
    )
    if found is None or 3 * len(found.missing) > 2 * len(found.places):
        return None
    return found


@lru_cache(maxsize=1)
def _shipped() -> tuple[Layout, ...]:
    return tuple(get_layout(name) for name in layout_names())


@lru_cache(maxsize=32)
def _match_shipped(names: tuple[str, ...]) -> NamedJoints | None:
    return _match(names, _shipped())


def _match(names: Sequence[str], among: Sequence[Layout]) -> NamedJoints | None:
    whole = list(_whole(names, among))
    partial = list(_partial(names, among))
    whole += [found for found in partial if not found.missing]
    if whole:
        return max(whole, key=lambda one: len(one.places))  # the first of the largest
    usable = [
        found
        for found in partial
        if 2 * len(found.missing) <= len(found.places) and not found.lacking
    ]
    return max(usable, key=lambda one: len(one.places) - 2 * len(one.missing), default=None)


def _whole(names: Sequence[str], among: Sequence[Layout]) -> Iterator[NamedJoints]:
    """Yield the layouts all of whose joints are among the names, those of likest spelling first."""
    for spelt in (str, fold):
        for written in _written(names):
            places = _positions([spelt(name) for name in written])
            for layout in among:
                joints = [spelt(joint) for joint in layout.joints]
                if all(joint in places for joint in joints):
                    yield NamedJoints(
                        layout=layout, places=tuple(places[joint] for joint in joints)
                    )


def _written(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield names as they are, without namespaces, and without the beginning that they share."""
    yield names
    bare = [NAMESPACE.sub("", name) for name in names]
    yield bare
    shared = shared_start(bare)
    yield [name[shared:] for name in bare]
    prefix = usual_prefix(bare)
    yield [name.removeprefix(prefix) for name in bare]
    yield [BODY.sub("", name) for name in bare]


def _partial(names: Sequence[str], among: Sequence[Layout]) -> Iterator[NamedJoints]:
    """Yield what each layout has of the names, in any order of words and by its aliases."""
    for written in _written(names):
        places = _positions([canonical(name) for name in written])
        for layout in among:
            yield NamedJoints(layout=layout, places=_places_by_alias(layout, places))


def _places_by_alias(layout: Layout, places: Mapping[str, int]) -> tuple[int, ...]:
    own = [places.get(canonical(joint), -1) for joint in layout.joints]
    taken = set(own)
    for joint, name in enumerate(layout.joints):
        for alias in layout.aliases.get(name, ()):
            place = places.get(canonical(alias), -1)
            if own[joint] < 0 <= place and place not in taken:
                own[joint] = place
                taken.add(place)
    return tuple(own)


def _positions(names: Sequence[str]) -> dict[str, int]:
    """Map each name that occurs once to its position."""
    times = Counter(names)
    return {name: place for place, name in enumerate(names) if times[name] == 1}
