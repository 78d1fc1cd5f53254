"""The model directory: `encoder.onnx`, its description `model.json`, and a card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.classification.model_calibration import (
    OF_SEQUENCES,
    OF_VECTORS,
    ModelCalibration,
)
from stars_infer.encoder.hub import HubModel, fetch, is_address
from stars_infer.errors import ModelError, brief
from stars_infer.preprocessing.prepare import Preprocessing
from stars_infer.runtimes.forms import HALF_FILE, INT8_FILE
from stars_infer.similarity.comparison import SequenceConfig

SCHEMA = 1
DEFAULT_MODEL = "stars-mocap-small"
GRAPH_FILE = "encoder.onnx"
INFO_FILE = "model.json"
CARD_FILE = "README.md"
HUB_FILES = (GRAPH_FILE, INFO_FILE, CARD_FILE, HALF_FILE, INT8_FILE)
"""Files that are fetched from the Hub and published there; an engine is for one kind of GPU."""
_DEEPEST = 32
"""Levels of values in `model.json`, at most."""

PRESENT = "mean over present bodies"
ZEROS = "mean over two bodies, an absent one as all zeros"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """Description of a model, as in `model.json`.

    Attributes:
        name: The model's name.
        preprocessing: How clips are prepared for the network.
        width: Numbers in a vector, D.
        absent_bodies: How a missing second body enters a clip's vector, `PRESENT` or `ZEROS`.
        fingerprint: SHA-256 of the graph and the contract (`contract_of`). Vectors of models with
            different fingerprints cannot be compared.
        layout: Joint layout of the input.
        zero_body: Vector of an all-zero body (D,), for `ZEROS`.
        comparison: How an index compares sequences; None if it compares vectors by their cosine.
        streams: Parts of a fused model's vector, in order; empty for other models.
        own_calibration: Calibration of the model's confidence; None for the default of its kind of
            comparison.
        license: License of the weights.
        facts: Further facts: method, training data, steps, export errors.
    """

    name: str
    preprocessing: Preprocessing
    width: int
    absent_bodies: str
    fingerprint: str
    layout: str = "ntu25"
    zero_body: tuple[float, ...] | None = None
    comparison: SequenceConfig | None = None
    streams: tuple[Stream, ...] = ()
    own_calibration: ModelCalibration | None = None
    license: str = "unknown"
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.absent_bodies not in (PRESENT, ZEROS):
            raise ModelError(f"{self.name}: unknown rule for absent bodies {self.absent_bodies!r}")
        if self.absent_bodies == ZEROS and len(self.zero_body or ()) != self.width:
            raise ModelError(
                f"{self.name}: the rule {ZEROS!r} needs a zero_body of {self.width} numbers"
            )
        if self.streams and sum(stream.width for stream in self.streams) != self.width:
            raise ModelError(
                f"{self.name}: its streams do not add up to {self.width} numbers: "
                f"{', '.join(stream.in_words() for stream in self.streams)}"
            )

    @property
    def compares_vectors(self) -> bool:
        """Whether vectors count where clips are compared, alone or beside sequences."""
        return self.comparison is None or self.comparison.vector_weight > 0

    @property
    def calibration(self) -> ModelCalibration:
        """Calibration of the model's confidence, before an index adapts it to its exemplars."""
        if self.own_calibration is not None:
            return self.own_calibration
        return OF_VECTORS if self.comparison is None else OF_SEQUENCES

    def clip_vector(self, bodies: FloatArray) -> FloatArray:
        """Average the vectors of a clip's bodies (1 or 2, D) by the model's rule, to (D,)."""
        if self.absent_bodies == ZEROS and len(bodies) == 1:
            bodies = np.stack((bodies[0], np.array(self.zero_body, np.float32)))
        vector = np.asarray(bodies.mean(axis=0))
        return scale_streams(vector, self.streams) if self.streams else vector

    def comparison_in_words(self) -> str:
        """How an index compares clips, in words."""
        return "cosine of the vectors" if self.comparison is None else self.comparison.in_words()

    def to_json(self) -> dict[str, Any]:
        """Content of `model.json`."""
        comparison = None if self.comparison is None else self.comparison.to_json()
        return {"schema": SCHEMA, **asdict(self), "comparison": comparison}


