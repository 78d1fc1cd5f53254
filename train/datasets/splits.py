"""Splits of a pack into training and test clips, by patterns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from stars_infer.errors import UsageError
from stars_infer.train.datasets.pack import Pack, write_facts


def add_split(
    folder: Path, name: str, *, train: Sequence[str], test: Sequence[str]
) -> dict[str, list[int]]:
    """Add a split to a pack on disk, or replace the split of that name.

    Args:
        folder: The pack.
        name: Name of the split.
        train: Patterns of the sources of the training clips, such as `*/s[1357]_*`.
        test: Patterns of the sources of the test clips.

    Returns:
        Numbers of the clips of both parts.

    Raises:
        UsageError: If a part would be empty, or a clip would be in both.
    """
    pack = Pack.open(folder)
    patterns = {"train": train, "test": test}
    parts = {
        part: [
            number
            for number, clip in enumerate(pack.clips)
            if any(fnmatchcase(clip.source, pattern) for pattern in those)
        ]
        for part, those in patterns.items()
    }
    for part, numbers in parts.items():
        if not numbers:
            raise UsageError(
                f"{folder}: no clip for {part}: {' and '.join(patterns[part])} fit no source; "
                f"the first is {pack.clips[0].source!r}"
            )
    both = sorted(set(parts["train"]) & set(parts["test"]))
    if both:
        raise UsageError(
            f"{folder}: {len(both)} clip(s) would be in both parts, "
            f"the first {pack.clips[both[0]].source!r}: the patterns must exclude each other"
        )
    facts = json.loads((folder / "pack.json").read_text(encoding="utf-8"))
    facts["splits"] = {**facts.get("splits", {}), name: parts}
    facts.pop("schema")
    write_facts(folder, facts)
    return parts
