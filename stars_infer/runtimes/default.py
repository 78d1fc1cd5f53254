"""The runtime of a model where none is asked for by name."""

from __future__ import annotations

import warnings
from pathlib import Path

from stars_infer.errors import MissingExtraError, ProviderError, StarsError, StarsWarning
from stars_infer.runtimes import open_automatic, open_runtime
from stars_infer.runtimes.runtime import Runtime
from stars_infer.runtimes.saved import saved_file, saved_runtime


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
