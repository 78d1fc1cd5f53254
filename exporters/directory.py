"""Write a model directory from a trained encoder: graph, contract and card, all verified."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stars_infer.atomic import exchange, flush, flush_folder, folder_beside
from stars_infer.encoder.model import (
    CARD_FILE,
    GRAPH_FILE,
    INFO_FILE,
    PRESENT,
    ZEROS,
    ModelInfo,
    check_fingerprint,
    contract_of,
    fingerprint_of,
    read_model_info,
    shipped_models,
)
from stars_infer.errors import ExportError, UsageError
from stars_infer.exporters.card import card
from stars_infer.exporters.int8 import write_int8
from stars_infer.exporters.onnx import round_to_half, write_onnx
from stars_infer.exporters.verify import rounding_error, verify_onnx
from stars_infer.runtimes.forms import ENGINE_FILE, ENGINE_INFO_FILE, HALF_FILE, INT8_FILE
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.train.checkpoint import Checkpoint, load_weights, save_checkpoint
from stars_infer.train.methods import METHODS
from stars_infer.train.networks.backbone import Backbone
from stars_infer.train.networks.build import build_encoder
from stars_infer.train.public_mamp import read_public_mamp
from stars_infer.train.run import RunConfig

INT8_COSINE, HALF_COSINE = "int8_smallest_cosine", "fp16_smallest_cosine"
"""Facts of `model.json` that give the cost of less precision."""
FORM_FACTS = (INT8_COSINE, HALF_COSINE, "tensorrt_smallest_cosine")
"""Facts about other forms of a graph, which do not apply to a model fused from it."""
_ABSENT = {"present": PRESENT, "zeros": ZEROS, "copy": PRESENT}
"""Rule of the model for each rule of training. A copied body does not change the mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportConfig:
    """How a model directory is made.

    Attributes:
        crop: Fraction of a clip kept by the center crop at inference.
        samplings: Number of uniform samplings of a clip whose vectors are averaged at inference.
        comparison: How an index compares sequences; None for the cosine of vectors.
        half_weights: Store weights in half precision; they are computed in float32.
        license: License of the weights.
        notes: Markdown for the card: data, licenses of the data, limits.
        facts: More facts for `model.json` and the card.
    """

    crop: float = 0.9
    samplings: int = 1
    comparison: SequenceConfig | None = None
    half_weights: bool = False
    license: str = "unknown"
    notes: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


def export_directory(checkpoint: Checkpoint, out: Path, options: ExportConfig) -> ModelInfo:
    """Write and verify a model directory.

    The directory is written beside `out` and takes its place only when verified. On failure nothing
    is left behind, and an older model at `out` stays.

    Args:
        checkpoint: A checkpoint of any method; its encoder is exported.
        out: The directory to write; its name becomes the model's.
        options: How it is made.

    Raises:
        UsageError: If `out` is a model that came with the installation.
        ExportError: If the verification fails, or `out` exists and is no model directory.
    """
    config = RunConfig.from_json(checkpoint.config, source="checkpoint")
    encoder = build_encoder(config.encoder).eval()
    load_weights(encoder, checkpoint.encoder_weights(), source="checkpoint")
    exact = copy.deepcopy(encoder)
    if options.half_weights:
        round_to_half(encoder)
    with replace_model(out) as beside:
        write_onnx(encoder, beside / GRAPH_FILE, half_weights=options.half_weights)
        verified = verify_onnx(beside / GRAPH_FILE, encoder)
        facts = _facts(config, checkpoint) | {
            "weights": "float16, computed in float32" if options.half_weights else "float32",
            "export_relative_error": float(f"{verified.relative_error:.2g}"),
            **int8_fact(write_int8(beside / GRAPH_FILE, frames=encoder.config.frames)),
            **options.facts,
        }
        if options.half_weights:
            facts["rounding_relative_error"] = float(f"{rounding_error(exact, encoder):.2g}")
        info = _describe(encoder, config, beside / GRAPH_FILE, out.name, options, facts)
        write_description(beside, info, options.notes)
    return info


