"""Fuse several models into one, whose vector concatenates theirs, each with a weight."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import compose, helper

from stars_infer.arrays import FloatArray
from stars_infer.atomic import refuse_inputs
from stars_infer.encoder.model import (
    GRAPH_FILE,
    ModelInfo,
    Stream,
    check_fingerprint,
    contract_of,
    find_model,
    fingerprint_of,
    read_model_info,
)
from stars_infer.errors import UsageError
from stars_infer.exporters.directory import FORM_FACTS, int8_fact, replace_model, write_description
from stars_infer.exporters.int8 import write_int8
from stars_infer.exporters.onnx import INPUT, OUTPUT
from stars_infer.exporters.verify import verify_graph
from stars_infer.runtimes.onnxruntime import open_session

_SHARED = ("layout", "preprocessing", "absent_bodies", "comparison")
"""Fields in which fused models must agree, since all of them get the same bodies."""


def fuse_models(
    folders: Sequence[Path], out: Path, *, weights: Sequence[float] = (), notes: str = ""
) -> ModelInfo:
    """Write and verify a model whose vector concatenates the vectors of several models.

    Args:
        folders: Model directories, such as those of the streams joint, motion and bone.
        out: The directory to write; its name becomes the model's.
        weights: Length of each model's part of the vector; 1 each if empty.
        notes: Markdown for the card.

    Raises:
        UsageError: If there are fewer than two models, the number of weights differs, or the models
            prepare or compare clips differently.
        ModelError: If a folder is no model directory, or its files do not belong together.
        ExportError: If the fused graph does not compute the same vectors.
    """
    folders = [find_model(folder) for folder in folders]
    refuse_inputs(out, "--out", folders)
    infos = [_read_single(folder) for folder in folders]
    chosen = list(weights) or [1.0] * len(infos)
    if len(infos) < 2:
        raise UsageError("fusing takes two or more models, such as joint, motion and bone")
    if len(chosen) != len(infos):
        raise UsageError(
            f"{len(chosen)} weights for {len(infos)} models: give one --weight for each, in order"
        )
    for folder, info in zip(folders[1:], infos[1:], strict=True):
        _check_same(folders[0], infos[0], folder, info)
    streams = tuple(
        Stream(
            stream=str(info.facts.get("stream", "joint")),
            model=info.name,
            fingerprint=info.fingerprint,
            width=info.width,
            weight=weight,
        )
        for info, weight in zip(infos, chosen, strict=True)
    )
    with replace_model(out) as beside:
        graph = beside / GRAPH_FILE
        merged = concatenate_graphs([onnx.load(folder / GRAPH_FILE) for folder in folders])
        onnx.save_model(merged, graph)
        verified = verify_graph(
            graph,
            _concatenated_vectors(folders),
            frames=infos[0].preprocessing.frames,
            source="its parts",
        )
        facts = {"export_relative_error": float(f"{verified.relative_error:.2g}")}
        facts |= int8_fact(write_int8(graph, frames=infos[0].preprocessing.frames))
        fused = _describe(infos, streams, graph, out.name, facts)
        write_description(beside, fused, notes)
    return fused


def concatenate_graphs(models: Sequence[onnx.ModelProto]) -> onnx.ModelProto:
    """Merge graphs into one with a shared input and concatenated outputs, (B, D1 + D2 + ...)."""
    prefixed = [compose.add_prefix(model, f"part{number}/") for number, model in enumerate(models)]
    merged = prefixed[0]
    for other in prefixed[1:]:
        merged = compose.merge_models(merged, other, io_map=[])
    graph = merged.graph
    inputs = {value.name for value in graph.input}
    parts = [value.name for value in graph.output]
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name in inputs:
                node.input[place] = INPUT
    graph.node.append(helper.make_node("Concat", parts, [OUTPUT], axis=1))
    width = sum(value.type.tensor_type.shape.dim[1].dim_value for value in graph.output)
    shape = [axis.dim_value for axis in graph.input[0].type.tensor_type.shape.dim[1:]]
    del graph.input[:], graph.output[:], graph.value_info[:]
    number = onnx.TensorProto.FLOAT
    graph.input.append(helper.make_tensor_value_info(INPUT, number, [INPUT, *shape]))
    graph.output.append(helper.make_tensor_value_info(OUTPUT, number, [INPUT, width]))
    return merged


def _read_single(folder: Path) -> ModelInfo:
    """Read and check a model that is not fused itself."""
    info = read_model_info(folder)
    check_fingerprint(folder, info)
    if info.streams:
        raise UsageError(f"{folder}: is fused already; name the models from which it was made")
    return info


def _check_same(first: Path, one: ModelInfo, second: Path, other: ModelInfo) -> None:
    for name in _SHARED:
        expected, found = getattr(one, name), getattr(other, name)
        if found != expected:
            raise UsageError(
                f"{second}: {name.replace('_', ' ')} is {_in_words(found)}, but in {first} "
                f"{_in_words(expected)}; only models that prepare and compare clips alike can be "
                "fused"
            )


def _in_words(value: Any) -> str:
    return value.in_words() if hasattr(value, "in_words") else str(value)


def _concatenated_vectors(folders: Sequence[Path]) -> Any:
    """A function from bodies to the vectors that the fused graph must give."""
    sessions = [open_session(folder / GRAPH_FILE, "cpu") for folder in folders]

    def vectors(bodies: FloatArray) -> FloatArray:
        parts = [
            session.run(None, {session.get_inputs()[0].name: bodies})[0] for session in sessions
        ]
        return np.concatenate(parts, axis=1)

    return vectors


def _describe(
    infos: Sequence[ModelInfo],
    streams: tuple[Stream, ...],
    graph: Path,
    name: str,
    own: dict[str, Any],
) -> ModelInfo:
    first = infos[0]
    zero_body = None
    if first.zero_body is not None:
        zero_body = tuple(number for info in infos for number in info.zero_body or ())
    contract = contract_of(
        first.preprocessing, first.absent_bodies, zero_body, first.comparison, streams
    )
    return ModelInfo(
        name=name,
        layout=first.layout,
        preprocessing=first.preprocessing,
        width=sum(info.width for info in infos),
        absent_bodies=first.absent_bodies,
        zero_body=zero_body,
        comparison=first.comparison,
        streams=streams,
        fingerprint=fingerprint_of(graph.read_bytes(), contract),
        license=" and ".join(dict.fromkeys(info.license for info in infos)),
        facts=_facts(infos) | own,
    )


def _facts(infos: Sequence[ModelInfo]) -> dict[str, Any]:
    """Facts of the fused model: equal facts once, different ones in order."""
    facts: dict[str, Any] = {}
    for key in dict.fromkeys(key for info in infos for key in info.facts if key not in FORM_FACTS):
        values = [info.facts.get(key) for info in infos]
        same = all(value == values[0] for value in values)
        facts[key] = values[0] if same else "; ".join(map(str, values))
    return facts
