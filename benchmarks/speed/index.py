"""An index of a million exemplars beside flat exact search and plain inserts, in the same run.

    python benchmarks/speed/index.py --exemplars 100000
    python benchmarks/speed/index.py --write docs/benchmarks.md

The vectors are those of `drawn_vectors`: 1,000 exemplars an action, spread as the shipped encoder
spreads synthetic recordings. The index is of a copy of the shipped model that compares vectors. A
process fills it, a thousand exemplars a transaction, and in turn a plain SQLite table of the same
columns and keys; it is killed (SIGKILL) while it goes on adding, and every exemplar whose adding
had returned must be there. Then processes of their own make the cache, open the index and ask it,
and search all vectors by FAISS (flat, exact).

The second table is of an index that compares sequences, each of a synthetic recording of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import signal
import sqlite3
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from drawn_vectors import Drawing
from processes import Measured, each, in_process, most_memory
from report import machine, report
from rich.progress import Progress
from sequence_index import of_sequences

from stars_infer.encoder.model import ModelInfo, find_model, read_model_info
from stars_infer.index.exemplar import NewExemplar
from stars_infer.index.index import ExemplarIndex
from stars_infer.index.large.ann import FLAT_LIMIT
from stars_infer.machine import resident_memory
from stars_infer.similarity.features import Features
from stars_infer.similarity.nearest import unit

CLASS = 1000
"""Exemplars of an action, and of a transaction."""
NEAREST = 5
_BEYOND = 3
_PLAIN = """
PRAGMA journal_mode = WAL;
CREATE TABLE plain (
    id INTEGER PRIMARY KEY, label TEXT, vector BLOB, source TEXT, hash TEXT UNIQUE, added TEXT
);
CREATE INDEX plain_by_label ON plain (label);
"""


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--exemplars", type=int, default=1_000_000)
    parser.add_argument("--sequences", type=int, default=20_000)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--clips", type=int, default=40, help="of each action, for the spread")
    parser.add_argument("--folder", type=Path, help="for the indexes, 3 GB a million exemplars")
    parser.add_argument("--write", type=Path, help="Markdown file with the marks <!-- index -->")
    options = parser.parse_args()
    if options.exemplars <= FLAT_LIMIT:
        sys.exit(
            f"error: --exemplars: {FLAT_LIMIT + 1:,} or more, smaller indexes are searched exactly"
        )
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        task = Task(
            path=Path(folder) / "vectors.db",
            drawing=Drawing.of_recordings(options.clips),
            classes=-(-options.exemplars // CLASS),
            queries=options.queries,
        )
        table = of_vectors(task)
        where = f"{machine('numpy', 'faiss-cpu')}, SQLite {sqlite3.sqlite_version}"
        report(f"{where}. {task}", table, options.write, "index")
        if options.sequences:
            path = Path(folder) / "sequences.db"
            about = f"{options.sequences:,} exemplars of one recording each; one query at a time."
            table = of_sequences(path, options.sequences)
            report(about, table, options.write, "index of sequences")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """An index of vectors.

    Attributes:
        path: Its file.
        drawing: Its vectors.
        classes: How many, each of `CLASS` exemplars.
        queries: How many are asked.
    """

    path: Path
    drawing: Drawing
    classes: int
    queries: int

    def __str__(self) -> str:
        return (
            f"{self.classes * CLASS:,} exemplars of {len(self.drawing.mean)} numbers, {CLASS:,} a "
            f"transaction; {self.queries} queries, one at a time."
        )

    @property
    def model(self) -> ModelInfo:
        """Compares vectors."""
        shipped = read_model_info(find_model())
        return replace(shipped, name="vectors", comparison=None, fingerprint="vectors")

    def asked(self) -> list[Features]:
        """What is looked for."""
        drawn = self.drawing.asked(self.queries, self.classes)
        return [Features(vector=vector) for vector in drawn]

    def new(self, number: int) -> list[NewExemplar]:
        """The exemplars of a class."""
        return [
            NewExemplar(
                label=label_of(number),
                features=Features(vector=vector),
                source=f"recordings/{number:06}/{position:06}.skeleton",
                content_hash=hashlib.sha256(f"{number} {position}".encode()).hexdigest(),
            )
            for position, vector in enumerate(self.drawing.exemplars(number, CLASS))
        ]


def label_of(number: int) -> str:
    """Of a class."""
    return f"action {number:06}"


def of_vectors(task: Task) -> list[list[str]]:
    """The table of an index of vectors."""
    added, plain = filled(task)
    made, mine, flat = (in_process(what, task) for what in (make, ask, ask_flat))
    all_of_them = task.classes * CLASS
    vectors = 4 * all_of_them * len(task.drawing.mean)
    hits = [np.isin(*pair).mean() for pair in zip(flat["found"], mine["found"], strict=True)]
    late = slice(-max(1, len(added) // 10), None)
    table = [["", "index", "reference", "ratio", "to reach"]]

    def row(
        what: str, own: float, other: float | None = None, form: str = ".2f", to: str = ""
    ) -> None:
        shown = (
            ["", ""]
            if other is None
            else [f"{other:,{form}}", f"{max(own / other, other / own):.1f}"]
        )
        table.append([what, f"{own:,{form}}", *shown, to])

    rates = [CLASS / statistics.mean(times) for times in (added, plain, added[late], plain[late])]
    row("add, exemplars a second; plain table", rates[0], rates[1], ".0f", "≥ 5,000")
    row("the same, the last tenth", rates[2], rates[3], ".0f", "≥ 5,000")
    row("lost of what was added, by SIGKILL", 0, form=".0f", to="0")
    row("making the cache, s", made["opened"], form=".0f")
    row("opening from the cache, s; flat", mine["opened"], flat["opened"], to="≤ 3")
    for share, to in ((50, "≤ 5"), (95, "")):
        own, other = (1000 * float(np.percentile(one["search"], share)) for one in (mine, flat))
        row(f"search of the nearest {NEAREST}, p{share} ms; flat", own, other, to=to)
    row("codes it compares, a byte a number; flat, four", mine["compared"], all_of_them, form=".0f")
    row("classify, p50 ms", 1000 * statistics.median(mine["classify"]))
    row(f"recall@{NEAREST} of the flat search", float(np.mean(hits)), form=".4f", to="≥ 0.99")
    row(
        "memory of the process, of the vectors' bytes",
        mine["memory"] / vectors,
        flat["memory"] / vectors,
        to="≤ 1.5",
    )
    row("the same while the cache is made", made["memory"] / vectors)
    row("file, MB", mine["file"] / 1e6, form=".0f")
    row("cache, MB", mine["cache"] / 1e6, form=".0f")
    return table


def filled(task: Task) -> tuple[list[float], list[float]]:
    """Fill the index and a plain table; kill what does it; make sure that all is there.

    Returns:
        Seconds of each transaction of the index, and of the plain table.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    worker = context.Process(target=fill, args=(task, there))
    worker.start()
    added, plain = [], []
    with Progress(transient=True) as bar:
        shown = bar.add_task("adding", total=task.classes)
        while len(added) < task.classes + _BEYOND:
            mine, other = here.recv()
            added.append(mine)
            plain.append(other)
            bar.advance(shown)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)  # it is adding
    worker.join()
    with ExemplarIndex.open(task.path, task.model) as index:
        counts = index.counts()
        lost = [n for n in range(len(added)) if counts.get(label_of(n)) != CLASS]
        if lost or set(counts.values()) != {CLASS}:
            sys.exit(f"error: the kill lost exemplars of actions {lost}, or left part of one")
        for number in range(task.classes, len(counts)):
            index.remove(label=label_of(number))
    return added[: task.classes], plain[: task.classes]


