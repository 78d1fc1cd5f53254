"""Find layouts: by name, by file, or by the number of joints."""

from __future__ import annotations

import os
from difflib import get_close_matches
from functools import cache, lru_cache
from pathlib import Path

from stars_infer.errors import UsageError
from stars_infer.layouts.layout import Layout
from stars_infer.layouts.reading import read_layout

_FOLDER = Path(__file__).parent


@cache
def layout_names() -> tuple[str, ...]:
    """Names of the shipped layouts: `ntu25` first, then the others in alphabetical order."""
    names = sorted(path.stem for path in _FOLDER.glob("*.toml"))
    return tuple(sorted(names, key=lambda name: name != "ntu25"))


def get_layout(name: str) -> Layout:
    """Look up a layout by its name, or read it from a file.

    Args:
        name: A name of a shipped layout, or path of a TOML file that describes one.

    Raises:
        UsageError: If there is no such layout (the message lists those that exist), or if its file
            is faulty.
    """
    if name in layout_names():
        return _read_shipped(name)
    if name in _other_names():
        return _read_shipped(_other_names()[name])
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


@cache
def _other_names() -> dict[str, str]:
    """Map the other names of the shipped layouts to their names."""
    return {other: name for name in layout_names() for other in _read_shipped(name).also_called}


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
