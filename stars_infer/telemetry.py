"""Nothing is sent: the runtimes' own telemetry is switched off before they are imported.

ONNX Runtime 1.32 makes a device id and a database in the home directory as soon as it is
imported, and later sends from there; only its environment variable, set before, prevents it.
OpenVINO reports each import through the package `openvino_telemetry`, which makes a client id in
the home directory; without that package it uses a stub of its own that does nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

ORT_VARIABLE = "ORT_DISABLE_TELEMETRY"
_OPENVINO = "openvino_telemetry"


def switch_off() -> None:
    """Switch off ONNX Runtime's telemetry in this process and those it starts.

    `import stars_infer` does it, so that nothing in the package can import ONNX Runtime before. A
    value that the variable already has is overruled.
    """
    os.environ[ORT_VARIABLE] = "1"


@contextmanager
def silent_openvino() -> Iterator[None]:
    """Within it, OpenVINO is imported without the package that reports the import."""
    before: dict[str, ModuleType] = {
        name: module
        for name, module in sys.modules.items()
        if name == _OPENVINO or name.startswith(f"{_OPENVINO}.")
    }
    for name in before:
        del sys.modules[name]
    sys.modules[_OPENVINO] = None  # type: ignore[assignment]  # Python's way to refuse an import
    try:
        yield
    finally:
        del sys.modules[_OPENVINO]
        sys.modules.update(before)