def import_mamp(
    path: Path, out: Path, *, heads: int, absent_bodies: str, crop: float, license: str
) -> ModelInfo:
    """Write a model directory from a public MAMP checkpoint, with a checkpoint for tuning.

    Args:
        path: The `.pth` file.
        out: The directory to write.
        heads: Number of attention heads, which the file does not record.
        absent_bodies: How training treated a missing second body, `zeros` or `present`.
        crop: Fraction of a clip kept by the center crop at inference.
        license: License of the weights.

    Raises:
        ModelError: If the file is not such a checkpoint.
        ExportError: If the exported graph does not pass verification.
    """
    checkpoint = read_public_mamp(path, heads=heads, absent_bodies=absent_bodies)
    facts = {"imported_from": path.name}
    info = export_directory(checkpoint, out, ExportConfig(crop=crop, license=license, facts=facts))
    save_checkpoint(checkpoint, out)
    return info


@contextmanager
def replace_model(out: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes the model directory `out` on success.

    Raises:
        UsageError: If `out` is a model that came with the installation.
        ExportError: If `out` exists and is no model directory.
    """
    if out.resolve() in {shipped.resolve() for shipped in shipped_models().values()}:
        raise UsageError(f"{out.name} came with the installation: name another directory by --out")
    if out.exists() and not (out / INFO_FILE).exists():
        raise ExportError(f"{out}: exists and is no model directory; name another --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    with folder_beside(out) as beside:
        yield beside
        beside.chmod(0o755)
        _put_in_place(beside, out)


@contextmanager
def extend_model(folder: Path, out: Path) -> Iterator[tuple[Path, ModelInfo]]:
    """Yield a temporary copy of a model and its description; the copy becomes `out` on success.

    Other forms of the graph and engines are copied unchanged.

    Raises:
        UsageError: If `out` is a model that came with the installation.
        ModelError: If the model's files do not belong together.
    """
    info = read_model_info(folder)
    check_fingerprint(folder, info)
    with replace_model(out) as beside:
        for name in MODEL_FILES:
            if (folder / name).exists():
                shutil.copy2(folder / name, beside / name)
        yield beside, info


def int8_fact(cosine: float | None) -> dict[str, Any]:
    """The fact of `model.json` about an int8 form; empty if there is none."""
    return {} if cosine is None else {INT8_COSINE: round(cosine, 6)}


def add_facts(folder: Path, facts: dict[str, Any]) -> None:
    """Add facts to `model.json`, and to the table of the card if there is one."""
    path = folder / INFO_FILE
    values = json.loads(path.read_text(encoding="utf-8"))
    values["facts"] |= facts
    path.write_text(to_text(values), encoding="utf-8")
    path = folder / CARD_FILE
    if path.exists():
        text = _add_rows(path.read_text(encoding="utf-8"), facts)
        path.write_text(text, encoding="utf-8")


def describe_anew(folder: Path, info: ModelInfo) -> None:
    """Replace `model.json`, and in the card how clips are compared, the facts and fingerprint."""
    (folder / INFO_FILE).write_text(to_text(info.to_json()), encoding="utf-8")
    path = folder / CARD_FILE
    if not path.exists():
        return
    rows = {
        "| comparison |": f"| comparison | {info.comparison_in_words()} |",
        "| fingerprint |": f"| fingerprint | `{info.fingerprint[:12]}` |",
    }
    lines = path.read_text(encoding="utf-8").splitlines()
    for old, new in rows.items():
        lines = [new if line.startswith(old) else line for line in lines]
    path.write_text(_add_rows("\n".join(lines), info.facts), encoding="utf-8")


def _add_rows(text: str, facts: dict[str, Any]) -> str:
    """A card with a row per fact above its fingerprint, replacing older rows."""
    names = {key: key.replace("_", " ") for key in facts}
    old = tuple(f"| {name} |" for name in names.values())
    lines = [line for line in text.splitlines() if not line.startswith(old)]
    place = next((n for n, line in enumerate(lines) if line.startswith("| fingerprint |")), None)
    if place is not None:
        lines[place:place] = [f"| {names[key]} | {value} |" for key, value in facts.items()]
    return "\n".join(lines) + "\n"


def write_description(folder: Path, info: ModelInfo, notes: str) -> None:
    """Write `model.json` and the card."""
    (folder / INFO_FILE).write_text(to_text(info.to_json()), encoding="utf-8")
    (folder / CARD_FILE).write_text(card(info, notes), encoding="utf-8")


def to_text(values: dict[str, Any]) -> str:
    """Text of `model.json`."""
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def _describe(
    encoder: Backbone,
    config: RunConfig,
    graph: Path,
    name: str,
    options: ExportConfig,
    facts: dict[str, Any],
) -> ModelInfo:
    shape = encoder.config
    preprocessing = replace(
        config.views.preprocessing(crop=options.crop), samplings=options.samplings
    )
    absent = _ABSENT[config.views.absent_bodies]
    zero_body = None
    if absent == ZEROS:
        with torch.no_grad():
            zeros = torch.zeros(1, shape.frames, shape.joints, 3)
            zero_body = tuple(float(x) for x in np.asarray(encoder.pool(zeros)[0]))
    contract = contract_of(preprocessing, absent, zero_body, options.comparison)
    return ModelInfo(
        name=name,
        preprocessing=preprocessing,
        width=shape.vector_width,
        absent_bodies=absent,
        zero_body=zero_body,
        fingerprint=fingerprint_of(graph.read_bytes(), contract),
        comparison=options.comparison,
        license=options.license,
        facts=facts,
    )


def _facts(config: RunConfig, checkpoint: Checkpoint) -> dict[str, Any]:
    """Facts about the training that a checkpoint records."""
    shape = config.encoder
    stages = list(_stages(checkpoint))
    facts: dict[str, Any] = {
        "method": ", then ".join(map(_method, stages)),
        "network": shape.in_words(),
        "stream": shape.stream,
        "steps": ", then ".join(str(_said(stage).get("steps", stage["step"])) for stage in stages),
        "batch": config.loop.batch,
        "seed": config.loop.seed,
    }
    if seconds := sum(stage.get("seconds", 0) for stage in stages):
        facts["training_minutes"] = round(seconds / 60)
    # Each source once, in the order in which the stages saw them.
    sources = dict.fromkeys(source for stage in stages for source in _sources(stage))
    if sources:
        facts["data"] = ", ".join(sources)
    return facts


def _stages(checkpoint: Checkpoint) -> Iterator[Mapping[str, Any]]:
    """What a checkpoint records of each run that trained its encoder, the first one first."""
    start = checkpoint.history.get("start")
    chain: list[Mapping[str, Any]] = [
        {"config": checkpoint.config, "step": checkpoint.step, **checkpoint.history}
    ]
    while start:
        chain.append(start)
        start = start.get("start")
    yield from reversed(chain)


def _said(stage: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a model from which a run went on says of those before."""
    said: Mapping[str, Any] = stage.get("said", {})
    return said


def _method(stage: Mapping[str, Any]) -> str:
    title = str(_said(stage).get("method", METHODS[stage["config"]["method"]].title))
    return f"{title} ({stage['weights']})" if "weights" in stage else title


def _sources(stage: Mapping[str, Any]) -> Sequence[str]:
    if "data" in _said(stage):
        return str(_said(stage)["data"]).split(", ")
    return tuple(map(str, stage.get("pack", {}).get("sources", ())))


MODEL_FILES = (
    GRAPH_FILE,
    INFO_FILE,
    CARD_FILE,
    HALF_FILE,
    INT8_FILE,
    ENGINE_FILE,
    ENGINE_INFO_FILE,
)
"""Files that belong to one graph; an export replaces them all."""


def _put_in_place(made: Path, out: Path) -> None:
    """Move a finished directory to its place and delete the older model there.

    A kill leaves the older model or the new one, where the system can exchange folders (Linux and
    macOS); elsewhere it may leave the older one beside.
    """
    if out.exists():
        # Other files in the directory, such as a checkpoint, are kept.
        for file in out.iterdir():
            if file.name in MODEL_FILES:
                continue
            if file.is_dir() and not file.is_symlink():
                shutil.copytree(file, made / file.name, symlinks=True)
            else:
                shutil.copy2(file, made / file.name, follow_symlinks=False)
    for file in made.iterdir():
        if file.is_file() and not file.is_symlink():
            flush(file)
    flush_folder(made)
    if not out.exists():
        made.rename(out)
    elif not exchange(made, out):
        old = out.with_name(f"{made.name}.old")
        out.rename(old)
        try:
            made.rename(out)
        except OSError:
            old.rename(out)
            raise
        shutil.rmtree(old, ignore_errors=True)
    flush_folder(out.parent)