def fill(task: Task, told: Connection) -> None:
    """Add for ever; tell how long each transaction took."""
    table = sqlite3.connect(task.path.with_name("plain.db"), isolation_level=None)
    table.executescript(_PLAIN)
    with ExemplarIndex.open(task.path, task.model) as index:
        number = 0
        while True:
            new = task.new(number)
            began = time.perf_counter()
            index.add(new)
            mine = time.perf_counter() - began
            began = time.perf_counter()
            table.execute("BEGIN IMMEDIATE")
            table.executemany(
                "INSERT INTO plain (label, vector, source, hash, added) VALUES (?, ?, ?, ?, ?)",
                [
                    (one.label, one.features.vector, one.source, one.content_hash, "now")
                    for one in new
                ],
            )
            table.execute("COMMIT")
            told.send((mine, time.perf_counter() - began))
            number += 1


def make(task: Task) -> Measured:
    """Make the cache."""
    began = time.perf_counter()
    with ExemplarIndex.open(task.path, task.model, create=False) as index:
        index.prepare()
    return {"opened": time.perf_counter() - began, "memory": most_memory()}


def ask(task: Task) -> Measured:
    """Open the index, and search and name clips."""
    import faiss

    queries = task.asked()
    began = time.perf_counter()
    with ExemplarIndex.open(task.path, task.model, create=False) as index:
        index.prepare()
        opened = time.perf_counter() - began
        index.search(queries[:1], NEAREST)
        faiss.cvar.indexIVF_stats.reset()
        search, found = each(queries, lambda one: index.search([one], NEAREST)[0])
        compared = faiss.cvar.indexIVF_stats.ndis / len(queries)
        index.calibration()
        classify, _ = each(queries, lambda one: index.classify([one]))
        sources = [[near.source for near in nearest] for nearest in found]
    return {
        "opened": opened,
        "search": search,
        "classify": classify,
        "compared": compared,
        "found": [[place_of(source) for source in row] for row in sources],
        "memory": resident_memory(),
        "file": task.path.stat().st_size,
        "cache": sum(f.stat().st_size for f in task.path.with_name("vectors.db.cache").iterdir()),
    }


def place_of(source: str) -> int:
    """Of an exemplar, among all."""
    _, number, position = source.removesuffix(".skeleton").split("/")
    return int(number) * CLASS + int(position)


def ask_flat(task: Task) -> Measured:
    """Read the plain table into a flat index, and search it."""
    import faiss

    began = time.perf_counter()
    table = sqlite3.connect(task.path.with_name("plain.db"))
    flat = faiss.IndexFlatIP(len(task.drawing.mean))
    rows = table.execute("SELECT vector FROM plain WHERE id <= ?", (task.classes * CLASS,))
    while block := rows.fetchmany(10 * CLASS):
        joined = np.frombuffer(b"".join([blob for (blob,) in block]), np.float32)
        flat.add(unit(joined.reshape(len(block), -1)))
    opened = time.perf_counter() - began
    unit_vectors = unit(np.stack([one.vector for one in task.asked()]))
    search, found = each(unit_vectors, lambda one: flat.search(one[None], NEAREST)[1][0].tolist())
    return {"opened": opened, "search": search, "found": found, "memory": resident_memory()}


if __name__ == "__main__":
    main()
