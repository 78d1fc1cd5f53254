"""The changes of a session, each of which can be undone."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from stars_infer.clips.clip import Clip
from stars_infer.errors import UsageError
from stars_infer.index.exemplar import check_ids
from stars_infer.index.index import ExemplarIndex
from stars_infer.index.labels import check_label
from stars_infer.index.restoring import TakenRow
from stars_infer.studio.shelf import Shelf

MOST_CHANGES = 200
"""Changes that are remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What was done.

    Attributes:
        words: For people.
        undo: Takes it back; returns how many examples it concerned.
        batch: Changes of one batch are taken back together; empty if it is alone.
    """

    words: str
    undo: Callable[[], int]
    batch: str = ""


class History:
    """Changes an index, and remembers how to take that back.

    Args:
        index: The examples.
        shelf: Their clips.
    """

    def __init__(self, index: ExemplarIndex, shelf: Shelf) -> None:
        self._index, self._shelf = index, shelf
        self._changes: list[Change] = []
        self._lock = threading.RLock()

    @property
    def words(self) -> list[str]:
        """What can be undone, the latest first."""
        return [one.words for one in reversed(self._changes)]

    def added(self, hashes: Collection[str], label: str, batch: str = "") -> list[int]:
        """Remember that clips were added; returns their numbers."""
        ids = [one.id for one in self._index.exemplars() if one.content_hash in hashes]
        if ids:
            words = f"{_count(ids)} of {label!r} added"
            self._remember(words, lambda: len(self._take(ids)[0]), batch)
        return ids

    def remove(self, ids: Sequence[int]) -> int:
        """Remove examples, and their kept clips.

        Raises:
            UsageError: If there is none of them.
        """
        rows, clips = self._take(ids)
        if not rows:
            raise UsageError("no such example: somebody else may have removed it")

        def undo() -> int:
            for clip in clips:
                self._shelf.keep(clip)
            return len(self._index.put_back(rows))

        labels = sorted({row.label for row in rows})
        self._remember(f"{_count(rows)} of {' and '.join(map(repr, labels))} removed", undo)
        return len(rows)

    def relabel(self, ids: Sequence[int], label: str) -> int:
        """Give examples another action.

        Raises:
            UsageError: If the label cannot be one, or there is none of these examples.
        """
        label, wanted = check_label(label), set(check_ids(ids))
        before = [one for one in self._index.exemplars() if one.id in wanted]
        if not before:
            raise UsageError("no such example: somebody else may have removed it")
        moved = [one for one in before if one.label != label]
        changed = self._index.relabel([one.id for one in moved], label)
        if changed:
            groups: dict[str, list[int]] = defaultdict(list)
            for one in moved:
                groups[one.label].append(one.id)

            def undo() -> int:
                return sum(self._index.relabel(ids, old) for old, ids in groups.items())

            was = " and ".join(map(repr, sorted(groups)))
            self._remember(f"{_count(moved)} of {was} made {label!r}", undo)
        return changed

    def rename(self, old: str, new: str) -> int:
        """Give an action another name, or make it one with another.

        Raises:
            UsageError: If there is no such action, or the new name cannot be one.
        """
        ids = [one.id for one in self._index.exemplars(old)]
        if not ids:
            raise UsageError(f"there is no action {old!r}")
        return self.relabel(ids, new)

    def undo(self) -> tuple[str, int]:
        """Take back the latest change.

        Returns:
            What it was, and how many examples it concerned.

        Raises:
            UsageError: If there is none.
        """
        with self._lock:
            if not self._changes:
                raise UsageError("there is nothing to undo in this session")
            batch, words, done = self._changes[-1].batch, [], 0
            while self._changes:
                change = self._changes[-1]
                done += change.undo()
                words.append(change.words)
                self._changes.pop()
                if not batch or not self._changes or self._changes[-1].batch != batch:
                    break
        return ", ".join(reversed(words)), done

    def _take(self, ids: Sequence[int]) -> tuple[list[TakenRow], list[Clip]]:
        """Take examples out; what was kept of their clips goes, too."""
        rows = self._index.take_out(ids)
        forgotten = [self._shelf.forget(row.content_hash) for row in rows]
        clips = [one for one in forgotten if one is not None]
        for clip in clips:
            self._shelf.hold(clip, None)
        return rows, clips

    def _remember(self, words: str, undo: Callable[[], int], batch: str = "") -> None:
        with self._lock:
            self._changes.append(Change(words=words, undo=undo, batch=batch))
            del self._changes[:-MOST_CHANGES]


def _count(things: Sequence[object]) -> str:
    return "1 example" if len(things) == 1 else f"{len(things)} examples"
