"""A stand-in for the package `tensorrt` 10 and 11: only documented names and arguments.

They come from the Python bindings (NVIDIA/TensorRT, `python/src`) and the migration guide from 10
to 11. `onnx` checks the graphs, and ONNX Runtime runs the engines in the memory of `strict_cuda`.
"""

from __future__ import annotations

import ctypes
import enum
import importlib.machinery
import json
import types

import numpy as np
import onnx
import onnxruntime

from tests.strict_cuda import StrictCuda

MAGIC = b"stand-in engine\n"


class _Closed:
    """Like pybind11's classes, it refuses attributes that were not declared."""

    __slots__ = ()


class _Number(enum.Enum):
    def __int__(self) -> int:
        return self.value


class HostMemory(bytearray):
    @property
    def nbytes(self) -> int:
        return len(self)


class Severity(enum.Enum):
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)


class ILogger:
    Severity = Severity
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = Severity

    def __init__(self) -> None:
        self.ready = True

    def log(self, severity: Severity, msg: str) -> None:
        raise RuntimeError('Tried to call pure virtual function "nvinfer1::ILogger::log"')


class Logger(ILogger):
    def __init__(self, min_severity: Severity = Severity.WARNING) -> None:
        super().__init__()

    def log(self, severity: Severity, msg: str) -> None:
        pass


class MemoryPoolType(_Number):
    WORKSPACE, DLA_MANAGED_SRAM, DLA_LOCAL_DRAM, DLA_GLOBAL_DRAM = range(4)


class TensorIOMode(_Number):
    NONE, INPUT, OUTPUT = range(3)


class TimingCache(_Closed):
    __slots__ = ("kept",)

    def __init__(self, kept: bytes) -> None:
        self.kept = kept

    def serialize(self) -> HostMemory:
        return HostMemory(self.kept)


class Tensor(_Closed):
    __slots__ = ("name", "shape")

    def __init__(self, name: str, shape: tuple[int, ...]) -> None:
        self.name, self.shape = name, shape


class Network(_Closed):
    __slots__ = ("flags", "graph")

    def __init__(self, flags: int) -> None:
        self.flags, self.graph = flags, None

    @property
    def num_inputs(self) -> int:
        return len(self.graph.graph.input)

    def get_input(self, index: int) -> Tensor:
        value = self.graph.graph.input[index]
        dims = value.type.tensor_type.shape.dim
        return Tensor(value.name, tuple(-1 if d.dim_param else d.dim_value for d in dims))


class ParserError(_Closed):
    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def desc(self) -> str:
        return self.text


class OnnxParser(_Closed):
    __slots__ = ("errors", "network")

    def __init__(self, network: Network, logger: ILogger) -> None:
        assert logger.ready
        self.network, self.errors = network, []

    def parse(self, model: bytes, path: str | None = None) -> bool:
        try:
            graph = onnx.load_model_from_string(model)
            onnx.checker.check_model(graph, full_check=True)
        except Exception as error:
            self.errors.append(ParserError(f"no graph: {type(error).__name__}"))
            return False
        foreign = [node.op_type for node in graph.graph.node if node.domain not in ("", "ai.onnx")]
        if foreign:
            self.errors.append(ParserError(f"No importer registered for op: {foreign[0]}"))
            return False
        self.network.graph = graph
        return True

    @property
    def num_errors(self) -> int:
        return len(self.errors)

    def get_error(self, index: int) -> ParserError:
        return self.errors[index]


class Profile(_Closed):
    __slots__ = ("shapes",)

    def __init__(self) -> None:
        self.shapes = {}

    def set_shape(self, input, min, opt, max) -> None:
        if not all(a <= b <= c for a, b, c in zip(min, opt, max, strict=True)):
            raise ValueError("Shape provided for min, opt, max is inconsistent.")
        self.shapes[input] = [tuple(min), tuple(opt), tuple(max)]


class BuilderConfig(_Closed):
    __slots__ = ("_flags", "_level", "cache", "foreign", "limits", "profiles")

    def __init__(self, flags: type[_Number], foreign: bytes) -> None:
        self._flags, self._level, self.foreign = {flags.TF32}, 3, foreign
        self.limits, self.profiles, self.cache = {}, [], None

    @property
    def builder_optimization_level(self) -> int:
        return self._level

    @builder_optimization_level.setter
    def builder_optimization_level(self, level: int) -> None:
        self._level = level

    def set_memory_pool_limit(self, pool: MemoryPoolType, pool_size: int) -> None:
        assert isinstance(pool, MemoryPoolType)
        self.limits[pool] = pool_size

    def set_flag(self, flag) -> None:
        self._flags.add(flag)

    def clear_flag(self, flag) -> None:
        self._flags.discard(flag)

    def get_flag(self, flag) -> bool:
        return flag in self._flags

    def add_optimization_profile(self, profile: Profile) -> int:
        self.profiles.append(profile)
        return len(self.profiles) - 1

    def create_timing_cache(self, serialized_timing_cache: bytes) -> TimingCache | None:
        kept = bytes(serialized_timing_cache)
        return None if kept.startswith(b"broken") else TimingCache(kept)

    def set_timing_cache(self, cache: TimingCache, ignore_mismatch: bool) -> bool:
        assert isinstance(cache, TimingCache)
        if cache.kept == self.foreign and not ignore_mismatch:
            return False
        self.cache = cache
        return True

    def get_timing_cache(self) -> TimingCache | None:
        return self.cache


