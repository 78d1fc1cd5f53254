"""What is installed here, what really runs, and what is in the way."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import numpy as np

from stars_infer.encoder.model import (
    GRAPH_FILE,
    ModelInfo,
    check_fingerprint,
    find_model,
    read_model_info,
)
from stars_infer.errors import MissingExtraError, StarsError
from stars_infer.runtimes.open import available_choices, open_runtime
from stars_infer.runtimes.runtime import FP32, RuntimeChoice
from stars_infer.runtimes.saved import read_saved_runtime, saved_file
from stars_infer.runtimes.triton import is_address
from stars_infer.shared.place import place_of

RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-directml")
"""Distributions of ONNX Runtime, of which only one may be installed."""
SEARCHERS = ("faiss-cpu", "faiss-gpu", "faiss-gpu-cu12", "faiss-gpu-cu11")
"""Distributions of FAISS, of which only one may be installed."""
_OTHERS = (
    "numpy", "openvino", "tensorrt", "tensorrt-cu12", "cuda-bindings", "torch", "onnx",
    "tritonclient", "huggingface-hub",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """The state of one thing.

    Attributes:
        what: The thing.
        state: `ok`; `missing`, for something optional that is not there; or `problem`.
        detail: Its version, its speed, or what to do about it.
    """

    what: str
    state: Literal["ok", "missing", "problem"]
    detail: str


def diagnose(
    *,
    model: str | None = None,
    index: Path = Path("stars.db"),
    device: str | None = None,
    optional: Mapping[str, Callable[[], None]] | None = None,
) -> Iterator[Diagnostic]:
    """Look at the packages, the model, every runtime and the exemplar index.

    Args:
        model: Name of a shipped model or a model directory; the default model if not given.
        index: Where an exemplar index is expected.
        device: The device that the user asks for, if any; it has precedence over the saved one.
        optional: Parts that need an extra: a name, and a function that raises `MissingExtraError`
            where the extra is not installed.

    Yields:
        One diagnostic after the other. A runtime is run twice, which takes up to some seconds.
    """
    cores = f"{platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores"
    yield Diagnostic(what="python", state="ok", detail=cores)
    yield _one_of(RUNTIMES, "ONNX Runtime")
    yield _one_of(SEARCHERS, "FAISS")
    for name in _OTHERS:
        if installed := installed_version(name):
            yield Diagnostic(what=name, state="ok", detail=installed)
    for name, require in (optional or {}).items():
        try:
            require()
        except MissingExtraError as error:
            yield Diagnostic(what=name, state="missing", detail=str(error))
        else:
            yield Diagnostic(what=name, state="ok", detail="ready")
    try:
        folder = find_model(model)
        info = read_model_info(folder)
        check_fingerprint(folder, info)
    except StarsError as error:
        yield Diagnostic(what="model", state="problem", detail=str(error))
    else:
        yield Diagnostic(what="model", state="ok", detail=f"{info.name} in {folder}")
        yield from _runtimes(folder / GRAPH_FILE, info, device)
        yield _check_saved_choice(info, device)
    yield _index(index)


def installed_version(distribution: str) -> str | None:
    """The version of an installed distribution; None if it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _one_of(names: tuple[str, ...], what: str) -> Diagnostic:
    """Distributions that overwrite each other's files: exactly one must be there."""
    installed = {name: found for name in names if (found := installed_version(name))}
    if not installed:
        remedy = "pip install 'stars-infer[cpu]' (or [gpu])"
        return Diagnostic(what=what, state="problem", detail=f"not installed: {remedy}")
    shown = " and ".join(f"{name} {found}" for name, found in installed.items())
    if len(installed) > 1:
        remedy = f"pip uninstall {' '.join(installed)}, then install one extra, [cpu] or [gpu]"
        detail = f"{shown} overwrite each other: {remedy}"
        return Diagnostic(what=what, state="problem", detail=detail)
    return Diagnostic(what=what, state="ok", detail=shown)


def _runtimes(graph: Path, info: ModelInfo, device: str | None) -> Iterator[Diagnostic]:
    """Run one body on every device, in every precision that is there, and on the server named."""
    served = [RuntimeChoice.parse(device)] if device and is_address(device) else []
    try:
        choices = available_choices(graph) + served
    except MissingExtraError:
        choices = served  # said of ONNX Runtime already
    body = np.zeros((1, info.preprocessing.frames, 25, 3), np.float32)
    for choice in choices:
        name = choice.device
        if choice.precision != FP32:
            name = f"{choice.device}:{choice.precision}"
        try:
            runtime = open_runtime(graph, choice)
            runtime.run(body)
            began = time.perf_counter()
            runtime.run(body)
            spent = 1000 * (time.perf_counter() - began)
        except Exception as error:  # a broken driver or wheel fails in its own ways
            first = (str(error) or type(error).__name__).splitlines()[0]
            yield Diagnostic(what=name, state="problem", detail=first)
        else:
            yield Diagnostic(what=name, state="ok", detail=f"runs, {spent:.0f} ms a body")


def _check_saved_choice(info: ModelInfo, device: str | None) -> Diagnostic:
    """What `stars bench --save` has kept, and whether it is used."""
    what, remedy = "default runtime", "`stars bench --save` measures again"
    try:
        saved = read_saved_runtime()
    except StarsError as error:
        return Diagnostic(what=what, state="problem", detail=f"{error}; {remedy}")
    if saved is None:
        detail = "none kept; `stars bench --save` measures"
        return Diagnostic(what=what, state="missing", detail=detail)
    choice = saved.choice
    shown = f"{choice}, {choice.batch} at once, measured {saved.measured}, {saved_file()}"
    reason = saved.why_not(info.fingerprint)
    if reason is not None:
        return Diagnostic(what=what, state="missing", detail=f"{shown}: {reason}; {remedy}")
    if device and device != "auto":
        shown += f"; --device {device} overrules it"
    return Diagnostic(what=what, state="ok", detail=shown)


def _index(path: Path) -> Diagnostic:
    if place_of(path) is not None:
        return Diagnostic(what="index", state="ok", detail=f"{path}, which several machines share")
    if not path.exists():
        return Diagnostic(what="index", state="missing", detail=f"{path}: none yet")
    size = path.stat().st_size / 1024
    return Diagnostic(what="index", state="ok", detail=f"{path}, {size:,.0f} KiB")