def fingerprint_of(graph: bytes, contract: dict[str, Any]) -> str:
    """Fingerprint of a graph and its contract."""
    digest = hashlib.sha256(graph)
    digest.update(json.dumps(contract, sort_keys=True).encode())
    return digest.hexdigest()


def contract_of(
    preprocessing: Preprocessing,
    absent_bodies: str,
    zero_body: Sequence[float] | None,
    comparison: SequenceConfig | None = None,
    streams: Sequence[Stream] = (),
) -> dict[str, Any]:
    """Contract: what, besides the graph, decides which features an index stores of a clip."""
    contract: dict[str, Any] = {
        "preprocessing": preprocessing.contract(),
        "absent_bodies": absent_bodies,
        "zero_body": list(zero_body) if zero_body is not None else None,
    }
    if comparison is not None:
        contract["comparison"] = comparison.contract()
    if streams:
        contract["streams"] = [asdict(stream) for stream in streams]
    return contract


def shipped_models() -> dict[str, Path]:
    """Names and folders of the models that came with the installation.

    Raises:
        ModelError: If the installation has none, as in a clone whose source hides the package.
    """
    try:
        import stars_infer.models as models
    except ModuleNotFoundError as error:
        if error.name != "stars_infer.models":
            raise
        raise ModelError(
            f"{Path(__file__).parents[1]}: the shipped models are not here. If this is the clone: "
            "run Python in another folder, or install with `pip install -e .` in the clone"
        ) from error

    return {
        folder.name: folder
        for root in models.__path__
        for folder in sorted(Path(root).iterdir())
        if (folder / INFO_FILE).exists()
    }


def find_model(name_or_path: str | Path | None = None) -> Path:
    """Find a model's folder by the name of a shipped model, a path, or its name on the Hub.

    Args:
        name_or_path: The name, the path, or `hf://USER/MODEL@REVISION`; the default model if None.

    Raises:
        ModelError: If there is no such model (the message lists the shipped ones), or if the
            installation has no models.
        MissingExtraError: If the model is on the Hub, and `huggingface_hub` is not installed.
    """
    wanted = str(name_or_path or DEFAULT_MODEL)
    if is_address(wanted):
        return fetch_model(HubModel.parse(wanted))
    shipped = shipped_models()
    if wanted in shipped:
        return shipped[wanted]
    folder = Path(wanted)
    if (folder / INFO_FILE).exists():
        return folder
    if folder.is_dir():
        raise ModelError(f"{folder}: no {INFO_FILE} here; make one with `stars export --onnx RUN`")
    known = ", ".join(shipped) or "none"
    raise ModelError(
        f"no model {wanted!r}: give a model directory, a shipped name ({known}), or "
        "hf://USER/MODEL for one of the Hugging Face Hub"
    )


def fetch_model(model: HubModel, *, refresh: bool = False) -> Path:
    """Folder of a model of the Hub, which is fetched if it is not in the cache.

    Args:
        model: The model.
        refresh: Ask the Hub whether the revision has changed since.

    Raises:
        ModelError: If it cannot be had, is no model of stars-infer, or its files do not belong
            together.
        MissingExtraError: If `huggingface_hub` is not installed.
    """
    folder = fetch(model, HUB_FILES, refresh=refresh)
    if not (folder / INFO_FILE).exists():
        raise ModelError(f"{model}: has no {INFO_FILE}, so it is no model of stars-infer")
    check_fingerprint(folder, read_model_info(folder))
    return folder


