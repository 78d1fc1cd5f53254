"""Write a model repository of Triton Inference Server, checked against Triton's own schema.

See https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/, "Model
Repository" and "Model Configuration". Preparing clips stays with the client: the graph takes bodies
as `stars_infer.preprocessing.prepare` makes them.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from stars_infer.encoder.model import GRAPH_FILE, ModelInfo, check_fingerprint, read_model_info
from stars_infer.errors import ExportError, MissingExtraError, UsageError, brief, check_range
from stars_infer.runtimes.forms import ENGINE_FILE, MADE_FROM, sha256_of
from stars_infer.runtimes.gpu.engine import EngineInfo, read_engine_info

CONFIG_FILE = "config.pbtxt"
FINGERPRINT = "stars_infer.fingerprint"
"""Parameter of the configuration that says which model it is; `MADE_FROM` says which graph."""
PLAN = "-tensorrt"
"""End of the name of the model that runs an engine."""
BATCH = 64
QUEUE_DELAY = 500
"""Microseconds for which the server waits for company, so that bodies run together."""
QUEUE = 1024
"""Requests that may wait; another is refused."""
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class TritonConfig:
    """How a server runs a model.

    Attributes:
        batch: Bodies that run at once, at most.
        delay: Microseconds for which a request waits for others.
        instances: Copies of the model on each GPU, or on the CPU.
    """

    batch: int = BATCH
    delay: int = QUEUE_DELAY
    instances: int = 1

    def __post_init__(self) -> None:
        check_range("batch", self.batch, at_least=1, at_most=4096, whole=True)
        check_range("queue delay", self.delay, at_least=0, whole=True)
        check_range("instances", self.instances, at_least=1, whole=True)


def write_repository(model: Path, repository: Path, options: TritonConfig) -> list[Path]:
    """Add a model to a model repository: its graph, and its engine if it has one.

    Args:
        model: A model directory.
        repository: The folder of models that a server is given; made if it is not there.
        options: How the server runs it.

    Returns:
        The folders that were written, one a model: `NAME` for ONNX Runtime, and `NAME-tensorrt`.

    Raises:
        UsageError: If the repository is a file or holds a model of that name, or the name cannot be
            one.
        ModelError: If the model's files do not belong together.
        ExportError: If a configuration does not fit Triton's schema or the graph.
        MissingExtraError: If `tritonclient`, which has the schema, is not installed.
    """
    info = read_model_info(model)
    check_fingerprint(model, info)
    name = info.name
    if not _NAME.fullmatch(name):
        raise UsageError(f"{model}: is named {name!r}; Triton takes letters, digits, _, - and .")
    if repository.exists() and not repository.is_dir():
        raise UsageError(f"{repository}: is a file; name the folder of the server's models")
    schema = _schema()
    files = {name: (model / GRAPH_FILE, "model.onnx")}
    if (model / ENGINE_FILE).exists():
        files[name + PLAN] = (model / ENGINE_FILE, "model.plan")
    for taken in files:
        if (repository / taken).exists():
            raise UsageError(f"{repository / taken} is there already: remove it, or name another")
    graph = onnx.load(model / GRAPH_FILE)
    digest = sha256_of((model / GRAPH_FILE).read_bytes())
    repository.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".stars-triton.", dir=repository.parent))
    try:
        for served, (source, target) in files.items():
            engine = read_engine_info(model) if target == "model.plan" else None
            text = config_text(served, info, digest, options, engine=engine)
            check_config(text, graph, served, schema)
            (made / served / "1").mkdir(parents=True)
            (made / served / CONFIG_FILE).write_text(text, encoding="utf-8")
            shutil.copyfile(source, made / served / "1" / target)
        for served in files:  # a server that watches the folder sees whole models only
            (made / served).rename(repository / served)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return [repository / served for served in files]


def config_text(
    name: str,
    info: ModelInfo,
    digest: str,
    options: TritonConfig,
    *,
    engine: EngineInfo | None = None,
) -> str:
    """Content of `config.pbtxt`.

    Args:
        name: The model's name in the repository.
        info: Its description.
        digest: SHA-256 of `encoder.onnx`.
        options: How the server runs it.
        engine: What its engine runs on; None for ONNX Runtime.
    """
    batch = min(options.batch, engine.batches[2]) if engine else options.batch
    shape = f"{info.preprocessing.frames}, 25, 3"
    runs = f"TensorRT {engine.tensorrt} on {engine.gpu}" if engine else "ONNX Runtime"
    group = "KIND_GPU" if engine else "KIND_AUTO"
    platform = "tensorrt_plan" if engine else "onnxruntime_onnx"
    warm = "\n".join(_warm_up(size, shape) for size in sorted({1, batch}))
    return f"""# {info.name}, a skeleton encoder of stars-infer, run by {runs}.
