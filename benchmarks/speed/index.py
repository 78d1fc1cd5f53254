"""Compare an index of a million exemplars with exact flat search and plain inserts, in one run.

    python benchmarks/speed/index.py --exemplars 100000
    python benchmarks/speed/index.py --write docs/benchmarks.md

The vectors come from `drawn_vectors`: 1,000 exemplars per action, distributed like those of the
shipped encoder. The index belongs to a copy of the shipped model that compares vectors. One process
fills it, a thousand exemplars per transaction, alternating with a plain SQLite table that has the
same columns and keys. SIGKILL ends this process while it adds; every exemplar whose call had
returned must still be there. Then separate processes build the cache, open and search the index,
and search all vectors with FAISS (flat, exact).

The second table shows an index that compares sequences of synthetic recordings.
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
from processes import Measured, in_process, peak_memory, time_each
from report import machine, report
from rich.progress import Progress
from sequence_index import measure_sequences

from stars_infer.encoder.model import ModelInfo, find_model, read_model_info
from stars_infer.index.exemplar import NewExemplar
from stars_infer.index.index import ExemplarIndex
from stars_infer.index.large.store import FRESH
from stars_infer.machine import resident_memory
from stars_infer.similarity.features import Features, unit

CLASS = 1000
"""Exemplars per action, and per transaction."""
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
    if options.exemplars <= FRESH:
        sys.exit(f"error: --exemplars: {FRESH + 1:,} or more, smaller indexes are searched exactly")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        task = Task(
            path=Path(folder) / "vectors.db",
            drawing=Drawing.of_recordings(options.clips),
            classes=-(-options.exemplars // CLASS),
            queries=options.queries,
        )
        table = measure_vectors(task)
        where = f"{machine('numpy', 'faiss-cpu')}, SQLite {sqlite3.sqlite_version}"
        report(f"{where}. {task}", table, options.write, "index")
        if options.sequences:
            path = Path(folder) / "sequences.db"
            about = f"{options.sequences:,} exemplars of one recording each; one query at a time."
            table = measure_sequences(path, options.sequences)
            report(about, table, options.write, "index of sequences")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """What is measured of an index of vectors.

    Attributes:
        path: File of the index.
        drawing: Distribution of the vectors.
        classes: Number of classes, each with `CLASS` exemplars.
        queries: Number of queries.
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
        """A copy of the shipped model that compares vectors."""
        shipped = read_model_info(find_model())
        return replace(shipped, name="vectors", comparison=None, fingerprint="vectors")

    def query_features(self) -> list[Features]:
        """Features of the queries."""
        drawn = self.drawing.queries(self.queries, self.classes)
        return [Features(vector=vector) for vector in drawn]

    def make_class(self, number: int) -> list[NewExemplar]:
        """Make the exemplars of one class."""
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
    """Label of a class."""
    return f"action {number:06}"


def measure_vectors(task: Task) -> list[list[str]]:
    """Measure an index of vectors: the rows of the table."""
    added, plain = fill_and_kill(task)
    made, mine, flat = (
        in_process(what, task) for what in (measure_cache, measure_search, measure_flat)
    )
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


def fill_and_kill(task: Task) -> tuple[list[float], list[float]]:
    """Fill the index and a plain table, kill the process that adds, and check for losses.

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
    os.kill(worker.pid, signal.SIGKILL)  # while it adds
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
    """Add classes until killed; send the seconds of each transaction."""
    table = sqlite3.connect(task.path.with_name("plain.db"), isolation_level=None)
    table.executescript(_PLAIN)
    with ExemplarIndex.open(task.path, task.model) as index:
        number = 0
        while True:
            new = task.make_class(number)
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


def measure_cache(task: Task) -> Measured:
    """Build the cache."""
    began = time.perf_counter()
    with ExemplarIndex.open(task.path, task.model, create=False) as index:
        index.prepare()
    return {"opened": time.perf_counter() - began, "memory": peak_memory()}


def measure_search(task: Task) -> Measured:
    """Open the index, then search it and classify clips."""
    import faiss

    queries = task.query_features()
    began = time.perf_counter()
    with ExemplarIndex.open(task.path, task.model, create=False) as index:
        index.prepare()
        opened = time.perf_counter() - began
        index.search(queries[:1], NEAREST)
        faiss.cvar.indexIVF_stats.reset()
        search, found = time_each(queries, lambda one: index.search([one], NEAREST)[0])
        compared = faiss.cvar.indexIVF_stats.ndis / len(queries)
        index.calibration()
        classify, _ = time_each(queries, lambda one: index.classify([one]))
        sources = [[near.source for near in nearest] for nearest in found]
    return {
        "opened": opened,
        "search": search,
        "classify": classify,
        "compared": compared,
        "found": [[position_of(source) for source in row] for row in sources],
        "memory": resident_memory(),
        "file": task.path.stat().st_size,
        "cache": sum(f.stat().st_size for f in task.path.with_name("vectors.db.cache").iterdir()),
    }


def position_of(source: str) -> int:
    """Position of an exemplar among all."""
    _, number, position = source.removesuffix(".skeleton").split("/")
    return int(number) * CLASS + int(position)


def measure_flat(task: Task) -> Measured:
    """Read the plain table into a flat FAISS index and search it."""
    import faiss

    began = time.perf_counter()
    table = sqlite3.connect(task.path.with_name("plain.db"))
    flat = faiss.IndexFlatIP(len(task.drawing.mean))
    rows = table.execute("SELECT vector FROM plain WHERE id <= ?", (task.classes * CLASS,))
    while block := rows.fetchmany(10 * CLASS):
        joined = np.frombuffer(b"".join([blob for (blob,) in block]), np.float32)
        flat.add(unit(joined.reshape(len(block), -1)))
    opened = time.perf_counter() - began
    unit_vectors = unit(np.stack([one.vector for one in task.query_features()]))
    search, found = time_each(
        unit_vectors, lambda one: flat.search(one[None], NEAREST)[1][0].tolist()
    )
    return {"opened": opened, "search": search, "found": found, "memory": resident_memory()}


if __name__ == "__main__":
    main()
