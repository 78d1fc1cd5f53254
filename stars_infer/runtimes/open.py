"""Open a graph in the right runtime; in `stars_infer`, only this module uses `runtimes.gpu`."""

from __future__ import annotations

from pathlib import Path

from stars_infer.errors import MissingExtraError, ProviderError
from stars_infer.machine import usable_cores
from stars_infer.runtimes import openvino, triton
from stars_infer.runtimes.all_cores import AllCores
from stars_infer.runtimes.forms import has_form
from stars_infer.runtimes.gpu import cuda, tensorrt
from stars_infer.runtimes.gpu.cuda import Cuda
from stars_infer.runtimes.gpu.engine import engine_of
from stars_infer.runtimes.gpu.tensorrt import TensorRt
from stars_infer.runtimes.onnxruntime import CPU, PROVIDERS, OnnxRuntime, available_providers
from stars_infer.runtimes.openvino import OpenVino
from stars_infer.runtimes.runtime import FP16, FP32, INT8, Runtime, RuntimeChoice
from stars_infer.runtimes.triton import Triton

DEVICES = tuple(PROVIDERS)
"""Values of `--device`. `openvino` is OpenVINO itself where it is installed, `tensorrt` is TensorRT
itself where the model has an engine; otherwise both are providers of ONNX Runtime. Beside them, an
address of `triton.SCHEMES` names a model on a Triton server."""


def open_runtime(graph: Path, choice: RuntimeChoice) -> Runtime:
    """Load a graph into the chosen runtime.

    Raises:
        ProviderError: If the runtime is missing, does not run here, or lacks the precision.
        ModelError: If the graph cannot be loaded.
        MissingExtraError: If no runtime is installed.
    """
    if triton.is_address(choice.device):
        return Triton(graph, choice)
    if choice.device == openvino.DEVICE and openvino.is_installed():
        return OpenVino(graph, choice)
    engine = choice.device == tensorrt.DEVICE and engine_of(graph).exists()
    if engine and tensorrt.is_installed():
        return TensorRt(graph, choice)
    there = available_devices()
    if engine and choice.device not in there:
        raise MissingExtraError("device 'tensorrt'", "tensorrt", "tensorrt")
    if choice.device == openvino.DEVICE and choice.device not in there:
        raise MissingExtraError("device 'openvino'", "openvino", "openvino")
    if choice.device not in there:
        raise ProviderError(
            f"device {choice.device!r} is not available here; there is: {', '.join(there)} "
            "(`stars doctor` says what is installed)"
        )
    if choice.device == CPU and choice.threads is None and usable_cores() > 1:
        return AllCores(graph, choice)
    if choice.device == cuda.DEVICE:
        return Cuda(graph, choice)
    return OnnxRuntime(graph, choice)


def open_automatic(graph: Path) -> Runtime:
    """Load a graph onto a CUDA GPU if one runs, else onto the CPU.

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
    """Devices that the installed runtimes offer, in the order of `DEVICES`.

    Raises:
        MissingExtraError: If no runtime is installed.
    """
    native = openvino.is_installed()
    try:
        there = available_providers()
    except MissingExtraError:
        if not native:
            raise
        there = []
    return [name for name in DEVICES if name in there or (native and name == openvino.DEVICE)]


def available_choices(graph: Path) -> list[RuntimeChoice]:
    """Every device and precision in which a graph can run here.

    Args:
        graph: The model's `encoder.onnx`. Forms in the same directory, such as an engine, add
            their choices.

    Raises:
        MissingExtraError: If no runtime is installed.
    """
    native = openvino.available_precisions()
    engine = engine_of(graph).exists() and tensorrt.is_installed()
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
