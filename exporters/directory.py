"""A model directory from a trained encoder: graph, contract and card, verified or not at all."""

from __future__ import annotations

import copy
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stars_infer.encoder.model import (
    CARD_FILE,
    GRAPH_FILE,
    INFO_FILE,
    PRESENT,
    ZEROS,
    ModelInfo,
    contract_of,
    fingerprint_of,
    shipped_models,
)
from stars_infer.errors import ExportError, UsageError
from stars_infer.exporters.int8 import write_int8
from stars_infer.exporters.onnx import round_to_half, write_onnx
from stars_infer.exporters.verify import rounding_error, verify_onnx
from stars_infer.runtimes.forms import HALF_FILE, INT8_FILE
from stars_infer.runtimes.gpu.engine import ENGINE_FILE, ENGINE_INFO_FILE
from stars_infer.similarity.sequence import SequenceConfig
from stars_infer.train.checkpoint import Checkpoint, load_weights
from stars_infer.train.methods import METHODS
from stars_infer.train.networks.backbone import Backbone
from stars_infer.train.networks.build import build_encoder
from stars_infer.train.run import RunConfig

INT8_COSINE, HALF_COSINE = "int8_smallest_cosine", "fp16_smallest_cosine"
"""Facts of `model.json` that say what less precision costs."""
OF_FORMS = (INT8_COSINE, HALF_COSINE, "tensorrt_smallest_cosine")
"""Facts that say nothing of a model made from others."""
_ABSENT = {"present": PRESENT, "zeros": ZEROS, "copy": PRESENT}
"""A copied body changes no mean over bodies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportConfig:
    """How a model directory is made.

    Attributes:
        crop: Share kept by the center crop at use.
        samplings: Uniform samplings of a clip whose vectors are averaged at use.
        comparison: How an index compares clips step by step; None for the cosine of vectors.
        half_weights: Store weights in half precision (computed in float32).
        license: License of the weights.
        notes: Markdown that the card carries: data, licenses of the data, limits.
    """

    crop: float = 0.9
    samplings: int = 1
    comparison: SequenceConfig | None = None
    half_weights: bool = False
    license: str = "unknown"
    notes: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


def export_directory(checkpoint: Checkpoint, out: Path, how: ExportConfig) -> ModelInfo:
    """Write and verify a model directory.

    It is made beside its place and moved there only when verified; on failure nothing is left,
    and what stood there before stays.

    Args:
        checkpoint: Of any method; its encoder is exported.
        out: The directory; its name becomes the model's.
        how: Choices.

    Raises:
        ExportError: If the verification fails, or `out` is something else than a model directory.
    """
    config = RunConfig.from_json(checkpoint.config, source="checkpoint")
    encoder = build_encoder(config.encoder).eval()
    load_weights(encoder, checkpoint.encoder_weights(), source="checkpoint")
    exact = copy.deepcopy(encoder)
    if how.half_weights:
        round_to_half(encoder)
    with made_beside(out) as beside:
        write_onnx(encoder, beside / GRAPH_FILE, half_weights=how.half_weights)
        verified = verify_onnx(beside / GRAPH_FILE, encoder)
        facts = _facts(config, checkpoint) | {
            "weights": "float16, computed in float32" if how.half_weights else "float32",
            "export_relative_error": float(f"{verified.relative_error:.2g}"),
            **int8_fact(write_int8(beside / GRAPH_FILE, frames=encoder.config.frames)),
            **how.facts,
        }
        if how.half_weights:
            facts["rounding_relative_error"] = float(f"{rounding_error(exact, encoder):.2g}")
        info = _describe(encoder, config, beside / GRAPH_FILE, out.name, how, facts)
        write_description(beside, info, how.notes)
    return info


@contextmanager
def made_beside(out: Path) -> Iterator[Path]:
    """A folder beside a model directory, which takes its place when all went well.

    Raises:
        UsageError: If `out` is a model that came with the installation.
        ExportError: If `out` is something else than a model directory.
    """
    if out.resolve() in {shipped.resolve() for shipped in shipped_models().values()}:
        raise UsageError(f"{out.name} came with the installation: name another directory by --out")
    if out.exists() and not (out / INFO_FILE).exists():
        raise ExportError(f"{out}: exists and is no model directory; name another --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        yield beside
        beside.chmod(0o755)
        _put_in_place(beside, out)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def int8_fact(cosine: float | None) -> dict[str, Any]:
    """What `model.json` says of an int8 form; nothing if there is none."""
    return {} if cosine is None else {INT8_COSINE: round(cosine, 6)}


def write_description(folder: Path, info: ModelInfo, notes: str) -> None:
    """Write `model.json` and the card."""
    text = json.dumps(info.to_json(), indent=2, ensure_ascii=False)
    (folder / INFO_FILE).write_text(text + "\n", encoding="utf-8")
    (folder / CARD_FILE).write_text(card(info, notes), encoding="utf-8")


def card(info: ModelInfo, notes: str) -> str:
    """The model card, Markdown."""
    how = info.preprocessing
    told = info.facts | (
        {"streams": ", ".join(part.in_words() for part in info.streams)} if info.streams else {}
    )
    rows = "\n".join(f"| {key.replace('_', ' ')} | {value} |" for key, value in told.items())
    return f"""# {info.name}

