"""Graphs run by OpenVINO itself, which computes in bf16 where the processor can."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stars_infer.clip import FloatArray
from stars_infer.errors import MissingExtraError, ModelError, ProviderError
from stars_infer.runtimes.runtime import BF16, FP32, RuntimeChoice

if TYPE_CHECKING:
    import openvino

DEVICE, BATCH = "openvino", 4
_TYPES = {FP32: "f32", BF16: "bf16"}


class OpenVino:
    """A graph compiled by OpenVINO for this machine's CPU."""

    def __init__(self, graph: Path, how: RuntimeChoice) -> None:
        """Load and compile the graph.

        Raises:
            ProviderError: If this CPU does not compute in the precision asked for.
            ModelError: If the graph cannot be loaded.
            MissingExtraError: If OpenVINO is not installed.
        """
        core = _openvino().Core()
        there = precisions_of(core)
        if how.precision not in there:
            raise ProviderError(
                f"device '{DEVICE}:{how.precision}' does not run here: this CPU computes in "
                f"{' and '.join(there)}; `stars bench` measures what is there"
            )
        settings: dict[str, object] = {
            "INFERENCE_PRECISION_HINT": _TYPES[how.precision],
            "PERFORMANCE_HINT": "LATENCY",
        }
        if how.threads is not None:
            settings["INFERENCE_NUM_THREADS"] = how.threads
        try:
            self._request = core.compile_model(graph, "CPU", settings).create_infer_request()
        except Exception as error:  # OpenVINO raises RuntimeError and its kin
            first = str(error).strip().splitlines()[-1]
            raise ModelError(f"{graph}: OpenVINO cannot load it: {first}") from error
        self.how = replace(how, batch=how.batch or BATCH)

    def run(self, bodies: FloatArray) -> FloatArray:
        """Vectors (B, D) of bodies (B, T, 25, 3)."""
        return np.asarray(self._request.infer({0: bodies}, share_inputs=True)[0])


def installed() -> bool:
    """Whether OpenVINO can be imported; it is not loaded."""
    return find_spec("openvino") is not None


def available_precisions() -> tuple[str, ...]:
    """Precisions in which OpenVINO computes on this CPU; none if it is not installed."""
    return precisions_of(_openvino().Core()) if installed() else ()


def precisions_of(core: openvino.Core) -> tuple[str, ...]:
    """Precisions in which the CPU computes natively."""
    found = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return tuple(name for name in (FP32, BF16) if name.upper() in found)


def _openvino() -> openvino:
    try:
        import openvino
    except ImportError as error:
        raise MissingExtraError("device 'openvino'", DEVICE, "openvino") from error
    return openvino
