"""The saved runtime: the best one that `stars bench --save` measured on this machine.

It is used where the user names no device, and only with the model and processor of the measurement.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stars_infer.atomic import write_text
from stars_infer.errors import (
    MissingExtraError,
    ProviderError,
    StarsError,
    StarsWarning,
    brief,
    check_range,
)
from stars_infer.machine import cpu_name
from stars_infer.runtimes.open import open_automatic, open_runtime
from stars_infer.runtimes.runtime import Runtime, RuntimeChoice

SCHEMA = 1
FILE = "runtime.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedRuntime:
    """A runtime and the measurement that chose it.

    Attributes:
        choice: The runtime.
        model: Name of the model.
        fingerprint: Fingerprint of the model.
        cpu: Name of the processor.
        clips_per_second: Measured rate, with one body per clip.
        measured: Day of the measurement, ISO 8601.
    """

    choice: RuntimeChoice
    model: str
    fingerprint: str
    cpu: str
    clips_per_second: float
    measured: str

    def __post_init__(self) -> None:
        texts = (self.model, self.fingerprint, self.cpu, self.measured)
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("model, fingerprint, cpu and measured must be texts")
        check_range("clips_per_second", self.clips_per_second, above=0)

    def why_not(self, fingerprint: str) -> str | None:
        """Why it does not apply to a model on this machine; None if it applies."""
        if self.fingerprint != fingerprint:
            return f"was measured for another model, {self.model!r} ({self.fingerprint[:12]})"
        if self.cpu != cpu_name():
            return f"was measured on another processor, {self.cpu}"
        return None


def saved_file() -> Path:
    """Path of `runtime.json` in the user's settings folder."""
    from typer import get_app_dir

    return Path(get_app_dir("stars-infer")) / FILE


def save_runtime(saved: SavedRuntime) -> Path:
    """Save a runtime, replacing an older one.

    Returns:
        The path of the file.

    Raises:
        StarsError: If the file cannot be written.
    """
    file = saved_file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"schema": SCHEMA, **asdict(saved)}, indent=2, ensure_ascii=False)
        write_text(file, text + "\n")
    except OSError as error:
        raise StarsError(f"{file}: cannot be written: {error.strerror or error}") from error
    return file


def read_saved_runtime() -> SavedRuntime | None:
    """Read the saved runtime; None if there is none.

    Raises:
        StarsError: If the file is damaged.
    """
    file = saved_file()
    try:
        values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise TypeError(f"expected an object, found a {type(values).__name__}")
        if values.pop("schema", None) != SCHEMA:
            raise StarsError(f"{file}: unknown schema, expected {SCHEMA}")
        values["choice"] = RuntimeChoice(**values["choice"])
        return SavedRuntime(**values)
    except FileNotFoundError:
        return None
    except (
        OSError, ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError,
    ) as error:  # fmt: skip
        raise StarsError(f"{file}: not a readable runtime ({brief(error)})") from error


def open_default(graph: Path, fingerprint: str) -> Runtime:
    """Load a graph into the saved runtime, else onto a GPU or the CPU.

    A saved runtime that does not apply to this model or machine, or no longer runs, is ignored with
    a `StarsWarning`.

    Raises:
        ModelError: If the graph cannot be loaded.
        MissingExtraError: If no runtime is installed.
    """
    try:
        saved = read_saved_runtime()
    except StarsError as error:
        return _open_with_warning(graph, str(error))
    if saved is None:
        return open_automatic(graph)
    reason = saved.why_not(fingerprint)
    if reason is None:
        try:
            return open_runtime(graph, saved.choice)
        except (ProviderError, MissingExtraError) as error:
            reason = f"no longer runs: {error}"
    return _open_with_warning(graph, f"the saved runtime ({saved.choice}) {reason}")


def _open_with_warning(graph: Path, problem: str) -> Runtime:
    warnings.warn(
        f"{problem}; {saved_file()} is ignored, `stars bench --save` makes a new one",
        StarsWarning,
        stacklevel=3,
    )
    return open_automatic(graph)
