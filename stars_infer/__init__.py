"""Name human motion clips from a few labelled examples per action."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from stars_infer import telemetry

if TYPE_CHECKING:
    from stars_infer.classify import Prediction
    from stars_infer.clip import Clip
    from stars_infer.encoder import Encoder
    from stars_infer.errors import StarsError
    from stars_infer.index import ExemplarIndex
    from stars_infer.preparation import prepare
    from stars_infer.readers import read_clip
    from stars_infer.stream import StreamClassifier

telemetry.switch_off()

_HOMES = {
    "Clip": "clip",
    "Encoder": "encoder",
    "ExemplarIndex": "index",
    "Prediction": "classify",
    "StarsError": "errors",
    "StreamClassifier": "stream",
    "prepare": "preparation",
    "read_clip": "readers",
}

__all__ = [
    "Clip",
    "Encoder",
    "ExemplarIndex",
    "Prediction",
    "StarsError",
    "StreamClassifier",
    "prepare",
    "read_clip",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that the package itself loads at once."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
