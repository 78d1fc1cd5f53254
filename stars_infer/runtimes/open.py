"""Open a graph in the runtime that fits: one file per runtime, the same graph for all."""

from __future__ import annotations

from pathlib import Path

from stars_infer.errors import MissingExtraError, ProviderError
from stars_infer.machine import usable_cores
from stars_infer.runtimes import openvino
from stars_infer.runtimes.all_cores import AllCores
from stars_infer.runtimes.forms import has_form
from stars_infer.runtimes.gpu import cuda, tensorrt
from stars_infer.runtimes.gpu.cuda import Cuda
from stars_infer.runtimes.gpu.engine import engine_of
from stars_infer.runtimes.gpu.tensorrt import TensorRt
from stars_infer.runtimes.onnxruntime import CPU, PROVIDERS, OnnxRuntime, available_providers
from stars_infer.runtimes.openvino import OpenVino
from stars_infer.runtimes.runtime import FP16, FP32, INT8, Runtime, RuntimeChoice

DEVICES = tuple(PROVIDERS)
"""What `--device` may name; `openvino` is OpenVINO itself where it is installed, `tensorrt` is
TensorRT itself where the model has an engine, else they are providers of ONNX Runtime."""


def open_runtime(graph: Path, how: RuntimeChoice) -> Runtime:
    """Load a graph into the runtime that was asked for.

    Raises:
        ProviderError: If it is not there, does not run, or not in that precision.
        ModelError: If the graph cannot be loaded.
        MissingExtraError: If no runtime is installed.
    """
    if how.device == openvino.DEVICE and openvino.installed():
        return OpenVino(graph, how)
    engine = how.device == tensorrt.DEVICE and engine_of(graph).exists()
    if engine and tensorrt.installed():
        return TensorRt(graph, how)
    there = available_devices()
    if engine and how.device not in there:
        raise MissingExtraError("device 'tensorrt'", "tensorrt", "tensorrt")
    if how.device == openvino.DEVICE and how.device not in there:
        raise MissingExtraError("device 'openvino'", "openvino", "openvino")
    if how.device not in there:
        raise ProviderError(
            f"device {how.device!r} is not available here; there is: {', '.join(there)} "
            "(`stars doctor` says what is installed)"
        )
    if how.device == CPU and how.threads is None and usable_cores() > 1:
        return AllCores(graph, how)
    if how.device == cuda.DEVICE:
        return Cuda(graph, how)
    return OnnxRuntime(graph, how)


def open_automatic(graph: Path) -> Runtime:
    """Load a graph into a CUDA GPU if it runs, else into the CPU.

    Raises:
        ModelError: If the graph cannot be loaded.
        MissingExtraError: If no runtime is installed.
    """
    there = available_devices()
    if "cuda" in there:
        try:
            return open_runtime(graph, RuntimeChoice(device="cuda"))
        except ProviderError:
            pass
    return open_runtime(graph, RuntimeChoice(device=CPU if CPU in there else openvino.DEVICE))


def available_devices() -> list[str]:
    """Devices that an installed runtime has, in the order of `DEVICES`.

    Raises:
        MissingExtraError: If no runtime is installed.
    """
    native = openvino.installed()
    try:
        there = available_providers()
    except MissingExtraError:
        if not native:
            raise
        there = []
    return [name for name in DEVICES if name in there or (native and name == openvino.DEVICE)]


def available_choices(graph: Path) -> list[RuntimeChoice]:
    """Every device in every precision in which a graph can be run here.

    Args:
        graph: Of a model; what its directory has a file for is among them, such as an engine.

    Raises:
        MissingExtraError: If no runtime is installed.
    """
    native = openvino.available_precisions()
    engine = engine_of(graph).exists() and tensorrt.installed()
    precisions = {
        CPU: (FP32, INT8) if has_form(graph, INT8) else (FP32,),
        openvino.DEVICE: native or (FP32,),
        cuda.DEVICE: cuda.available_precisions(graph),
        tensorrt.DEVICE: (FP16,) if engine else (FP32,),
    }
    devices = available_devices()
    if engine and tensorrt.DEVICE not in devices:
        devices.append(tensorrt.DEVICE)
    return [
        RuntimeChoice(device=device, precision=precision)
        for device in devices
        for precision in precisions.get(device, (FP32,))
    ]
