"""Find layouts: by name, by file, by the number of joints, or by the names of joints."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache, lru_cache
from pathlib import Path

from stars_infer.errors import UsageError
from stars_infer.layouts.layout import Layout
from stars_infer.layouts.reading import read_layout

_FOLDER = Path(__file__).parent
_NAMESPACE = re.compile(r"^(?:.*[:|])?(?:mixamorig\d*[_ ]?)?")
"""What tools put before the names of a character's joints, such as `mixamorig:`."""


@cache
def layout_names() -> tuple[str, ...]:
    """Names of the shipped layouts: `ntu25` first, then the others in alphabetical order."""
    names = sorted(path.stem for path in _FOLDER.glob("*.toml"))
    return tuple(sorted(names, key=lambda name: name != "ntu25"))


def get_layout(name: str) -> Layout:
    """Look up a layout by its name, or read it from a file.

    Args:
        name: Name of a shipped layout, or path of a TOML file that describes one.

    Raises:
        UsageError: If there is no such layout (the message lists those that exist), or if its file
            is faulty.
    """
    if name in layout_names():
        return _read_shipped(name)
    if name.lower().endswith(".toml"):
        try:
            changed = os.stat(name).st_mtime_ns
        except OSError:
            changed = 0
        return _read_own(name, changed)
    close = get_close_matches(name.lower(), layout_names(), n=1)
    meant = f"did you mean {close[0]!r}? " if close else ""
    known = ", ".join(layout_names())
    raise UsageError(
        f"there is no layout {name!r}; {meant}known layouts: {known}, or the path of your own "
        ".toml file"
    )


@cache
def _read_shipped(name: str) -> Layout:
    return read_layout(_FOLDER / f"{name}.toml")


@lru_cache(maxsize=32)
def _read_own(path: str, changed: int) -> Layout:
    """Read a user's layout; the time of its last change makes the cache read it anew."""
    return read_layout(Path(path), name=path)


def layouts_with(joint_count: int) -> list[str]:
    """List the shipped layouts with this number of joints, unless their files name the joints."""
    layouts = map(_read_shipped, layout_names())
    return [
        layout.name
        for layout in layouts
        if len(layout.joints) == joint_count and not layout.by_name
    ]


def layout_for_names(
    names: Sequence[str], *, among: Sequence[Layout] | None = None
) -> tuple[Layout, tuple[int, ...]] | None:
    """Recognize a layout by the names of joints, as a hierarchy or a table has them.

    Names are compared as they are, then without the prefixes that tools add (`mixamorig:`,
    `Character1:`, or any beginning that all names share). If nothing fits, both are done again
    without regard to case, spaces and underscores. The first comparison that finds a layout counts.
    A name that occurs twice is ignored.

    Args:
        names: Names in any order; there may be more of them than the layout has.
        among: The layouts to choose from; all shipped ones if not given.

    Returns:
        The layout whose joints are all among the names, the largest if there are several, and the
        position in `names` of each of its joints; None if there is no such layout.
    """
    if among is None:
        return _shipped_for_names(tuple(names))
    return _layout_among(names, among)


@lru_cache(maxsize=32)
def _shipped_for_names(names: tuple[str, ...]) -> tuple[Layout, tuple[int, ...]] | None:
    return _layout_among(names, [_read_shipped(name) for name in layout_names()])


def _layout_among(
    names: Sequence[str], among: Sequence[Layout]
) -> tuple[Layout, tuple[int, ...]] | None:
    bare = [_NAMESPACE.sub("", name) for name in names]
    shared = _shared_start(bare)
    for spelt in (str, _fold):
        for written in (names, bare, [name[shared:] for name in bare]):
            found = _largest(_positions([spelt(name) for name in written]), spelt, among)
            if found:
                return found
    return None


def _shared_start(names: Sequence[str]) -> int:
    """Count the letters with which all names begin."""
    columns = enumerate(zip(*names, strict=False))
    shortest = min(map(len, names), default=0)
    return next((place for place, letters in columns if len(set(letters)) > 1), shortest)


def _fold(name: str) -> str:
    """Reduce a name to its letters and digits, in lower case."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _positions(names: Sequence[str]) -> dict[str, int]:
    """Map each name that occurs once to its position."""
    times = Counter(names)
    return {name: place for place, name in enumerate(names) if times[name] == 1}


def _largest(
    places: Mapping[str, int], spelt: Callable[[str], str], among: Sequence[Layout]
) -> tuple[Layout, tuple[int, ...]] | None:
    """Find the largest layout whose joints all have a position, and these positions."""
    best: tuple[Layout, tuple[int, ...]] | None = None
    for layout in among:
        joints = [spelt(joint) for joint in layout.joints]
        if all(joint in places for joint in joints) and (
            best is None or len(joints) > len(best[1])
        ):
            best = layout, tuple(places[joint] for joint in joints)
    return best
