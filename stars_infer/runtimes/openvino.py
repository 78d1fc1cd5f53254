"""Run a graph by OpenVINO itself, which computes in bf16 and int8 where the processor can."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.errors import MissingExtraError, ModelError, ProviderError
from stars_infer.runtimes.runtime import BF16, FP32, INT8, MIN_INNER, RuntimeChoice
from stars_infer.telemetry import silent_openvino

if TYPE_CHECKING:
    import openvino

DEVICE, BATCH = "openvino", 4
_TYPES = {FP32: "f32", BF16: "bf16", INT8: "f32"}
"""OpenVINO's names; with int8, everything but the products with weights stays in float32."""
_GROUP = 256
"""Numbers of a token that share a scale in int8; 32 were slower, 1,024 as slow as float32."""
_LEVELS = 127


class OpenVino:
    """A graph compiled by OpenVINO for this machine's CPU."""

    def __init__(self, graph: Path, choice: RuntimeChoice) -> None:
        """Load and compile the graph.

        Raises:
            ProviderError: If this CPU does not compute in the requested precision.
            ModelError: If the graph cannot be loaded.
            MissingExtraError: If OpenVINO is not installed.
        """
        core = _openvino().Core()
        there = precisions_of(core)
        if choice.precision not in there:
            raise ProviderError(
                f"device '{DEVICE}:{choice.precision}' does not run here: this CPU computes in "
                f"{', '.join(there)}; `stars bench` measures what is there"
            )
        settings: dict[str, object] = {
            "INFERENCE_PRECISION_HINT": _TYPES[choice.precision],
            "PERFORMANCE_HINT": "LATENCY",
        }
        if choice.threads is not None:
            settings["INFERENCE_NUM_THREADS"] = choice.threads
        try:
            network = core.read_model(graph)
            if choice.precision == INT8:
                _compress(network)
                settings["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = _GROUP
            self._request = core.compile_model(network, "CPU", settings).create_infer_request()
        except Exception as error:  # OpenVINO raises RuntimeError and its kin
            first = str(error).strip().splitlines()[-1]
            raise ModelError(f"{graph}: OpenVINO cannot load it: {first}") from error
        self.choice = replace(choice, batch=choice.batch or BATCH)

    def run(self, bodies: FloatArray) -> FloatArray:
        """Vectors (B, D) of bodies (B, T, 25, 3)."""
        return np.asarray(self._request.infer({0: bodies}, share_inputs=True)[0])


def is_installed() -> bool:
    """Whether OpenVINO is installed; it is not imported."""
    return find_spec("openvino") is not None


def available_precisions() -> tuple[str, ...]:
    """Precisions in which OpenVINO computes on this CPU; none if it is not installed."""
    return precisions_of(_openvino().Core()) if is_installed() else ()


def precisions_of(core: openvino.Core) -> tuple[str, ...]:
    """Precisions in which the CPU computes natively."""
    found = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return tuple(name for name in (FP32, BF16, INT8) if name.upper() in found)


def _compress(network: openvino.Model) -> None:
    """Round the weights of linear layers to int8, in place, with one scale per output.

    OpenVINO then rounds the other factor of each product while it runs.
    """
    from openvino import opset13 as operators

    for product in network.get_ops():
        if product.get_type_name() != "MatMul":
            continue
        weights = _constant(product.input_value(1))
        if weights is None or weights.ndim != 2:
            continue
        inner = 1 if product.get_attributes()["transpose_b"] else 0
        if weights.shape[inner] < MIN_INNER:
            continue
        scale = np.abs(weights).max(axis=inner, keepdims=True) / _LEVELS
        rounded = np.rint(weights / np.where(scale > 0, scale, 1)).astype(np.int8)
        wide = operators.convert(operators.constant(rounded), "f32")
        product.input(1).replace_source_output(
            operators.multiply(wide, operators.constant(scale)).output(0)
        )


def _constant(value: openvino.Output) -> FloatArray | None:
    """Numbers of a constant, widened to float32; None if the value is not constant."""
    node = value.get_node()
    if node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    if node.get_type_name() != "Constant":
        return None
    return np.asarray(node.data, np.float32)


def _openvino() -> openvino:
    try:
        with silent_openvino():
            import openvino
    except ImportError as error:
        raise MissingExtraError("device 'openvino'", DEVICE, "openvino") from error
    return openvino
