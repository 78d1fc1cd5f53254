"""What is damaged in an index, and a new one of what can be saved; the file stays as it is."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stars_infer.encoder.model import ModelInfo
from stars_infer.errors import ExemplarIndexError, UsageError, check_path
from stars_infer.index.checksums import Damage, check_tally, checksum_of, tally_of
from stars_infer.index.derived import read_tables
from stars_infer.index.exemplar import EncodedExemplar, insert_rows
from stars_infer.index.file import IndexFile
from stars_infer.index.kept_features import checked_features
from stars_infer.index.labels import check_label
from stars_infer.index.network_inputs import EncodedBodies, decode_bodies
from stars_infer.index.rows import ROW, sum_of
from stars_infer.index.schema import check_tables
from stars_infer.index.values import LASTING, write_value
from stars_infer.parallel import ReportProgress

_MOST_MESSAGES = 20
"""Most that is printed of what SQLite finds."""
_PAGE = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something in an index that is not as it was written.

    Attributes:
        place: What it is: `example 12`, `setting false_accept_rate`, `file`.
        problem: What is wrong with it.
        label: Action of the example, as far as it can be read.
        source: Where the example comes from, as far as that can be read.
    """

    place: str
    problem: str
    label: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was found in an index.

    Attributes:
        sound: Examples that are as they were written.
        problems: What is not.
    """

    sound: int
    problems: tuple[Problem, ...]


def verify_index(
    path: str | Path, model: ModelInfo, *, progress: ReportProgress = lambda done, total: None
) -> Verification:
    """Read all that an index holds, and say what is damaged; nothing is written.

    Args:
        path: The file.
        model: Its model.
        progress: Called with how many examples were read, and of how many.

    Raises:
        ExemplarIndexError: If it is no index of this version, or another model made it.
        UsageError: If it is no path.
    """
    with _opened(check_path("path", path), model, progress) as damaged:
        sound = len(damaged.sound)
        problems = [*damaged.problems, *damaged.beside(), *damaged.of_sqlite()]
    return Verification(sound=sound, problems=tuple(problems))


def repair_index(
    path: str | Path,
    out: str | Path,
    model: ModelInfo,
    *,
    progress: ReportProgress = lambda done, total: None,
) -> Verification:
    """Save what can be saved of an index to a new file; the old one stays as it is.

    Examples keep their numbers, labels and vectors. What follows from them is made anew when it is
    next asked for.

    Args:
        path: The damaged file.
        out: The new file.
        model: The model of both.
        progress: Called with how many examples were read, and of how many.

    Returns:
        How many examples were saved, and what was damaged.

    Raises:
        UsageError: If there is a file at `out`.
        ExemplarIndexError: If `path` cannot be read at all, another model made it, or `out` cannot
            be written.
    """
    out = check_path("out", out)
    if out.exists():
        raise UsageError(f"{out}: there is a file already; name another, or remove it")
    with _opened(check_path("path", path), model, progress) as damaged:
        made = IndexFile(None, model)
        try:
            with made.writing("nothing was saved") as connection:
                insert_rows(connection, damaged.sound)
                for key, value in damaged.settings.items():
                    write_value(connection, key, value)
            made.save(out)
        finally:
            made.close()
        problems = [*damaged.problems, *damaged.beside(), *damaged.of_sqlite()]
        return Verification(sound=len(damaged.sound), problems=tuple(problems))


@contextmanager
def _opened(path: Path, model: ModelInfo, progress: ReportProgress) -> Iterator[_DamagedFile]:
    if not path.is_file():
        raise ExemplarIndexError(f"{path}: no index of examples here; name one with --index")
    try:
        with closing(_connect(path)) as connection:
            yield _DamagedFile(path, connection, model, progress)
    except sqlite3.Error as error:
        raise ExemplarIndexError(
            f"{path}: nothing can be read ({error}); bring back a copy, or make it again with "
            "`stars fewshot add-class`"
        ) from error


def _connect(path: Path) -> sqlite3.Connection:
    """For reading only; where no log can be read beside the file, the file alone."""
    for how in ("mode=ro", "immutable=1"):
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True)
        connection.isolation_level = None
        try:
            connection.execute("PRAGMA writable_schema = ON")  # a damaged rule hides no table
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.OperationalError:
            connection.close()
            if how == "immutable=1":
                raise
        except sqlite3.Error:
            connection.close()
            raise
        else:
            return connection
    raise AssertionError


class _DamagedFile:
    """An index, read row by row, whatever is wrong with some of them.

    Args:
        path: The file.
        connection: To it, within a transaction.
        model: Its model.
        progress: Called with how many examples were read, and of how many.

    Attributes:
        sound: The examples that are as they were written, by number.
        settings: The settings that are, as far as they are to last.
        problems: What else was found of examples and settings.
    """

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        model: ModelInfo,
        progress: ReportProgress,
    ) -> None:
        self._path, self._connection, self._model = path, connection, model
        self.sound: list[tuple[int, EncodedExemplar]] = []
        self.settings: dict[str, str] = {}
        self.problems: list[Problem] = []
        self._check_model()
        self._tally: list[int] = []
        numbers = self._numbers()
        for done, number in enumerate(numbers, start=1):
            self._read(number)
            progress(done, len(numbers))
        self._count()
        self._read_settings()

    def _check_model(self) -> None:
        """Refuse what another version or model made; of a damaged file that may be lost, too."""
        try:
            if not check_tables(self._connection):
                raise sqlite3.DatabaseError("it is empty")
        except Damage as error:
            self.problems.append(Problem(place="tables", problem=str(error)))
        except sqlite3.Error as error:
            raise ExemplarIndexError(
                f"{self._path}: not a usable index of examples ({error})"
            ) from error
        found = self._all("SELECT name, fingerprint FROM model", "model")
        if not found:
            self.problems.append(Problem(place="model", problem="its fingerprint is lost"))
        elif found[0][1] != self._model.fingerprint:
            raise ExemplarIndexError(
                f"{self._path}: made by the model {found[0][0]!r} ({str(found[0][1])[:12]}), but "
                f"this is {self._model.name!r} ({self._model.fingerprint[:12]}); pass --model"
            )

    def _numbers(self) -> list[int]:
        """Numbers of all examples that anything in the file names."""
        found: set[int] = set()
        for statement in (
            "SELECT id FROM exemplars NOT INDEXED ORDER BY id",
            "SELECT id FROM exemplars NOT INDEXED ORDER BY id DESC",
            "SELECT id FROM exemplars INDEXED BY exemplars_by_label ORDER BY label",
            "SELECT id FROM exemplars ORDER BY content_hash",
        ):
            rows = self._all(statement, "examples")
            found |= {number for (number,) in rows if isinstance(number, int) and number > 0}
        return sorted(found)

    def _read(self, number: int) -> None:
        """One example: sound, or a problem."""
        row: tuple[Any, ...] | None = None
        try:
            row = self._connection.execute(
                f"SELECT {ROW}, sequence, vector FROM exemplars WHERE id = ?", (number,)
            ).fetchone()
            if row is None:
                raise Damage("its row is lost")
            checked_features(row, self._model)
            check_label(row[1])
            encoded = EncodedExemplar(
                label=row[1],
                source=row[2],
                content_hash=row[3],
                added=row[4],
                bodies=row[5],
                sequence=row[10],
                vector=row[11],
                network_input=None if row[11] is not None else self._input(number),
            )
        except (sqlite3.Error, UsageError) as error:
            label, source = ("", "") if row is None else (str(row[1]), str(row[2]))
            if not label:
                label = self._label_by_index(number)
            self.problems.append(
                Problem(place=f"example {number}", problem=str(error), label=label, source=source)
            )
        else:
            self.sound.append((number, encoded))
            self._tally.append(sum_of(row))

    def _input(self, number: int) -> EncodedBodies:
        """What the vector of an example can be made of."""
        row = self._connection.execute(
            "SELECT scale, bodies, checksum FROM network_inputs WHERE id = ?", (number,)
        ).fetchone()
        if row is None:
            raise Damage("what its vector is made of is lost")
        encoded = EncodedBodies(row[0], row[1])
        if encoded.checksum(number) != row[2]:
            raise Damage("what its vector is made of is damaged")
        how = self._model.preprocessing
        decode_bodies(encoded, how.samplings * how.frames)
        return encoded

    def _label_by_index(self, number: int) -> str:
        found = self._all(
            f"SELECT label FROM exemplars INDEXED BY exemplars_by_label WHERE label > '' "
            f"AND id = {number}",
            "labels",
            told=False,
        )
        return str(found[0][0]) if found else ""

    def _count(self) -> None:
        """Whether there should be more examples, or others."""
        lost = sum(one.place.startswith("example ") for one in self.problems)
        try:
            wanted, total = tally_of(self._connection, "examples")
        except sqlite3.Error as error:
            self.problems.append(Problem(place="tallies", problem=str(error)))
            return
        more = wanted - len(self.sound) - lost
        if more:
            self.problems.append(
                Problem(
                    place="file",
                    problem=f"{abs(more)} {'more' if more > 0 else 'fewer'} "
                    "examples should be there, of which nothing is known",
                )
            )
        elif not lost and total != sum(self._tally):
            self.problems.append(
                Problem(place="file", problem="examples are not those that were written last")
            )

    def _read_settings(self) -> None:
        rows = self._all("SELECT key, value, checksum FROM settings", "settings")
        for key, value, checksum in rows:
            with suppress(Damage):
                if checksum_of(key, value) == checksum:
                    if key in LASTING:
                        self.settings[key] = value
                    continue
            self.problems.append(Problem(place=f"setting {str(key)[:24]!r}", problem="is damaged"))
        try:
            check_tally(self._connection, "settings", [row[2] for row in rows])
        except (sqlite3.Error, TypeError) as error:
            self.problems.append(Problem(place="settings", problem=str(error)))

    def beside(self) -> Iterator[Problem]:
        """What is wrong with what follows from the examples, and is made anew when it is lost."""
        digest = "" if self._model.comparison is None else self._model.comparison.digest()
        try:
            read_tables(self._connection, digest)
        except (sqlite3.Error, ValueError) as error:
            yield Problem(place="similarities", problem=f"{error}; they are made anew")

    def of_sqlite(self) -> Iterator[Problem]:
        """What SQLite itself finds."""
        for (message,) in self._all(f"PRAGMA integrity_check({_MOST_MESSAGES})", "file"):
            if message != "ok":
                yield Problem(place="file", problem=str(message))
        with suppress(OSError, sqlite3.Error):
            (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
            if self._path.stat().st_size % _PAGE:
                yield Problem(place="file", problem=f"ends within a page, after {pages} of them")

    def _all(self, statement: str, place: str, *, told: bool = True) -> list[tuple[Any, ...]]:
        """Rows of a statement, as many as can be read."""
        found: list[tuple[Any, ...]] = []
        try:
            for row in self._connection.execute(statement):
                found.append(row)
        except sqlite3.Error as error:
            if told and not any(one.problem == str(error) for one in self.problems):
                self.problems.append(Problem(place=place, problem=str(error)))
        return found
