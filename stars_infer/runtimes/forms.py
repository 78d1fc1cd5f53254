"""Files of a model directory that hold its graph in another form.

Each form is bound to the graph from which it was made.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from stars_infer.errors import ModelError, ProviderError
from stars_infer.runtimes.runtime import FP16, FP32, INT8

if TYPE_CHECKING:
    import onnxruntime

HALF_FILE, INT8_FILE = "encoder.fp16.onnx", "encoder.int8.onnx"
"""The graph with its products in half precision or int8."""
ENGINE_FILE, ENGINE_INFO_FILE = "encoder.engine", "engine.json"
"""An engine of TensorRT, and what it runs on."""
FORMS = {FP16: HALF_FILE, INT8: INT8_FILE}
"""The file that is run in a precision; float32 and bf16 run `encoder.onnx`."""
MADE_FROM = "stars_infer.made_from"
"""Metadata key of a form: SHA-256 of the graph from which it was made."""


def form_of(graph: Path, precision: str) -> Path:
    """The file that holds a graph in a precision.

    Raises:
        ProviderError: If the model directory has no such file.
    """
    if precision == FP32:
        return graph
    form = graph.with_name(FORMS[precision])
    if not form.exists():
        raise ProviderError(
            f"{graph.parent}: no {precision} form of this model here; make one with "
            f"`stars export --{precision} {graph.parent} --out DIR`"
        )
    return form


def has_form(graph: Path, precision: str) -> bool:
    """Whether the model directory of a graph holds the graph in a precision."""
    return graph.with_name(FORMS[precision]).exists()


def check_made_from(session: onnxruntime.InferenceSession, form: Path, graph: Path) -> None:
    """Check that a form was made from the graph as it is now.

    Args:
        session: A session that runs the form.
        form: The file that the session runs; nothing is checked if it is the graph itself.
        graph: The model's `encoder.onnx`.

    Raises:
        ModelError: If the form was made from another graph.
    """
    if form == graph:
        return
    known = session.get_modelmeta().custom_metadata_map.get(MADE_FROM)
    if known != sha256_of(graph.read_bytes()):
        raise ModelError(
            f"{form}: was not made from {graph.name} as it is now; export the model again"
        )


def sha256_of(content: bytes) -> str:
    """SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()
