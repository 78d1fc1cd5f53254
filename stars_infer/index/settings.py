"""What the file of an index keeps beside exemplars: how clips are named, and what is expected."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from stars_infer.classification.prediction import ClassifyOptions
from stars_infer.classification.unknown_share import UnknownShare
from stars_infer.clips.convention import option
from stars_infer.errors import ExemplarIndexError, check_range
from stars_infer.index.file import IndexFile
from stars_infer.index.values import (
    EXPECTED,
    FALSE_ACCEPT,
    FLAT,
    KNOWN,
    UNKNOWN,
    read_values,
    write_value,
)
from stars_infer.similarity.features import Features


class IndexSettings:
    """Settings of an index.

    Args:
        file: The index.
    """

    def __init__(self, file: IndexFile) -> None:
        self._file = file

    def options(self) -> ClassifyOptions:
        """How clips are named if nothing else is said: with the threshold that the index keeps."""
        rate = self._read(FALSE_ACCEPT)
        return ClassifyOptions(false_accept_rate=None if rate is None else float(rate))

    @property
    def flat(self) -> bool:
        """Whether the exemplars are in 2D."""
        return self._read(FLAT) is not None

    def _check_flat(self, connection: sqlite3.Connection, clips: Sequence[Features]) -> None:
        """Make sure that clips are in 2D if the exemplars are, and else in 3D.

        Raises:
            ExemplarIndexError: If they are not.
        """
        flat = {one.flat for one in clips}
        kept_flat = FLAT in read_values(connection)
        if flat <= {kept_flat}:
            return
        if kept_flat:
            raise ExemplarIndexError(
                f"{self._file}: its examples are in 2D, and this clip is in 3D: pass "
                f"{option('flat', '')} to leave out its depth, or use another index"
            )
        raise ExemplarIndexError(
            f"{self._file}: its examples are in 3D, and this clip is in 2D: add flat examples to "
            "an index of their own"
        )

    def _keep_flat(self, connection: sqlite3.Connection, clips: Sequence[Features]) -> None:
        """Take over from the first exemplars of an index whether they are in 2D, or check others.

        Raises:
            ExemplarIndexError: If clips in 2D and in 3D would be mixed.
        """
        (empty,) = connection.execute("SELECT NOT EXISTS (SELECT 1 FROM exemplars)").fetchone()
        if empty and clips:
            write_value(connection, FLAT, "1" if clips[0].flat else None)
        self._check_flat(connection, clips)

    def set_false_accept_rate(self, share: float | None) -> None:
        """Set the threshold for "unknown": the share of unknown clips that may be named, 0 to 1.

        Args:
            share: None for "named if more likely known than not".

        Raises:
            UsageError: If it is not between 0 and 1.
            ExemplarIndexError: If the file cannot be written, or others write for too long.
        """
        ClassifyOptions(false_accept_rate=share)
        self._write(FALSE_ACCEPT, share, "the threshold is as it was")

    def unknown_share(self) -> UnknownShare:
        """What is known of the share of unknown clips among those that are asked."""
        with self._file.reading() as connection:
            said, known, unknown = map(read_values(connection).get, (EXPECTED, KNOWN, UNKNOWN))
        return UnknownShare(
            said=None if said is None else float(said),
            known=int(known or 0),
            unknown=int(unknown or 0),
        )

    def expect_unknown(self, share: float | None) -> None:
        """Say what share of the clips that are asked is unknown, 0 to 1.

        Confidence follows from it, and so does which clips are named, unless
        `set_false_accept_rate` decides that.

        Args:
            share: None to learn it: from `confirm` and `deny`, and from the clips that are asked
                together.

        Raises:
            UsageError: If it is not between 0 and 1.
            ExemplarIndexError: If the file cannot be written, or others write for too long.
        """
        UnknownShare(said=share)
        self._write(EXPECTED, share, "what is expected is as it was")

    def confirm(self, clips: int = 1) -> None:
        """Count clips that were asked and show actions of the index, whatever the answers were.

        Tell of all clips that you look at, not only of those whose answers surprise you: what is
        learned is how many of them are unknown.

        Args:
            clips: How many.

        Raises:
            UsageError: If that is no whole number above 0.
            ExemplarIndexError: If the file cannot be written, or others write for too long.
        """
        self._count(KNOWN, clips)

    def deny(self, clips: int = 1) -> None:
        """Count clips that were asked and show none of the actions of the index; see `confirm`.

        Args:
            clips: How many.

        Raises:
            UsageError: If that is no whole number above 0.
            ExemplarIndexError: If the file cannot be written, or others write for too long.
        """
        self._count(UNKNOWN, clips)

    def forget_feedback(self) -> None:
        """Forget what `confirm` and `deny` have counted, as when other clips are asked from now on.

        Raises:
            ExemplarIndexError: If the file cannot be written, or others write for too long.
        """
        with self._file.writing("nothing was forgotten") as connection:
            for key in (KNOWN, UNKNOWN):
                write_value(connection, key, None)

    def _read(self, key: str) -> str | None:
        with self._file.reading() as connection:
            return read_values(connection).get(key)

    def _write(self, key: str, value: float | None, nothing_done: str) -> None:
        with self._file.writing(nothing_done) as connection:
            write_value(connection, key, None if value is None else repr(float(value)))

    def _count(self, key: str, clips: int) -> None:
        check_range("number of clips", clips, at_least=1, whole=True)
        with self._file.writing("nothing was counted") as connection:
            before = read_values(connection).get(key, "0")
            write_value(connection, key, str(int(before) + int(clips)))
