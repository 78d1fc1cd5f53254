"""Forms of a graph in other precisions, beside it, each bound to the graph it was made from."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from stars_infer.errors import ModelError, ProviderError
from stars_infer.runtimes.runtime import FP16, FP32, INT8

HALF_FILE, INT8_FILE = "encoder.fp16.onnx", "encoder.int8.onnx"
"""The graph with its products in half precision, where it was exported."""

if TYPE_CHECKING:
    import onnxruntime

FORMS = {FP16: HALF_FILE, INT8: INT8_FILE}
"""File of a model directory that is run in a precision; the others run the graph itself."""
MADE_FROM = "stars_infer.made_from"
"""Metadata of a form: SHA-256 of the graph that it was made from."""


def form_of(graph: Path, precision: str) -> Path:
    """The file of a graph in a precision.

    Raises:
        ProviderError: If the model directory has none.
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
    """Whether the model directory of a graph has it in a precision."""
    return graph.with_name(FORMS[precision]).exists()


def check_made_from(session: onnxruntime.InferenceSession, form: Path, graph: Path) -> None:
    """Make sure that the form a session runs was made from a graph as it is now.

    Raises:
        ModelError: If it was not.
    """
    if form == graph:
        return
    known = session.get_modelmeta().custom_metadata_map.get(MADE_FROM)
    if known != sha256_of(graph.read_bytes()):
        raise ModelError(
            f"{form}: was not made from {graph.name} as it is now; export the model again"
        )


def sha256_of(content: bytes) -> str:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(content).hexdigest()
