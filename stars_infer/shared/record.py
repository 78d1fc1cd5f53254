"""Changes of a shared index as the log keeps them: one entry, one transaction."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from stars_infer.index.checksums import Damage
from stars_infer.shared.store import Entry

FORM = 1
_Model = Mapping[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What one transaction has changed.

    Attributes:
        number: Its place in the log, from 1.
        token: Its name, which no other record has.
        model: Name, fingerprint and width of the model; in the first record only.
        added: Numbers of new exemplars, whose rows are named by `row_key`.
        removed: Numbers of exemplars that are gone.
        labels: Numbers of exemplars with a new label, by label.
        settings: New settings, None where one is forgotten.
        last: The greatest number that any exemplar ever had.
    """

    number: int
    token: str
    model: _Model | None = None
    added: tuple[int, ...] = ()
    removed: tuple[int, ...] = ()
    labels: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    settings: Mapping[str, str | None] = field(default_factory=dict)
    last: int = 0

    def entry(self) -> Entry:
        """As an entry of the log."""
        said = {
            "form": FORM,
            "token": self.token,
            "model": self.model,
            "added": _ranges(self.added),
            "removed": _ranges(self.removed),
            "labels": {label: _ranges(ids) for label, ids in self.labels.items()},
            "settings": self.settings,
            "last": self.last,
        }
        text = json.dumps({key: value for key, value in said.items() if value})
        return Entry(key=f"{self.number:016d}", number=self.number, text=_sealed(text, self.number))

    @classmethod
    def of(cls, entry: Entry) -> Record:
        """From an entry of the log.

        Raises:
            Damage: If it is not as it was written, or of another version.
        """
        try:
            said: dict[str, Any] = json.loads(_opened(entry))
            if said["form"] != FORM:
                raise Damage(f"record {entry.number} was written by another version of stars-infer")
            return cls(
                number=entry.number,
                token=said["token"],
                model=said.get("model"),
                added=_numbers(said.get("added", ())),
                removed=_numbers(said.get("removed", ())),
                labels={label: _numbers(ids) for label, ids in said.get("labels", {}).items()},
                settings=said.get("settings", {}),
                last=said.get("last", 0),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Damage(f"record {entry.number} is damaged") from error


def row_key(token: str, number: int) -> str:
    """The name of the row of an exemplar, by the record that added it."""
    return f"{token}-{number}"


def _sealed(text: str, number: int) -> str:
    return f"{zlib.crc32(f'{number} {text}'.encode()):08x} {text}"


def _opened(entry: Entry) -> str:
    """Raise a ValueError if an entry is not as it was written."""
    text = entry.text[9:]
    if _sealed(text, entry.number) != entry.text:
        raise ValueError("the checksum is another one")
    return text


def _ranges(numbers: Iterable[int]) -> list[list[int]]:
    """Numbers as first ones and counts of those that follow one another."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and sum(found[-1]) == number:
            found[-1][1] += 1
        else:
            found.append([number, 1])
    return found


def _numbers(ranges: Iterable[tuple[int, int]]) -> tuple[int, ...]:
    return tuple(number for first, count in ranges for number in range(first, first + count))
