"""Keys that clients show, for reading and for writing."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from stars_infer.errors import UsageError

READ_VARIABLE, WRITE_VARIABLE = "STARS_READ_KEYS", "STARS_WRITE_KEYS"
_SHORTEST = 16
"""Characters below which a key can be guessed."""


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """Digests of keys; the keys themselves are not kept.

    Attributes:
        reading: SHA-256 of the keys with which clips can be named and exemplars listed.
        writing: SHA-256 of the keys with which exemplars can be changed as well.
    """

    reading: tuple[bytes, ...] = ()
    writing: tuple[bytes, ...] = ()

    def __repr__(self) -> str:
        return f"<Keys: {len(self.reading)} to read, {len(self.writing)} to write>"

    def __bool__(self) -> bool:
        return bool(self.reading or self.writing)

    @classmethod
    def of(cls, reading: Iterable[str] = (), writing: Iterable[str] = ()) -> Keys:
        """Keep the digests of keys.

        Raises:
            UsageError: If a key is too short, or holds other characters than visible ASCII.
        """
        return cls(tuple(map(_checked, reading)), tuple(map(_checked, writing)))

    @classmethod
    def read(cls, reading: Path | None = None, writing: Path | None = None) -> Keys:
        """Keys of files and of the environment, one a line; what follows a # is a remark.

        Args:
            reading: File of the keys for reading, beside those in `STARS_READ_KEYS`.
            writing: File of the keys for writing, beside those in `STARS_WRITE_KEYS`.

        Raises:
            UsageError: If a file cannot be read or holds no key, or a key is none.
        """
        return cls.of(
            _keys_in(reading, READ_VARIABLE, "--read-keys"),
            _keys_in(writing, WRITE_VARIABLE, "--write-keys"),
        )

    def may_read(self, key: str | None) -> bool:
        """Whether somebody who shows this key, or None, may read.

        Without keys for reading, everybody may.
        """
        return not self.reading or self.knows(key)

    def knows(self, key: str | None) -> bool:
        """Whether it is a key at all."""
        return _is_one_of(key, (*self.reading, *self.writing))

    def may_write(self, key: str | None) -> bool:
        """Whether somebody who shows this key, or None, may write.

        Without any keys, everybody may; with keys for reading alone, nobody.
        """
        return not self or _is_one_of(key, self.writing)


NO_KEYS = Keys()
"""Everybody may do everything."""


def _is_one_of(key: str | None, digests: Iterable[bytes]) -> bool:
    """Compare with all of them, so that the time does not tell with which it agrees."""
    shown = _digest(key or "")
    found = False
    for digest in digests:
        found |= hmac.compare_digest(shown, digest)
    return found and key is not None


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def _checked(key: str) -> bytes:
    if len(key) < _SHORTEST or not all("!" <= letter <= "~" for letter in key):
        raise UsageError(
            f"a key has at least {_SHORTEST} letters, digits and signs without blanks: make one "
            'with `python -c "import secrets; print(secrets.token_urlsafe(32))"`'
        )
    return _digest(key)


def _keys_in(path: Path | None, variable: str, option: str) -> list[str]:
    keys = _lines_of(os.environ.get(variable, ""))
    if path is not None:
        try:
            own = _lines_of(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "no UTF-8 text"
            raise UsageError(f"{option} {path}: cannot be read: {why}") from error
        if not own:
            raise UsageError(f"{option} {path}: holds no key; write one a line")
        keys += own
    return keys


def _lines_of(text: str) -> list[str]:
    return [key for line in text.splitlines() if (key := line.partition("#")[0].strip())]
