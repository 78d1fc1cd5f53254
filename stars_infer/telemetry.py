"""Nothing is sent: other packages' own telemetry is switched off before they are imported.

ONNX Runtime 1.32 makes a device id and a database in the home directory as soon as it is
imported, and later sends from there; only its environment variable, set before, prevents it.
OpenVINO reports each import through the package `openvino_telemetry`, which makes a client id in
the home directory; without that package it uses a stub of its own that does nothing. The client of
the Hugging Face Hub tells with each request what is installed and which program asks, and looks for
newer versions of itself; two variables, set before, prevent both.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

ORT_VARIABLE = "ORT_DISABLE_TELEMETRY"
HUB_VARIABLES = ("HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_UPDATE_CHECK")
_OPENVINO = "openvino_telemetry"


def switch_off() -> None:
    """Switch off the telemetry of ONNX Runtime and the Hub in this process and those it starts.

    `import stars_infer` does it, so that nothing in the package can import them before. Values that
    the variables already have are overruled.
    """
    for variable in (ORT_VARIABLE, *HUB_VARIABLES):
        os.environ[variable] = "1"


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