class StrictTensorRt:
    """State of the stand-in and what it built; `module` is what a test imports."""

    def __init__(self, version: str, cuda: StrictCuda) -> None:
        self.version, self.cuda = version, cuda
        self.fails: str | None = None
        """Error that TensorRT logs when it builds no engine."""
        self.offset = 0.0
        """Added to every other number of a vector, to make a wrong engine."""
        self.network: Network | None = None
        self.config: BuilderConfig | None = None
        old = int(version.partition(".")[0]) < 11
        weak = ["FP16", "BF16", "INT8", "OBEY_PRECISION_CONSTRAINTS"] if old else []
        names = ["DEBUG", "GPU_FALLBACK", "REFIT", "DISABLE_TIMING_CACHE", "TF32", *weak]
        flags = _Number("BuilderFlag", {name: n for n, name in enumerate(names)})
        created = {"STRONGLY_TYPED": 1} | ({"EXPLICIT_BATCH": 0} if old else {})
        self.strongly_typed = 1 << 1
        self.module = types.ModuleType("tensorrt")
        self.module.__spec__ = importlib.machinery.ModuleSpec("tensorrt", None)
        self.module.__version__ = version
        self.module.BuilderFlag = flags
        self.module.NetworkDefinitionCreationFlag = _Number(
            "NetworkDefinitionCreationFlag", created
        )
        for given in (ILogger, Logger, MemoryPoolType, OnnxParser, TensorIOMode):
            setattr(self.module, given.__name__, given)
        self.module.Builder = lambda logger: _Builder(self, logger)
        self.module.Runtime = lambda logger: _Runtime(self, logger)


class _Builder(_Closed):
    __slots__ = ("logger", "state")

    def __init__(self, state: StrictTensorRt, logger: ILogger) -> None:
        assert logger.ready, "the base class must be initialized"
        self.state, self.logger = state, logger

    def create_network(self, flags: int = 0) -> Network:
        assert isinstance(flags, int)
        self.state.network = Network(flags)
        return self.state.network

    def create_builder_config(self) -> BuilderConfig:
        foreign = b"cache of another GPU"
        self.state.config = BuilderConfig(self.state.module.BuilderFlag, foreign)
        return self.state.config

    def create_optimization_profile(self) -> Profile:
        return Profile()

    def build_serialized_network(
        self, network: Network, config: BuilderConfig
    ) -> HostMemory | None:
        if self.state.fails:
            self.logger.log(Severity.WARNING, "a warning that is no reason")
            self.logger.log(Severity.ERROR, self.state.fails)
            return None
        (profile,) = config.profiles
        if config.cache is not None:
            config.cache.kept += b" and this build"
        about = {
            "version": self.state.version,
            "gpu": self.state.cuda.gpu,
            "shapes": profile.shapes,
            "offset": self.state.offset,
        }
        head = MAGIC + json.dumps(about).encode() + b"\n"
        return HostMemory(head + network.graph.SerializeToString())


class _Runtime(_Closed):
    __slots__ = ("state",)

    def __init__(self, state: StrictTensorRt, logger: ILogger) -> None:
        assert logger.ready
        self.state = state

    def deserialize_cuda_engine(self, serialized_engine: bytes):
        if not serialized_engine.startswith(MAGIC):
            return None
        about, _, graph = serialized_engine[len(MAGIC) :].partition(b"\n")
        return _Engine(self.state, json.loads(about), graph)


class _Engine(_Closed):
    __slots__ = ("about", "session", "state")

    def __init__(self, state: StrictTensorRt, about: dict, graph: bytes) -> None:
        self.state, self.about = state, about
        self.session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])

    @property
    def num_io_tensors(self) -> int:
        return 2

    def get_tensor_name(self, index: int) -> str:
        # The order is not promised: the output comes first here.
        return (*self.session.get_outputs(), *self.session.get_inputs())[index].name

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        given = self.session.get_inputs()[0].name
        return TensorIOMode.INPUT if name == given else TensorIOMode.OUTPUT

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        values = (*self.session.get_inputs(), *self.session.get_outputs())
        (shape,) = (value.shape for value in values if value.name == name)
        return tuple(-1 if isinstance(size, str) else size for size in shape)

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[tuple[int, ...]]:
        assert profile_index == 0
        return [tuple(shape) for shape in self.about["shapes"][name]]

    def create_execution_context(self):
        return _Context(self)


class _Context(_Closed):
    __slots__ = ("addresses", "engine", "shape")

    def __init__(self, engine: _Engine) -> None:
        self.engine, self.addresses, self.shape = engine, {}, None

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        least, _, most = self.engine.get_tensor_profile_shape(name, 0)
        if not all(a <= b <= c for a, b, c in zip(least, shape, most, strict=True)):
            return False
        self.shape = tuple(shape)
        return True

    def set_tensor_address(self, name: str, memory: int) -> bool:
        assert memory in self.engine.state.cuda.device
        self.addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        assert isinstance(stream_handle, int)
        if self.shape is None or len(self.addresses) != 2:
            return False
        shape = self.shape
        self.engine.state.cuda.streams[stream_handle].append(lambda: self._execute(shape))
        return True

    def _execute(self, shape: tuple[int, ...]) -> None:
        session = self.engine.session
        given, made = session.get_inputs()[0].name, session.get_outputs()[0].name
        numbers = ctypes.cast(self.addresses[given], ctypes.POINTER(ctypes.c_float))
        bodies = np.ctypeslib.as_array(numbers, (int(np.prod(shape)),)).reshape(shape)
        vectors = session.run(None, {given: bodies})[0]
        vectors[:, ::2] += self.engine.about["offset"]
        block = self.engine.state.cuda.device[self.addresses[made]]
        assert vectors.nbytes <= len(block)
        ctypes.memmove(self.addresses[made], vectors.ctypes.data, vectors.nbytes)
