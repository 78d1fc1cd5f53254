"""Add a form of the graph, in half precision or int8, to a model directory."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx

from stars_infer.encoder.agreement import example_bodies, reference_vectors, smallest_cosine
from stars_infer.encoder.model import (
    CARD_FILE,
    GRAPH_FILE,
    INFO_FILE,
    ModelInfo,
    check_fingerprint,
    read_model_info,
)
from stars_infer.errors import ExportError
from stars_infer.exporters.directory import (
    HALF_COSINE,
    MODEL_FILES,
    int8_fact,
    replace_model,
    to_text,
)
from stars_infer.exporters.gpu.attention import fuse_attention
from stars_infer.exporters.gpu.half_graph import half_graph
from stars_infer.exporters.int8 import write_int8
from stars_infer.runtimes.forms import HALF_FILE, MADE_FROM, sha256_of
from stars_infer.runtimes.onnxruntime import open_session
from stars_infer.runtimes.runtime import EXACT


def add_half(folder: Path, out: Path) -> ModelInfo:
    """Write a copy of a model directory with the graph in half precision as well.

    Contract and fingerprint stay the same: vectors of both forms can be compared.

    Args:
        folder: The model.
        out: The directory to write; may be the model itself.

    Raises:
        UsageError: If `out` is a model that came with the installation.
        ModelError: If the model's files do not belong together.
        ExportError: If the graph cannot run in half precision, or gives other vectors.
    """
    graph = folder / GRAPH_FILE
    with extend_model(folder, out) as (beside, info):
        half = half_graph(onnx.load(graph))
        fuse_attention(half)
        onnx.helper.set_model_props(half, {MADE_FROM: sha256_of(graph.read_bytes())})
        onnx.save_model(half, beside / HALF_FILE)
        cosine = _half_cosine(beside, info)
        if cosine < EXACT:
            raise ExportError(
                f"{folder}: in half precision a vector has cosine {cosine:.5f} to that of "
                f"float32, less than {EXACT}; run this model in float32"
            )
        add_facts(beside, {HALF_COSINE: round(cosine, 7)})
        return read_model_info(beside)


def add_int8(folder: Path, out: Path) -> ModelInfo:
    """Write a copy of a model directory with the graph in int8 as well.

    Args:
        folder: The model.
        out: The directory to write; may be the model itself.

    Raises:
        UsageError: If `out` is a model that came with the installation.
        ModelError: If the model's files do not belong together.
        ExportError: If no layer can be rounded, or the vectors would not stay the same.
    """
    with extend_model(folder, out) as (beside, info):
        cosine = write_int8(beside / GRAPH_FILE, frames=info.preprocessing.frames)
        if cosine is None:
            raise ExportError(
                f"{folder}: in int8 this network would give other vectors, or it has no linear "
                "layers; run this model in float32"
            )
        add_facts(beside, int8_fact(cosine))
        return read_model_info(beside)


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


def add_facts(folder: Path, facts: dict[str, Any]) -> None:
    """Add facts to `model.json`, and to the table of the card if there is one."""
    path = folder / INFO_FILE
    values = json.loads(path.read_text(encoding="utf-8"))
    values["facts"] |= facts
    path.write_text(to_text(values), encoding="utf-8")
    card = folder / CARD_FILE
    if card.exists():
        text = _add_rows(card.read_text(encoding="utf-8"), facts)
        card.write_text(text, encoding="utf-8")


def _add_rows(card: str, facts: dict[str, Any]) -> str:
    """The card with a row per fact above its fingerprint, replacing older rows."""
    names = {key: key.replace("_", " ") for key in facts}
    old = tuple(f"| {name} |" for name in names.values())
    lines = [line for line in card.splitlines() if not line.startswith(old)]
    place = next((n for n, line in enumerate(lines) if line.startswith("| fingerprint |")), None)
    if place is not None:
        lines[place:place] = [f"| {names[key]} | {value} |" for key, value in facts.items()]
    return "\n".join(lines) + "\n"


def _half_cosine(folder: Path, info: ModelInfo) -> float:
    """Smallest cosine of vectors in half precision to float32 vectors, over synthetic clips.

    Raises:
        ExportError: If the graph does not run.
    """
    bodies = example_bodies(info)
    reference = reference_vectors(folder / GRAPH_FILE, bodies)
    try:
        onnx.checker.check_model(folder / HALF_FILE, full_check=True)
        session = open_session(folder / HALF_FILE, "cpu")
        vectors = session.run(None, {session.get_inputs()[0].name: bodies})[0]
    except Exception as error:  # the checker's and ONNX Runtime's exceptions share no useful base
        raise ExportError(f"the graph in half precision does not run: {error}") from error
    return smallest_cosine(vectors, reference)
