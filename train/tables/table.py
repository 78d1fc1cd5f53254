"""Tables and figures of the papers: what they show, their rows and columns, the printed numbers.

The data are the TOML files beside this one, a paper each. A cell is an encoder, trained on one data
set and measured by one protocol on one; `train/reproduction` plans the runs that it needs.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any

from stars_infer.errors import UsageError

PAPERS = ("stars", "skeleton2vec", "skeattnclr")
KINDS = (
    "table", "sweep", "curves", "tsne", "confusion", "projection", "attention", "time", "memory",
    "settings", "diagram",
)  # fmt: skip
"""`diagram` is a drawing of a method, `settings` a list of settings: neither needs a run."""
SETS = {"ntu60": "NTU-60", "ntu120": "NTU-120", "pku1": "PKU-I", "pku2": "PKU-II"}
PARTS = {"xsub": "XSub", "xview": "XView", "xset": "XSet", "novel": "novel actions"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A split of an official data set."""

    dataset: str
    split: str

    @classmethod
    def of(cls, name: str) -> Part:
        """Read a name such as `ntu60-xsub`.

        Raises:
            UsageError: If there is no such data set or split.
        """
        dataset, _, split = name.partition("-")
        if dataset not in SETS or split not in PARTS:
            raise UsageError(
                f"{name!r} is no split of a data set: SET-SPLIT, of {', '.join(SETS)} and "
                f"{', '.join(PARTS)}"
            )
        return cls(dataset=dataset, split=split)

    def __str__(self) -> str:
        return f"{self.dataset}-{self.split}"

    @property
    def title(self) -> str:
        """For people, such as NTU-60 XSub."""
        return f"{SETS[self.dataset]} {PARTS[self.split]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table.

    Attributes:
        name: As printed.
        train: What the encoder is trained on.
        test: What it is measured on.
        setting: Setting of the protocol, such as `k=1`; that of the row or the table if empty.
    """

    name: str
    train: Part
    test: Part
    setting: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of a table, or a point or curve of a figure.

    Attributes:
        name: Name of what the row is.
        paper: Printed numbers, one for each column; None for a dash.
        encoder: Key of `encoders.toml`; empty for rows that are not measured here.
        method: Name that `stars train eval` gives such an encoder.
        settings: Settings of the training that differ from the encoder's, by name.
        stream: Input stream; `three` adds the scores of joint, motion and bone.
        weights: `teacher` or `student`.
        setting: Setting of the protocol, where it differs by row.
        x: Place on the axis of a sweep.
    """

    name: str
    paper: tuple[float | None, ...] = ()
    encoder: str = ""
    method: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    stream: str = ""
    weights: str = ""
    setting: str = ""
    x: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A line of a table of settings: the key of a recipe and the printed value."""

    name: str
    paper: str
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table or figure of a paper.

    Attributes:
        id: Such as `stars-6` or `skeleton2vec-fig-4`.
        paper: Name of the paper.
        number: As printed, such as `Table 6`.
        shows: What it shows.
        kind: One of `KINDS`.
        short: Number in the shorter version of STARS; empty where that has no such table.
        notes: Remarks for readers.
        unit: Of the numbers.
        protocol: Name of a protocol of `stars train eval`.
        setting: Its setting.
        columns: The columns.
        rows: The rows that can be measured here, and others that runs may be set beside.
        others: Names and printed numbers of further rows.
        axis: Title of the axis of a sweep.
        log: Whether that axis is logarithmic.
        classes: Number of actions in a t-SNE picture.
        recipe: Recipe of a table of settings.
        settings: Its lines.
    """

    id: str
    paper: str
    number: str
    shows: str
    kind: str = "table"
    short: str = ""
    notes: tuple[str, ...] = ()
    unit: str = "%"
    protocol: str = ""
    setting: str = "accuracy"
    columns: tuple[Column, ...] = ()
    rows: tuple[Row, ...] = ()
    others: tuple[tuple[str, tuple[float | None, ...]], ...] = ()
    axis: str = ""
    log: bool = False
    classes: int = 15
    recipe: str = ""
    settings: tuple[Setting, ...] = ()

    @property
    def where(self) -> str:
        """Paper and number, with that of the shorter version where it differs."""
        short = ""
        if self.paper == "STARS":
            short = f" ({self.short} in the shorter version)" if self.short else " (longer version)"
            short = "" if self.short == self.number else short
        return f"{self.paper}, {self.number}{short}"

    def setting_of(self, row: Row, column: Column) -> str:
        """Setting of the protocol in a cell."""
        return row.setting or column.setting or self.setting


@cache
def load_tables() -> tuple[Table, ...]:
    """All tables and figures, in the order of the papers."""
    return tuple(table for paper in PAPERS for table in _read(paper))


def find_table(name: str) -> Table:
    """The table of this id.

    Raises:
        UsageError: If there is none; the message names those that are close.
    """
    tables = {table.id: table for table in load_tables()}
    if name not in tables:
        close = get_close_matches(name, tables, n=3, cutoff=0.5)
        guess = f"; did you mean {' or '.join(close)}?" if close else ""
        raise UsageError(f"no table {name!r}{guess} `stars train tables` lists them")
    return tables[name]


def _read(paper: str) -> Iterator[Table]:
    text = (files("stars_infer.train") / "tables" / f"{paper}.toml").read_text(encoding="utf-8")
    content = tomllib.loads(text)
    titles = _titles()
    for entry in content["table"]:
        columns = tuple(_column(each) for each in entry.pop("columns", ()))
        yield Table(
            paper=content["paper"],
            number=_number(entry["id"]),
            short=_number(entry.pop("short", "")),
            id=f"{paper}-{entry.pop('id')}",
            notes=tuple(entry.pop("notes", ())),
            columns=columns,
            rows=tuple(_row(each, titles, columns) for each in entry.pop("rows", ())),
            others=tuple((name, _numbers(them)) for name, *them in entry.pop("others", ())),
            settings=tuple(Setting(**each) for each in entry.pop("settings", ())),
            **entry,
        )


def _number(name: str) -> str:
    if not name:
        return ""
    if name.startswith("fig-"):
        return f"Figure {name.removeprefix('fig-')}"
    return f"Table {name}"


def _column(entry: str | dict[str, str]) -> Column:
    if isinstance(entry, str):
        part = Part.of(entry)
        return Column(name=part.title, train=part, test=part)
    train = Part.of(entry["train"])
    test = Part.of(entry["test"]) if "test" in entry else train
    return Column(name=entry["name"], train=train, test=test, setting=entry.get("setting", ""))


def _row(entry: dict[str, Any], titles: Mapping[str, str], columns: Sequence[Column]) -> Row:
    entry = dict(entry)
    title = titles.get(entry.get("encoder", ""), "")
    name = entry.pop("name", title)
    paper = _numbers(entry.pop("paper", ())) or (None,) * len(columns)
    return Row(
        name=name,
        method=entry.pop("method", name),
        paper=paper,
        settings=entry.pop("set", {}),
        **entry,
    )


def _numbers(values: Sequence[float]) -> tuple[float | None, ...]:
    return tuple(None if math.isnan(value) else float(value) for value in values)


def _titles() -> dict[str, str]:
    text = (files("stars_infer.train") / "tables" / "encoders.toml").read_text(encoding="utf-8")
    return {key: entry["title"] for key, entry in tomllib.loads(text).items()}