# It takes bodies of {info.preprocessing.frames} frames and 25 joints (ntu25) in meters, and gives a
# vector each. Clips are prepared by the client: stars embed CLIPS --device triton://HOST:8001/{name}
{"" if engine else _PLAN_HELP}name: "{name}"
platform: "{platform}"
max_batch_size: {batch}
input [ {{ name: "bodies", data_type: TYPE_FP32, dims: [ {shape} ] }} ]
output [ {{ name: "pooled", data_type: TYPE_FP32, dims: [ {info.width} ] }} ]
version_policy {{ latest {{ num_versions: 1 }} }}
instance_group [ {{ count: {options.instances}, kind: {group} }} ]
dynamic_batching {{
  max_queue_delay_microseconds: {options.delay}
  default_queue_policy {{ timeout_action: REJECT, max_queue_size: {QUEUE} }}
}}
{warm}
parameters {{ key: "{FINGERPRINT}", value {{ string_value: "{info.fingerprint}" }} }}
parameters {{ key: "{MADE_FROM}", value {{ string_value: "{digest}" }} }}
"""


_PLAN_HELP = """#
# TensorRT, on the machine with the GPU, with the TensorRT of the server's release: either
#   stars export --tensorrt MODEL --out OTHER && stars export --triton REPOSITORY OTHER
# or let the server build an engine as it loads the graph, which takes minutes the first time:
#   optimization { execution_accelerators { gpu_execution_accelerator: [ {
#     name: "tensorrt", parameters { key: "precision_mode", value: "FP16" } } ] } }
#
"""


def _warm_up(size: int, shape: str) -> str:
    """A batch that the server runs before it says that it is ready."""
    return (
        f'model_warmup [ {{ name: "{size} at once", batch_size: {size}, inputs {{ key: "bodies", '
        f"value {{ data_type: TYPE_FP32, dims: [ {shape} ], zero_data: true }} }} }} ]"
    )


def check_config(text: str, graph: onnx.ModelProto, name: str, schema: Any) -> None:
    """Check a configuration against Triton's schema and the graph.

    Args:
        text: Content of `config.pbtxt`.
        graph: The ONNX graph, from which an engine is made, too.
        name: Name of the model's folder.
        schema: Triton's `model_config_pb2`.

    Raises:
        ExportError: If something does not fit.
    """
    from google.protobuf import text_format

    config = schema.ModelConfig()
    try:
        text_format.Parse(text, config)
    except text_format.ParseError as error:
        raise ExportError(f"{name}: Triton would not read {CONFIG_FILE}: {brief(error)}") from error
    if config.name != name:
        raise ExportError(f"{name}: {CONFIG_FILE} is named {config.name!r}, unlike its folder")
    for what, said, there in (
        ("input", config.input, graph.graph.input),
        ("output", config.output, graph.graph.output),
    ):
        if len(said) != 1 or len(there) != 1:
            raise ExportError(f"{name}: expected one {what}, the graph has {len(there)}")
        tensor = there[0].type.tensor_type
        batch, *rest = tensor.shape.dim
        found = (there[0].name, [size.dim_value for size in rest], tensor.elem_type)
        wanted = (said[0].name, list(said[0].dims), onnx.TensorProto.FLOAT)
        if found != wanted or not batch.dim_param or said[0].data_type != schema.TYPE_FP32:
            raise ExportError(
                f"{name}: the graph's {what} is {found[0]!r}, {found[1]} of each body; "
                f"{CONFIG_FILE} says {wanted[0]!r}, {wanted[1]}"
            )


def _schema() -> Any:
    """Triton's schema of configurations.

    Raises:
        MissingExtraError: If `tritonclient` is not installed.
    """
    try:
        from tritonclient.grpc import model_config_pb2
    except (ImportError, RuntimeError) as error:  # it makes its own of what is missing
        raise MissingExtraError("`stars export --triton`", "triton", "tritonclient") from error
    return model_config_pb2
