"""A copy of an index of FAISS on a GPU, where FAISS was built for one and there is one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MOST = 2048
"""Most neighbors, and most lists, that FAISS searches on a GPU."""


@dataclass(slots=True, eq=False)
class GpuCopy:
    """The copy, made for the first search that can use it.

    A GPU searches without exceptions only: where exemplars were removed, and where more than `MOST`
    are looked for, the index itself is searched.
    """

    _copy: Any = None
    _resources: Any = None
    """Memory of the GPU, which has to live as long as the copy."""
    _tried: bool = field(default=False)

    def of(self, index: Any, faiss: Any, *, most: int, chosen: bool) -> Any:
        """The copy of an index, or None where the index itself must be searched.

        Args:
            index: The same in every call.
            faiss: The module.
            most: The larger of the numbers of neighbors and of lists.
            chosen: Whether only some of the vectors may be found.
        """
        if chosen or most > MOST:
            return None
        if not self._tried:
            self._tried = True
            self._copy = self._make(index, faiss)
        return self._copy

    def _make(self, index: Any, faiss: Any) -> Any:
        if not (hasattr(faiss, "index_cpu_to_gpu") and faiss.get_num_gpus()):
            return None
        try:
            self._resources = faiss.StandardGpuResources()
            return faiss.index_cpu_to_gpu(self._resources, 0, index)
        except (RuntimeError, AssertionError):  # too large, or of a kind that GPUs do not search
            self._resources = None
            return None
