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
    from stars_infer.recognizer import Recognizer
    from stars_infer.streaming.classifier import StreamClassifier

    __version__: str

telemetry.switch_off()

_MODULES = {
    "Recognizer": "recognizer",
    "Clip": "clips.clip",
    "Encoder": "encoder.encoder",
    "ExemplarIndex": "index.index",
    "Prediction": "classification.prediction",
    "StarsError": "errors",
    "StreamClassifier": "streaming.classifier",
    "prepare": "preprocessing.prepare",
    "read_clip": "readers.files",
}

__all__ = [  # noqa: RUF022 - the one to begin with comes first
    "Recognizer",
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
    value: Any
    if name == "__version__":
        from importlib.metadata import version

        value = version("stars-infer")
    elif name in _MODULES:
        value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, also those that were not used yet."""
    return sorted([*__all__, "__version__"])
