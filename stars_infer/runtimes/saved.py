"""The runtime that `stars bench --save` found best on this machine, kept in a small file.

It is bound to the model and the processor that it was measured with, and obeyed where none is asked
for by name.
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
    UsageError,
)
from stars_infer.machine import cpu_name
from stars_infer.runtimes.open import open_automatic, open_runtime
from stars_infer.runtimes.runtime import Runtime, RuntimeChoice

SCHEMA = 1
FILE = "runtime.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedRuntime:
    """A choice and what it was measured with.

    Attributes:
        how: The choice.
        model: Name of the model.
        fingerprint: Of the model.
        cpu: Name of the processor.
        clips_per_second: What was measured, one body a clip.
        measured: Day, ISO 8601.
    """

    how: RuntimeChoice
    model: str
    fingerprint: str
    cpu: str
    clips_per_second: float
    measured: str

    def why_not(self, fingerprint: str) -> str | None:
        """Why it says nothing of a model on this machine; None if it does."""
        if self.fingerprint != fingerprint:
            return f"was measured for another model, {self.model!r} ({self.fingerprint[:12]})"
        if self.cpu != cpu_name():
            return f"was measured on another processor, {self.cpu}"
        return None


def saved_file() -> Path:
    """Where the choice is kept, in the user's folder of settings."""
    from typer import get_app_dir

    return Path(get_app_dir("stars-infer")) / FILE


def save_runtime(saved: SavedRuntime) -> Path:
    """Keep a choice, in place of an older one.

    Returns:
        The file.

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


def saved_runtime() -> SavedRuntime | None:
    """The kept choice; None if there is none.

    Raises:
        StarsError: If the file is damaged.
    """
    file = saved_file()
    try:
        values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if values.pop("schema", None) != SCHEMA:
            raise StarsError(f"{file}: unknown schema, expected {SCHEMA}")
        values["how"] = RuntimeChoice(**values["how"])
        return SavedRuntime(**values)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, UsageError) as error:
        raise StarsError(f"{file}: not a readable choice ({error})") from error


def open_default(graph: Path, fingerprint: str) -> Runtime:
    """Load a graph as `stars bench --save` found best, else into a GPU or the CPU.

    A saved choice that says nothing of this model on this machine, or does not run any more, is
    left aside with a `StarsWarning`.

    Raises:
        ModelError: If the graph cannot be loaded.
        MissingExtraError: If no runtime is installed.
    """
    try:
        saved = saved_runtime()
    except StarsError as error:
        return _automatic(graph, str(error))
    if saved is None:
        return open_automatic(graph)
    reason = saved.why_not(fingerprint)
    if reason is None:
        try:
            return open_runtime(graph, saved.how)
        except (ProviderError, MissingExtraError) as error:
            reason = f"does not run any more: {error}"
    return _automatic(graph, f"the saved runtime ({saved.how}) {reason}")


def _automatic(graph: Path, problem: str) -> Runtime:
    warnings.warn(
        f"{problem}; {saved_file()} is left aside, `stars bench --save` makes a new one",
        StarsWarning,
        stacklevel=3,
    )
    return open_automatic(graph)
