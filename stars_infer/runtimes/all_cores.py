"""Run a graph on all cores of a CPU: a single body on all of them, several bodies one per core."""

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
"""Bodies per core in a batch."""


class AllCores:
    """A graph run by ONNX Runtime on a CPU with several cores.

    Several bodies run side by side, each on one thread, because threads that share a body wait for
    each other.
    """

    def __init__(self, graph: Path, choice: RuntimeChoice) -> None:
        """Load the graph.

        Raises:
            As `OnnxRuntime`.
        """
        self._graph = graph
        self._cores = usable_cores()
        self._all_threads = OnnxRuntime(graph, choice)
        self.choice = replace(choice, batch=choice.batch or ROUNDS * self._cores)

    def run(self, bodies: FloatArray) -> FloatArray:
        """Vectors (B, D) of bodies (B, T, 25, 3)."""
        single = np.split(bodies, len(bodies))
        whole = len(bodies) // self._cores * self._cores  # what is left over would idle cores
        vectors = list(self._pool.map(self._single_thread.run, single[:whole])) if whole else []
        vectors += [self._all_threads.run(body) for body in single[whole:]]
        return np.concatenate(vectors)

    @cached_property
    def _single_thread(self) -> OnnxRuntime:
        return OnnxRuntime(self._graph, replace(self.choice, threads=1))

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._cores, thread_name_prefix="stars-network")