A skeleton encoder for `stars-infer`: {how.frames} frames of {info.layout} joints to a vector of \
{info.width} numbers.

| what | value |
| --- | --- |
| license of the weights | {info.license} |
| input | (bodies, {how.frames}, 25, 3) in meters, first middle of spine at the origin |
| preprocessing | {how.in_words()} |
| compared by | {info.compared_by()} |
| several bodies | {info.absent_bodies} |
{rows}
| fingerprint | `{info.fingerprint[:12]}` |

{notes.strip() or "Nothing was noted about the training data and its license at export."}
"""


def _describe(
    encoder: Backbone,
    config: RunConfig,
    graph: Path,
    name: str,
    how: ExportConfig,
    facts: dict[str, Any],
) -> ModelInfo:
    shape = encoder.config
    preprocessing = replace(config.views.preprocessing(crop=how.crop), samplings=how.samplings)
    absent = _ABSENT[config.views.absent_bodies]
    zero_body = None
    if absent == ZEROS:
        with torch.no_grad():
            zeros = torch.zeros(1, shape.frames, shape.joints, 3)
            zero_body = tuple(float(x) for x in np.asarray(encoder.pool(zeros)[0]))
    contract = contract_of(preprocessing, absent, zero_body, how.comparison)
    return ModelInfo(
        name=name,
        preprocessing=preprocessing,
        width=shape.width,
        absent_bodies=absent,
        zero_body=zero_body,
        fingerprint=fingerprint_of(graph.read_bytes(), contract),
        comparison=how.comparison,
        license=how.license,
        facts=facts,
    )


def _facts(config: RunConfig, checkpoint: Checkpoint) -> dict[str, Any]:
    """What the checkpoint says of its making."""
    shape = config.encoder
    stages, seconds = _stages(checkpoint)
    facts: dict[str, Any] = {
        "method": ", then ".join(title for title, _ in stages),
        "network": shape.in_words(),
        "stream": shape.stream,
        "steps": ", then ".join(str(steps) for _, steps in stages),
        "batch": config.loop.batch,
        "seed": config.loop.seed,
    }
    if seconds:
        facts["training_minutes"] = round(seconds / 60)
    sources = checkpoint.history.get("pack", {}).get("sources")
    if sources:
        facts["data"] = ", ".join(sources)
    return facts


def _stages(checkpoint: Checkpoint) -> tuple[list[tuple[str, int]], float]:
    """Methods and steps that made an encoder, the first one first, and the seconds they took."""
    stages: list[tuple[str, int]] = []
    seconds = 0.0
    stage: Mapping[str, Any] | None = {
        "config": checkpoint.config,
        "step": checkpoint.step,
        **checkpoint.history,
    }
    while stage:
        title = METHODS[stage["config"]["method"]].title
        if "weights" in stage:
            title = f"{title} ({stage['weights']})"
        stages.insert(0, (title, stage["step"]))
        seconds += stage.get("seconds", 0)
        stage = stage.get("start")
    return stages, seconds


OF_MODEL = (
    GRAPH_FILE,
    INFO_FILE,
    CARD_FILE,
    HALF_FILE,
    INT8_FILE,
    ENGINE_FILE,
    ENGINE_INFO_FILE,
)
"""Files that say nothing beside another graph."""


def _put_in_place(made: Path, out: Path) -> None:
    """Move a finished directory to its place, over an older model of that name."""
    old = None
    if out.exists():
        # What else lies in the directory, such as a checkpoint, moves along.
        for file in out.iterdir():
            if file.name in OF_MODEL:
                continue
            if file.is_dir() and not file.is_symlink():
                shutil.copytree(file, made / file.name, symlinks=True)
            else:
                shutil.copy2(file, made / file.name, follow_symlinks=False)
        old = Path(tempfile.mkdtemp(prefix=f".{out.name}.old.", dir=out.parent))
        out.rename(old / out.name)
    try:
        made.rename(out)
    except OSError:
        if old:
            (old / out.name).rename(out)
            old.rmdir()
        raise
    if old:
        shutil.rmtree(old, ignore_errors=True)
