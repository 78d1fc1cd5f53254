"""The clips of an index's examples, read from their files if these are as they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stars_infer.errors import StarsError

if TYPE_CHECKING:
    from stars_infer.clips.clip import Clip
    from stars_infer.clips.convention import Convention


def read_example(source: str, content_hash: str, convention: Convention | None) -> Clip | None:
    """Read the clip of an example.

    Args:
        source: Where it came from, `Exemplar.source`.
        content_hash: `Exemplar.content_hash`.
        convention: What is known of files that do not say themselves; how the example was read is
            not known.

    Returns:
        The clip; None if its file is gone, cannot be read, or shows something else by now.
    """
    from stars_infer.readers.files import read_clip

    for known in dict.fromkeys((convention, None)):
        try:
            clip = read_clip(source, convention=known)
        except (StarsError, OSError, ValueError):
            continue
        if clip.content_hash == content_hash:
            return clip
    return None
