"""The model directory: `encoder.onnx`, `model.json` (its contract) and a card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.classification.calibration import OF_SEQUENCES, OF_VECTORS, ModelCalibration
from stars_infer.errors import ModelError
from stars_infer.preprocessing.prepare import Preprocessing
from stars_infer.similarity.sequence import SequenceConfig

SCHEMA = 1
DEFAULT_MODEL = "stars-mocap"
GRAPH_FILE = "encoder.onnx"
INFO_FILE = "model.json"
CARD_FILE = "README.md"

PRESENT = "mean over present bodies"
ZEROS = "mean over two bodies, an absent one as all zeros"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """What a model directory says of itself.

    Attributes:
        name: The model's name.
        layout: Joint layout of the input.
        preprocessing: How clips are prepared.
        width: D, numbers in an embedding.
        absent_bodies: How a missing second body enters a clip's vector, `PRESENT` or `ZEROS`.
        zero_body: The vector of an all-zero body (D,), for `ZEROS`.
        fingerprint: SHA-256 over the graph and this contract; vectors of models with different
            fingerprints cannot be compared.
        comparison: How clips are compared step by step; None for the cosine of their vectors.
        streams: The parts of a fused model's vector, in order; none otherwise.
        own_calibration: How surely it names clips; that of its kind of comparison if None.
        license: License of the weights.
        facts: Free facts: method, training data, steps, export errors.
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
    def calibration(self) -> ModelCalibration:
        """How surely the model names clips, before any exemplar speaks."""
        if self.own_calibration is not None:
            return self.own_calibration
        return OF_VECTORS if self.comparison is None else OF_SEQUENCES

    def clip_vector(self, bodies: FloatArray) -> FloatArray:
        """Average the vectors of a clip's present bodies (1 or 2, D) by the model's rule, (D,)."""
        if self.absent_bodies == ZEROS and len(bodies) == 1:
            bodies = np.stack((bodies[0], np.array(self.zero_body, np.float32)))
        vector = np.asarray(bodies.mean(axis=0))
        return weighted(vector, self.streams) if self.streams else vector

    def compared_by(self) -> str:
        """How an index compares clips, for people."""
        return "cosine of the vectors" if self.comparison is None else self.comparison.in_words()

    def to_json(self) -> dict[str, Any]:
        """JSON values, as in `model.json`."""
        return {"schema": SCHEMA, **asdict(self)}


def fingerprint_of(graph: bytes, contract: dict[str, Any]) -> str:
    """Fingerprint of a graph and the part of the contract that decides its vectors."""
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
    """What, beside the graph, decides what an index holds of a clip."""
    compared = {} if comparison is None else {"comparison": comparison.contract()}
    fused = {"streams": [asdict(stream) for stream in streams]} if streams else {}
    always = {
        "preprocessing": preprocessing.contract(),
        "absent_bodies": absent_bodies,
        "zero_body": list(zero_body) if zero_body is not None else None,
    }
    return compared | fused | always


def shipped_models() -> dict[str, Path]:
    """Names and folders of the encoders that came with the installation."""
    from stars_infer import models

    return {
        folder.name: folder
        for root in models.__path__
        for folder in sorted(Path(root).iterdir())
        if (folder / INFO_FILE).exists()
    }


def find_model(name_or_path: str | Path | None = None) -> Path:
    """Folder of a model: a shipped one by its name, or any by its path.

    Raises:
        ModelError: If there is none; the message lists the shipped ones.
    """
    wanted = str(name_or_path or DEFAULT_MODEL)
    shipped = shipped_models()
    if wanted in shipped:
        return shipped[wanted]
    folder = Path(wanted)
    if (folder / INFO_FILE).exists():
        return folder
    if folder.is_dir():
        raise ModelError(f"{folder}: no {INFO_FILE} here; make one with `stars export --onnx RUN`")
    known = ", ".join(shipped) or "none"
    raise ModelError(f"no model {wanted!r}: give a model directory, or a shipped name ({known})")


def read_model_info(folder: Path) -> ModelInfo:
    """Read and check `model.json`.

    Raises:
        ModelError: If it is missing, damaged, or of another schema.
    """
    path = folder / INFO_FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values.pop("schema", None) != SCHEMA:
            raise ModelError(f"{path}: unknown schema, expected {SCHEMA}: update stars-infer")
        values["preprocessing"] = Preprocessing(**values["preprocessing"])
        values["streams"] = tuple(Stream(**stream) for stream in values.get("streams", ()))
        if values.get("comparison") is not None:
            values["comparison"] = _comparison(values["comparison"])
        if values.get("own_calibration") is not None:
            values["own_calibration"] = ModelCalibration.from_json(values["own_calibration"])
        if values["zero_body"] is not None:
            values["zero_body"] = tuple(values["zero_body"])
        return ModelInfo(**values)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: not a readable model description ({error})") from error


def _comparison(values: dict[str, Any]) -> SequenceConfig:
    return SequenceConfig(**{**values, "preprocessing": Preprocessing(**values["preprocessing"])})


def check_fingerprint(folder: Path, info: ModelInfo) -> None:
    """Make sure that graph and description belong together.

    Raises:
        ModelError: If one of them was replaced or damaged.
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
    """A part of a fused model's vector.

    Attributes:
        stream: What of the joints it sees: joint, motion or bone.
        model: Name of the model it was.
        fingerprint: That of that model.
        width: Numbers of the vector that are its own.
        weight: Length of its part of every vector.
    """

    stream: str
    model: str
    fingerprint: str
    width: int
    weight: float

    def __post_init__(self) -> None:
        if not (self.weight > 0 and np.isfinite(self.weight)):
            raise ModelError(f"{self.model}: the weight of a stream is above 0, not {self.weight}")

    def in_words(self) -> str:
        """Itself, for people."""
        return f"{self.stream} of {self.model} ({self.width} numbers, weight {self.weight:g})"


def weighted(vector: FloatArray, streams: Sequence[Stream]) -> FloatArray:
    """A clip's vector (D,) with every stream's part scaled to the length of its weight.

    The cosine of two such vectors is the mean of the streams' cosines, weighted by the squares of
    their weights.
    """
    ends = np.cumsum([stream.width for stream in streams])[:-1]
    parts = [
        part * np.float32(stream.weight / max(float(np.linalg.norm(part)), 1e-12))
        for part, stream in zip(np.split(vector, ends), streams, strict=True)
    ]
    return np.concatenate(parts)
