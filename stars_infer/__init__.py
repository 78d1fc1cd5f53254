"""Name human motion clips from a few labeled examples per action."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from stars_infer import telemetry

if TYPE_CHECKING:
    from stars_infer.classification.prediction import Prediction
    from stars_infer.clips.clip import Clip
    from stars_infer.encoder.encoder import Encoder
    from stars_infer.errors import StarsError
    from stars_infer.index.index import ExemplarIndex
    from stars_infer.preprocessing.prepare import prepare
    from stars_infer.readers.files import read_clip
    from stars_infer.streaming.classifier import StreamClassifier

telemetry.switch_off()

_HOMES = {
    "Clip": "clips.clip",
    "Encoder": "encoder.encoder",
    "ExemplarIndex": "index.index",
    "Prediction": "classification.prediction",
    "StarsError": "errors",
    "StreamClassifier": "streaming.classifier",
    "prepare": "preprocessing.prepare",
    "read_clip": "readers.files",
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
