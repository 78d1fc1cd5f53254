"""Compare a large index of sequences with time warping of a query to all exemplars.

Each exemplar and each query is a different synthetic recording.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import numpy as np
from processes import Measured, in_process, time_each
from rich.progress import track

from stars_infer.arrays import FloatArray
from stars_infer.clips.clip import Clip
from stars_infer.encoder.model import ModelInfo, find_model, read_model_info
from stars_infer.index.exemplar import NewExemplar
from stars_infer.index.index import ExemplarIndex
from stars_infer.machine import resident_memory
from stars_infer.similarity.dtw import WarpingGallery
from stars_infer.similarity.features import Features
from stars_infer.similarity.sequence import sequence_of
from stars_infer.synthetic.actions import ACTIONS, perform

NEAREST = 5
_BLOCK = 1000


def measure_sequences(path: Path, count: int) -> list[list[str]]:
    """Measure an index of sequences: the rows of the table."""
    model = read_model_info(find_model())
    with ExemplarIndex.open(path, model) as index:
        for start in track(range(0, count, _BLOCK), description="recording", transient=True):
            index.add([record(number, model) for number in range(start, start + _BLOCK)])
    first, again = (in_process(measure_index, path) for _ in range(2))
    exact = in_process(measure_warping, path)
    best = [one[:1] for one in exact["found"]]
    hits, first_hits = (
        float(np.mean([np.isin(*pair).mean() for pair in zip(rows, again["found"], strict=True)]))
        for rows in (exact["found"], best)
    )
    taken = 1000 * statistics.median(again["search"])
    everything = 1000 * statistics.median(exact["search"])
    return [
        ["", "index", "warping all", "ratio"],
        ["opening for the first time, s", f"{first['opened']:.1f}", "", ""],
        ["opening, s", f"{again['opened']:.2f}", f"{exact['opened']:.1f}", ""],
        [
            "search of the nearest 5, p50 ms",
            f"{taken:.1f}",
            f"{everything:.0f}",
            f"{everything / taken:.0f}",
        ],
        ["classify, p50 ms", f"{1000 * statistics.median(again['classify']):.1f}", "", ""],
        [f"recall@{NEAREST}", f"{hits:.3f}", "1", ""],
        ["recall@1", f"{first_hits:.3f}", "1", ""],
        [
            "memory of the process, MB",
            *(f"{one['memory'] / 1e6:.0f}" for one in (again, exact)),
            "",
        ],
        ["file, MB", f"{path.stat().st_size / 1e6:.0f}", "", ""],
    ]


def record(number: int, model: ModelInfo) -> NewExemplar:
    """Make the exemplar of one synthetic recording; negative numbers give other recordings."""
    action = ACTIONS[number % len(ACTIONS)]
    clip = Clip.from_array(
        perform(action, np.random.default_rng([4, abs(number), int(number < 0)]))
    )
    assert model.comparison is not None
    sequence = sequence_of(clip, model.comparison)
    vector = np.ones(model.width, np.float32)  # stored, but never compared
    return NewExemplar(
        label=action,
        features=Features(vector=vector, sequence=sequence),
        source=str(number),
        content_hash=str(number),
    )


def query_sequences(model: ModelInfo) -> list[FloatArray]:
    """Sequences of sixty recordings that are not in the index."""
    found = [record(-number, model).features.sequence for number in range(1, 61)]
    return [one for one in found if one is not None]


def measure_index(path: Path) -> Measured:
    """Open the index, then search it and classify clips."""
    model = read_model_info(find_model())
    queries = [Features(vector=None, sequence=one) for one in query_sequences(model)]
    began = time.perf_counter()
    with ExemplarIndex.open(path, model, create=False) as index:
        index.calibration()
        opened = time.perf_counter() - began
        index.classify(queries[:1])
        search, found = time_each(queries, lambda one: index.search([one], NEAREST)[0])
        classify, _ = time_each(queries, lambda one: index.classify([one]))
    positions = [[int(near.source) for near in row] for row in found]
    return {
        "opened": opened,
        "search": search,
        "classify": classify,
        "found": positions,
        "memory": resident_memory(),
    }


def measure_warping(path: Path) -> Measured:
    """Compare each query with every exemplar."""
    model = read_model_info(find_model())
    assert model.comparison is not None
    queries = query_sequences(model)
    began = time.perf_counter()
    with ExemplarIndex.open(path, model, create=False) as index:
        kept = index.features()
    blocks = [
        WarpingGallery(
            [item.sequence for _, item in kept[at : at + _BLOCK] if item.sequence is not None],
            model.comparison,
        )
        for at in range(0, len(kept), _BLOCK)
    ]
    opened = time.perf_counter() - began
    sources = np.array([int(exemplar.source) for exemplar, _ in kept])

    def call(query: FloatArray) -> list[int]:
        similar = np.concatenate([block.similarities(query) for block in blocks])
        return sources[np.argsort(-similar, kind="stable")[:NEAREST]].tolist()

    search, found = time_each(queries, call)
    return {"opened": opened, "search": search, "found": found, "memory": resident_memory()}
