"""Add a form of the graph, in half precision or int8, to a model directory."""

from __future__ import annotations

from pathlib import Path

import onnx

from stars_infer.encoder.agreement import example_bodies, reference_vectors, smallest_cosine
from stars_infer.encoder.model import GRAPH_FILE, ModelInfo, read_model_info
from stars_infer.errors import ExportError
from stars_infer.exporters.directory import HALF_COSINE, add_facts, extend_model, int8_fact
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
