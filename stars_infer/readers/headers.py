"""Tables whose header takes several lines: Motive, Nexus, DeepLabCut, and others of their kind.

One line says which of x, y and z a column holds; a line above it names the joints or markers, and
may do so only once for three columns. Further lines say who it is, what is measured, or in what
units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stars_infer.clips.convention import Convention
from stars_infer.errors import ClipError
from stars_infer.layouts import match_names
from stars_infer.readers.bounds import check_points
from stars_infer.readers.cells import MOST_COLUMNS, Cells, Columns, Row, Rows
from stars_infer.readers.columns import FRAME, plain, unit_of
from stars_infer.readers.confidence import rank
from stars_infer.readers.points import recording_of_points
from stars_infer.readers.recording import Recording, convention_in
from stars_infer.readers.table import Table, recording_of_table
from stars_infer.readers.timing import unit_in

_MOST_HEADER = 16
"""Lines within which the header of a section ends."""
_MOST_SECTIONS = 50
_KINDS = ("position", "rotation", "mean marker error", "marker quality", "error", "quality")
_MOTIVE = "format version"
_NEXUS = ("model outputs", "joints", "trajectories", "segments")
_NAME_LABELS = ("name", "bodyparts", "bodypart", "joint", "joints", "marker", "markers")
_BODY_LABELS = ("individuals", "individual", "subject")
_NO_NAMES = ("type", "id", "parent", "scorer")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Section:
    """A part of a file with one header.

    Attributes:
        names: The name of each column, "" where it holds no position.
        parts: `x`, `y`, `z` or a word of confidence for each column, "" for others.
        owners: Whose column it is, "" if the file does not say.
        others: The columns of frame numbers and times, by name.
        rows: The rows of the file, of which its own begin at `first_line` and end at a blank one.
        size: Bytes of the file.
        first_line: Line of the first row in the file, from 1.
        unit: The unit of its positions, if it says one.
        kinds: What each column is of, such as `bone`, if the file says so.
    """

    names: Sequence[str]
    parts: Sequence[str]
    owners: Sequence[str]
    others: Mapping[str, int]
    rows: Rows
    first_line: int
    size: int
    unit: str | None
    kinds: Sequence[str] = ()

    @property
    def labeled(self) -> list[tuple[str, str]]:
        """The owner and the name of each joint or marker, in the order of the columns."""
        columns = zip(self.owners, self.names, strict=True)
        return list(dict.fromkeys(column for column in columns if column[1]))

    def cells(self, columns: Sequence[int], source: str) -> dict[int, Cells]:
        """The cells of some columns, by their number."""
        named = {column: name for name, column in self.others.items()}
        gathered = Columns(
            [False] * len(columns),
            strict=[unit_in(named.get(column, "")) is not None for column in columns],
            source=source,
            size=self.size,
        )
        for row in _data(self.rows, self.first_line - 1, len(self.names)):
            gathered.add([row[column] for column in columns])
        return dict(zip(columns, gathered.cells(), strict=True))


def has_several_lines(rows: Rows, start: int) -> bool:
    """Whether the header of a table, which begins in this row, takes several lines."""
    first = rows[start][0].strip().lower() if rows[start] else ""
    return first == _MOTIVE or first in _NEXUS or _axes_line(rows, start) not in (None, start)


def read_several_lines(rows: Rows, source: str, *, first_line: int, size: int) -> Recording:
    """Read a table whose header takes several lines.

    Args:
        rows: The cells of each line of the file; blank lines are empty.
        source: Name of the file for messages.
        first_line: Line of the first row that holds something, from 1.
        size: Bytes of the file.

    Raises:
        ClipError: If no positions are found, or they cannot be used.
    """
    start = first_line - 1
    first = rows[start][0].strip().lower()
    if first == _MOTIVE:
        return _read_motive(rows, start, source, size)
    if first in _NEXUS:
        return _read_nexus(rows, source, size)
    section = _section(rows, start, source, size)
    return recording_of_table(_table(section, source))


def _read_motive(rows: Rows, start: int, source: str, size: int) -> Recording:
    """Read a take of OptiTrack Motive: bones if it has them, else rigid bodies or markers."""
    about = {
        key.strip().lower(): value.strip()
        for key, value in zip(rows[start][::2], rows[start][1::2], strict=False)
    }
    if about.get("coordinate space", "global").lower() not in ("global", "world"):
        raise ClipError(
            source, "positions relative to other bones: export it from Motive with Coordinate "
            "Space 'Global'"
        )  # fmt: skip
    section = _section(rows, start + 1, source, size)
    kinds = [kind for kind in ("bone", "bone marker", "marker") if kind in section.kinds]
    wanted = {kinds[0]} if kinds else set(section.kinds)
    return _points(
        section,
        source,
        stated=_stated(source, about.get("export frame rate") or about.get("capture frame rate"),
                       unit_of(about.get("length units", ""))),
        default=Convention(units="m", up="y", handedness="right"),
        keep=lambda column: not section.kinds or section.kinds[column] in wanted,
    )  # fmt: skip


def _read_nexus(rows: Rows, source: str, size: int) -> Recording:
    """Read an export of Vicon Nexus: the section whose names are those of a layout, or markers."""
    sections: list[tuple[str, str, _Section]] = []
    for number, row in enumerate(rows.between(0)):
        title = row[0].strip().lower() if row else ""
        if title in _NEXUS and number + 1 < len(rows):
            rate = next((cell for cell in rows[number + 1] if cell.strip()), "")
            sections.append((title, rate, _section(rows, number + 2, source, size)))
            if len(sections) > _MOST_SECTIONS:
                raise ClipError(source, f"more than {_MOST_SECTIONS} sections: export it again")
    known = [
        one for one in sections
        if match_names([name for _, name in one[2].labeled]) is not None
    ]  # fmt: skip
    markers = [one for one in sections if one[0] == "trajectories"]
    _, rate, section = (known or markers or sections)[0]
    return _points(
        section,
        source,
        stated=_stated(source, rate, section.unit),
        default=Convention(units="mm", up="z", handedness="right"),
        keep=lambda column: True,
    )


def _stated(source: str, rate: str | None, unit: str | None) -> Convention:
    return convention_in(source, fps=rate or None, units=unit)


def _points(
    section: _Section,
    source: str,
    *,
    stated: Convention,
    default: Convention,
    keep: Callable[[int], bool],
) -> Recording:
    """Read the labeled points of a section."""
    columns: dict[str, dict[str, int]] = {}
    for column, (owner, name) in enumerate(zip(section.owners, section.names, strict=True)):
        if name and section.parts[column] in ("x", "y", "z") and keep(column):
            label = f"{owner}:{name}" if owner else name
            columns.setdefault(label, {}).setdefault(section.parts[column], column)
    whole = {label: parts for label, parts in columns.items() if len(parts) == 3}
    wanted = [column for parts in whole.values() for column in parts.values()]
    cells = section.cells(wanted, source)
    table = Table(
        columns={str(column): cells[column] for column in wanted},
        source=source,
        size=section.size,
        first_line=section.first_line,
    )
    check_points(len(table) * len(whole), source=source, size=section.size)
    if not whole:
        raise ClipError(source, "no columns with x, y and z of a joint or marker: export positions")
    points = np.stack(
        [
            np.stack([table.numbers(str(parts[axis])) for axis in "xyz"], axis=-1)
            for parts in whole.values()
        ],
        axis=1,
    )
    with np.errstate(over="ignore"):  # what overflows is missing
        single = points.astype(np.float32)
    return recording_of_points(list(whole), single, source=source, stated=stated, default=default)


def _table(section: _Section, source: str) -> Table:
    """Make a table with one line of names of a section; several people come one below another."""
    owners = list(dict.fromkeys(owner for owner, _ in section.labeled))
    places = {
        (owner, f"{name}_{part}"): column
        for column, (owner, name, part) in enumerate(
            zip(section.owners, section.names, section.parts, strict=True)
        )
        if name and part
    }
    wanted = list(dict.fromkeys((*section.others.values(), *places.values())))
    cells = section.cells(wanted, source)
    length = len(next(iter(cells.values()), ()))
    columns: dict[str, Cells] = {}
    if len(owners) > 1:
        columns["body"] = [owner for owner in owners for _ in range(length)]
    for name, column in section.others.items():
        columns[name] = _joined([cells[column]] * max(len(owners), 1))
    for name in dict.fromkeys(name for _, name in places):
        columns[name] = _joined([
            cells[places[owner, name]] if (owner, name) in places else np.full(length, np.nan)
            for owner in owners
        ])  # fmt: skip
    if len(owners) > 1 and "frame" not in columns:
        columns["frame"] = np.tile(np.arange(length), len(owners))
    stated = Convention(units=section.unit)
    return Table(
        columns=columns, source=source, size=section.size, first_line=section.first_line,
        stated=stated,
    )  # fmt: skip


def _joined(parts: list[Cells]) -> Cells:
    """Columns one below another."""
    if len(parts) == 1:
        return parts[0]
    if all(isinstance(part, np.ndarray) for part in parts):
        return np.concatenate([np.asarray(part) for part in parts])
    return [cell for part in parts for cell in part]


def _axes_line(rows: Rows, start: int) -> int | None:
    """Find the line that says which of x, y and z each column holds."""
    for number, row in enumerate(rows[start : start + _MOST_HEADER], start=start):
        cells = [cell.strip().lower() for cell in row]
        axes = sum(cell in ("x", "y", "z") for cell in cells)
        filled = sum(bool(cell) for cell in cells)
        if axes >= 3 and cells.count("x") * 3 <= axes + 2 and 2 * axes >= filled - 2:
            return number
    return None


def _section(rows: Rows, start: int, source: str, size: int) -> _Section:
    """Read the header and the rows of a section that begins at a line, counted from 0."""
    at = _axes_line(rows, start)
    if at is None or at == start:
        raise ClipError(
            source, f"line {start + 1}: no lines with the names of joints and x, y, z below them: "
            "export positions of joints or markers"
        )  # fmt: skip
    width = len(rows[at])
    if width > MOST_COLUMNS:
        raise ClipError(source, f"{width:,} columns are too many to be those of joints")
    head = [[cell.strip() for cell in (*row, *[""] * width)][:width] for row in rows[start:at]]
    parts = [_part(cell) for cell in rows[at]]
    others = {
        cell.strip(): column
        for column, cell in enumerate(rows[at])
        if plain(cell) in FRAME or unit_in(cell) is not None
    }
    if not others and not rows[at][0].strip().lower().startswith(("x", "y", "z")):
        parts[0] = ""  # the number of the frame, under a word such as `coords`
    names, owners, kinds = _names(head, parts)
    for row in head:
        for column, cell in enumerate(row):
            if cell.lower() in _KINDS and cell.lower() != "position":
                parts[column] = ""
    below = at + 1
    units = [unit_of(cell) or "" for cell in rows[below]] if below < len(rows) else []
    if any(units):
        below += 1
        wanted = {unit for unit in units if unit}
        parts = [
            part if column < len(units) and units[column] else ""
            for column, part in enumerate(parts)
        ]
        unit = wanted.pop() if len(wanted) == 1 else None
    else:
        unit = None
    names = [name if part else "" for name, part in zip(names, parts, strict=True)]
    return _Section(
        names=names, parts=parts, owners=owners, others=others, unit=unit, kinds=kinds,
        rows=rows, first_line=below + 1, size=size,
    )  # fmt: skip


def _part(cell: str) -> str:
    cell = cell.strip().lower()
    return cell if cell in ("x", "y", "z") or rank(cell) is not None else ""


def _names(head: Sequence[Row], parts: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Find the name, the owner and the kind of each column in the lines above the axes."""
    labeled = {cell.lower(): row for row in head for cell in row[:2] if cell}
    spare = [row for row in head if not any(cell.lower() in _NO_NAMES for cell in row[:2])]
    named = next((labeled[label] for label in _NAME_LABELS if label in labeled), None)
    if named is None:
        rows = [row for row in spare if not any(cell.lower() in _KINDS for cell in row)]
        named = max(reversed(rows), key=lambda row: len(set(row)), default=[""] * len(parts))
    owned = next((labeled[label] for label in _BODY_LABELS if label in labeled), None)
    names, owners, last = [], [], ""
    for column, part in enumerate(parts):
        last = named[column] or last
        name = "" if last.lower() in _NAME_LABELS else last
        owner, _, name = name.rpartition(":")
        names.append(name if part else "")
        owners.append(owned[column] if owned is not None and part else owner)
    kinds = [cell.lower() for cell in labeled.get("type", ())]
    return names, owners, kinds


def _data(rows: Rows, start: int, width: int) -> Iterator[Row]:
    """Yield the rows of a section, up to a blank line."""
    for row in rows.between(start):
        if not any(cell.strip() for cell in row):
            return
        yield [*row[:width], *[""] * (width - len(row))]
