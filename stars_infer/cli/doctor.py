"""`stars doctor`: what is installed, what really runs, what is in the way."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stars_infer.cli.extras import GROUPS
from stars_infer.cli.options import DEFAULT_INDEX
from stars_infer.cli.output import JsonFlag, Output, QuietFlag
from stars_infer.errors import MissingExtraError, StarsError

if TYPE_CHECKING:
    from stars_infer.encoder.model import ModelInfo

_RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-directml")
_SEARCHERS = ("faiss-cpu", "faiss-gpu", "faiss-gpu-cu12", "faiss-gpu-cu11")
_OTHERS = ("numpy", "openvino", "tensorrt", "tensorrt-cu12", "cuda-bindings", "torch", "onnx")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at.

    Attributes:
        what: The thing.
        state: `ok`, `missing` (an extra that is not there) or `problem`.
        detail: Version, time, or what to do.
    """

    what: str
    state: str
    detail: str


def doctor(json: JsonFlag = False, quiet: QuietFlag = False) -> None:
    """Show what is installed, which providers really run, and what is in the way."""
    output = Output(json=json, quiet=quiet)
    findings = [
        Finding(
            what="python",
            state="ok",
            detail=f"{platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores",
        ),
        *_packages(),
        *_extras(),
        *_model_and_runtimes(),
        _index(),
    ]
    for finding in findings:
        if json:
            output.record({"what": finding.what, "state": finding.state, "detail": finding.detail})
        output.failures += finding.state == "problem"
    if not json:
        output.table(("what", "state", "detail"), [(f.what, f.state, f.detail) for f in findings])
    output.finish()


def _packages() -> list[Finding]:
    findings = [
        _one_of(_RUNTIMES, "ONNX Runtime"),
        _one_of(_SEARCHERS, "FAISS"),
    ]
    for name in _OTHERS:
        installed = _version(name)
        if installed:
            findings.append(Finding(what=name, state="ok", detail=installed))
    return findings


def _one_of(names: tuple[str, ...], what: str) -> Finding:
    """Exactly one of several wheels that overwrite each other."""
    installed = {name: found for name in names if (found := _version(name))}
    if not installed:
        remedy = "pip install 'stars-infer[cpu]' (or [gpu])"
        return Finding(what=what, state="problem", detail=f"not installed: {remedy}")
    shown = " and ".join(f"{name} {found}" for name, found in installed.items())
    if len(installed) > 1:
        remedy = f"pip uninstall {' '.join(installed)}, then install one extra, [cpu] or [gpu]"
        detail = f"{shown} overwrite each other: {remedy}"
        return Finding(what=what, state="problem", detail=detail)
    return Finding(what=what, state="ok", detail=shown)


def _extras() -> list[Finding]:
    findings = []
    for group in GROUPS:
        try:
            group.require(group.usage)
            found = Finding(what=f"stars {group.name}", state="ok", detail="ready")
        except MissingExtraError as error:
            found = Finding(what=f"stars {group.name}", state="missing", detail=str(error))
        findings.append(found)
    return findings


def _model_and_runtimes() -> list[Finding]:
    """The model, what runs it, and what runs it by default."""
    from stars_infer.encoder.model import GRAPH_FILE, check_fingerprint, find_model, read_model_info

    try:
        folder = find_model(os.environ.get("STARS_MODEL"))
        info = read_model_info(folder)
        check_fingerprint(folder, info)
    except StarsError as error:
        return [Finding(what="model", state="problem", detail=str(error))]
    findings = [Finding(what="model", state="ok", detail=f"{info.name} in {folder}")]
    return findings + _runtimes(folder / GRAPH_FILE, info) + _saved(info)


def _runtimes(graph: Path, info: ModelInfo) -> list[Finding]:
    """Run one body on every device in every precision that is there."""
    import numpy as np

    from stars_infer.runtimes.open import available_choices, open_runtime

    try:
        choices = available_choices(graph)
    except MissingExtraError:
        return []
    findings = []
    body = np.zeros((1, info.preprocessing.frames, 25, 3), np.float32)
    for how in choices:
        name = how.device if how.precision == "fp32" else f"{how.device}:{how.precision}"
        try:
            runtime = open_runtime(graph, how)
            runtime.run(body)
            began = time.perf_counter()
            runtime.run(body)
            spent = 1000 * (time.perf_counter() - began)
            found = Finding(what=name, state="ok", detail=f"runs, {spent:.0f} ms a body")
        except Exception as error:
            found = Finding(what=name, state="problem", detail=str(error).splitlines()[0])
        findings.append(found)
    return findings


def _saved(info: ModelInfo) -> list[Finding]:
    """What `stars bench --save` has kept, and whether it is obeyed."""
    from stars_infer.runtimes.saved import saved_file, saved_runtime

    what, remedy = "default runtime", "`stars bench --save` measures again"
    asked = os.environ.get("STARS_DEVICE")
    try:
        saved = saved_runtime()
    except StarsError as error:
        return [Finding(what=what, state="problem", detail=f"{error}; {remedy}")]
    if saved is None:
        detail = "none kept; `stars bench --save` measures"
        return [Finding(what=what, state="missing", detail=detail)]
    shown = f"{saved.how}, {saved.how.batch} at once, measured {saved.measured}, {saved_file()}"
    reason = saved.why_not(info.fingerprint)
    if reason is not None:
        return [Finding(what=what, state="missing", detail=f"{shown}: {reason}; {remedy}")]
    if asked and asked != "auto":
        return [
            Finding(what=what, state="ok", detail=f"{shown}; STARS_DEVICE={asked} overrules it")
        ]
    return [Finding(what=what, state="ok", detail=shown)]


def _index() -> Finding:
    path = Path(os.environ.get("STARS_INDEX", DEFAULT_INDEX))
    if not path.exists():
        return Finding(what="index", state="missing", detail=f"{path}: none yet")
    return Finding(
        what="index", state="ok", detail=f"{path}, {path.stat().st_size / 1024:,.0f} KiB"
    )


def _version(distribution: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version  # loads half of `email`

    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
