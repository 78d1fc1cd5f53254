"""A CPU's cores, shared out: one body is run by all of them, of several each core runs its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.machine import usable_cores
from stars_infer.runtimes.onnxruntime import OnnxRuntime
from stars_infer.runtimes.runtime import RuntimeChoice

ROUNDS = 8
"""Bodies of a batch for each core."""


class AllCores:
    """A graph on a CPU of several cores, by ONNX Runtime.

    Several bodies are run side by side, each on one thread: threads that share a body wait for each
    other.
    """

    def __init__(self, graph: Path, how: RuntimeChoice) -> None:
        """Load the graph.

        Raises:
            As `OnnxRuntime`.
        """
        self._graph = graph
        self._cores = usable_cores()
        self._together = OnnxRuntime(graph, how)
        self.how = replace(how, batch=how.batch or ROUNDS * self._cores)

    def run(self, bodies: FloatArray) -> FloatArray:
        """Vectors (B, D) of bodies (B, T, 25, 3)."""
        single = np.split(bodies, len(bodies))
        apart = len(bodies) // self._cores * self._cores
        vectors = list(self._pool.map(self._on_one.run, single[:apart])) if apart else []
        vectors += [self._together.run(body) for body in single[apart:]]
        return np.concatenate(vectors)

    @cached_property
    def _on_one(self) -> OnnxRuntime:
        return OnnxRuntime(self._graph, replace(self.how, threads=1))

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._cores, thread_name_prefix="stars-network")