def read_model_info(folder: Path) -> ModelInfo:
    """Read and check `model.json`.

    Raises:
        ModelError: If it is missing, damaged, or has another schema.
    """
    path = folder / INFO_FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise TypeError(f"expected an object, found a {type(values).__name__}")
        _check_depth(values, _DEEPEST)
        if values.pop("schema", None) != SCHEMA:
            raise ModelError(f"{path}: unknown schema, expected {SCHEMA}: update stars-infer")
        values["preprocessing"] = Preprocessing(**values["preprocessing"])
        values["streams"] = tuple(Stream(**stream) for stream in values.get("streams", ()))
        if values.get("comparison") is not None:
            values["comparison"] = _comparison(path, values["comparison"])
        if values.get("own_calibration") is not None:
            values["own_calibration"] = ModelCalibration.from_json(values["own_calibration"])
        if values["zero_body"] is not None:
            values["zero_body"] = tuple(values["zero_body"])
        return ModelInfo(**values)
    except ModelError as error:
        said = str(error)
        raise ModelError(said if said.startswith(str(path)) else f"{path}: {said}") from error
    except (
        OSError, ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError,
    ) as error:  # fmt: skip
        raise ModelError(f"{path}: not a readable model description ({brief(error)})") from error


def _check_depth(value: Any, left: int) -> None:
    """Refuse values that are nested deeper than this.

    Raises:
        ValueError: If they are.
    """
    if not left:
        raise ValueError("nested too deeply")
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, dict | list):
            _check_depth(inner, left - 1)


def _comparison(path: Path, values: Any) -> SequenceConfig:
    if isinstance(values, dict) and "kernels" not in values:
        raise ModelError(
            f"{path}: compares sequences, but names no kernels, as models of an earlier version of "
            "stars-infer did: export the model again"
        )
    return SequenceConfig.from_json(values)


def check_fingerprint(folder: Path, info: ModelInfo) -> None:
    """Check that the graph and the description belong together.

    Raises:
        ModelError: If one of them was replaced or damaged, or the graph cannot be read.
    """
    try:
        graph = (folder / GRAPH_FILE).read_bytes()
    except OSError as error:
        raise ModelError(
            f"{folder / GRAPH_FILE}: cannot be read: {error.strerror}; export the model again"
        ) from error
    contract = contract_of(
        info.preprocessing, info.absent_bodies, info.zero_body, info.comparison, info.streams
    )
    if fingerprint_of(graph, contract) != info.fingerprint:
        raise ModelError(
            f"{folder}: {GRAPH_FILE} and {INFO_FILE} do not belong together; "
            "export the model again, or copy the whole folder"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One part of a fused model's vector.

    Attributes:
        stream: What the part computes from: joint, motion or bone.
        model: Name of the model from which it was made.
        fingerprint: Fingerprint of that model.
        width: Numbers in this part of the vector.
        weight: Length of this part in every vector.
    """

    stream: str
    model: str
    fingerprint: str
    width: int
    weight: float

    def __post_init__(self) -> None:
        if not (self.weight > 0 and np.isfinite(self.weight)):
            raise ModelError(
                f"{self.model}: stream weight {self.weight}: expected a number above 0"
            )

    def in_words(self) -> str:
        """The part in words: `bone of NAME (256 numbers, weight 1)`."""
        return f"{self.stream} of {self.model} ({self.width} numbers, weight {self.weight:g})"


def scale_streams(vector: FloatArray, streams: Sequence[Stream]) -> FloatArray:
    """Scale each stream's part of a clip's vector (D,) to the length given by its weight.

    The cosine of two such vectors is the mean of the streams' cosines, weighted by the squared
    weights.
    """
    ends = np.cumsum([stream.width for stream in streams])[:-1]
    parts = [
        part * np.float32(stream.weight / max(float(np.linalg.norm(part)), 1e-12))
        for part, stream in zip(np.split(vector, ends), streams, strict=True)
    ]
    return np.concatenate(parts)
