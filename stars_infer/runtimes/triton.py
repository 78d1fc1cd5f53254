"""Run the graph on a Triton Inference Server, which may be another machine.

The server holds what `stars export --triton` wrote. Clips are prepared here; bodies go there, and
vectors come back.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.errors import MissingExtraError, ProviderError, UsageError, brief, check_range
from stars_infer.runtimes.forms import MADE_FROM, sha256_of
from stars_infer.runtimes.runtime import RuntimeChoice

SCHEMES = {
    "triton": ("grpc", False, 8001),
    "triton+grpcs": ("grpc", True, 8001),
    "triton+http": ("http", False, 8000),
    "triton+https": ("http", True, 8000),
}
"""Protocol, whether it is encrypted, and usual port, by what stands before `://`."""
TOKEN = "STARS_TRITON_TOKEN"
"""Environment variable with a token for a proxy that asks for one."""
TIMEOUT = 30.0
BATCH = 64
"""Bodies in a request, unless the server takes fewer."""
_HERE = ("localhost", "127.0.0.1", "::1")
_EXAMPLE = "expected triton://HOST:8001/MODEL"


def is_address(device: str) -> bool:
    """Whether a device is a model on a Triton server."""
    return device.partition("://")[0] in SCHEMES


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a model is served.

    Attributes:
        protocol: `grpc` or `http`, the modules of `tritonclient`.
        encrypted: Whether TLS is used.
        host: Host and port.
        model: The model's name there.
        version: Its version; empty if the server chooses.
        timeout: Seconds that a request may take.
    """

    protocol: str
    encrypted: bool
    host: str
    model: str
    version: str = ""
    timeout: float = TIMEOUT

    @classmethod
    def parse(cls, device: str) -> Address:
        """Parse a device such as `triton://host:8001/model/1?timeout=5`.

        Raises:
            UsageError: If it is none, or holds a password, which it would show.
        """
        shown = device.rpartition("@")[2] if "@" in device else device
        try:
            parts = urlsplit(device)
            protocol, encrypted, usual = SCHEMES[parts.scheme]
            port, name = parts.port or usual, parts.hostname
            given = parse_qs(parts.query, strict_parsing=bool(parts.query))
            timeout = float(given.pop("timeout", [str(TIMEOUT)])[-1])
        except (ValueError, KeyError) as error:
            raise UsageError(f"device {shown!r}: {_EXAMPLE}") from error
        if parts.username is not None or parts.password is not None:
            raise UsageError(
                f"device {shown!r}: leave user and password out; a token is in {TOKEN}"
            )
        path = parts.path.strip("/").split("/")
        if not name or not path[0] or len(path) > 2 or given or parts.fragment:
            raise UsageError(f"device {shown!r}: {_EXAMPLE}, or .../MODEL/VERSION?timeout=SECONDS")
        version = path[1] if len(path) > 1 else ""
        if version and not (version.isascii() and version.isdecimal() and int(version) > 0):
            raise UsageError(
                f"device {shown!r}: a version is a whole number from 1, not {version!r}; leave it "
                "out to take the server's choice"
            )
        check_range(f"timeout of {shown!r}", timeout, above=0, at_most=3600)
        return cls(
            protocol=protocol,
            encrypted=encrypted,
            host=f"[{name}]:{port}" if ":" in name else f"{name}:{port}",
            model=path[0],
            version=version,
            timeout=timeout,
        )

    def headers(self) -> dict[str, str] | None:
        """What shows the token, if there is one.

        Raises:
            UsageError: If it would cross a network in plain text.
        """
        token = os.environ.get(TOKEN)
        if not token:
            return None
        if not self.encrypted and self.host.rpartition(":")[0].strip("[]") not in _HERE:
            raise UsageError(
                f"{TOKEN} would reach {self.host} in plain text: use triton+grpcs:// or "
                "triton+https://, or unset it"
            )
        return {"authorization": f"Bearer {token}"}


class Triton:
    """A graph that runs on a Triton server."""

    def __init__(self, graph: Path, choice: RuntimeChoice) -> None:
        """Ask the server whether it is ready, and whether its model is this one.

        Args:
            graph: The model's `encoder.onnx`, which is compared with what is served.
            choice: Its device is an address, see `SCHEMES`.

        Raises:
            UsageError: If the address is none.
            ProviderError: If the server is not there or not ready, or serves another model.
            MissingExtraError: If `tritonclient` is not installed.
        """
        self._address = address = Address.parse(choice.device)
        self._headers = address.headers()
        self._module = _client_package(address.protocol)
        self._clients = threading.local()  # clients belong to one thread
        by_call = address.protocol == "grpc"
        self._limit = {"client_timeout": address.timeout} if by_call else {}
        with self._told():
            ready = self._client.is_server_ready(headers=self._headers, **self._limit)
        if not ready:
            raise ProviderError(f"the Triton server at {address.host} is not ready; try again")
        config = self._config()
        self._input, shape = _tensor(config, "input", address)
        self._output, (self._width,) = _tensor(config, "output", address)
        self._shape = shape
        served = config.get("parameters", {}).get(MADE_FROM, {}).get("string_value")
        if served != sha256_of(graph.read_bytes()):
            said = "another model than" if served else "a model that was not exported from"
            raise ProviderError(
                f"{address.host} serves as {address.model!r} {said} {graph.parent}: "
                f"run `stars export --triton REPOSITORY {graph.parent}`, and give the server that"
            )
        most = int(config.get("max_batch_size", 0))
        if most < 1:
            raise ProviderError(
                f"{address.host}: {address.model!r} has no max_batch_size, so it takes no batches"
            )
        self.choice = replace(choice, batch=min(choice.batch or BATCH, most))

    def run(self, bodies: FloatArray) -> FloatArray:
        """Vectors (B, D) of bodies (B, T, 25, 3), in as many requests as the server asks for.

        Raises:
            ProviderError: If the server does not answer, or with something else.
        """
        if bodies.shape[1:] != self._shape:
            raise ProviderError(
                f"{self._address.host}: {self._address.model!r} takes bodies of {self._shape}, "
                f"not {bodies.shape[1:]}"
            )
        batch = self.choice.batch or BATCH
        parts = [self._ask(bodies[at : at + batch]) for at in range(0, len(bodies), batch)]
        return np.concatenate(parts) if parts else np.zeros((0, self._width), np.float32)

    def _ask(self, bodies: FloatArray) -> FloatArray:
        """Vectors of bodies that fit into one request."""
        address, make = self._address, self._module
        given = make.InferInput(self._input, list(bodies.shape), "FP32")
        given.set_data_from_numpy(np.ascontiguousarray(bodies, np.float32))
        with self._told():
            answer = self._client.infer(
                address.model,
                [given],
                model_version=address.version,
                outputs=[make.InferRequestedOutput(self._output)],
                headers=self._headers,
                **self._limit,
            ).as_numpy(self._output)
        if answer is None or answer.shape != (len(bodies), self._width):
            shape = None if answer is None else answer.shape
            raise ProviderError(
                f"{address.host}: {address.model!r} answered {shape}, expected "
                f"{(len(bodies), self._width)}"
            )
        return np.asarray(answer, np.float32)

    def _config(self) -> dict[str, Any]:
        """The model's configuration, as JSON."""
        address, client = self._address, self._client
        as_json = {"as_json": True} if address.protocol == "grpc" else {}
        with self._told():
            ready = client.is_model_ready(
                address.model, address.version, headers=self._headers, **self._limit
            )
        if not ready:
            raise ProviderError(
                f"the Triton server at {address.host} has no model {address.model!r} that is "
                "ready; its log says why"
            )
        with self._told():
            config: dict[str, Any] = client.get_model_config(
                address.model, address.version, headers=self._headers, **as_json, **self._limit
            )
        return dict(config.get("config", config))

    @property
    def _client(self) -> Any:
        """The client of this thread."""
        if not hasattr(self._clients, "one"):
            address = self._address
            limits = {"connection_timeout": address.timeout, "network_timeout": address.timeout}
            self._clients.one = self._module.InferenceServerClient(
                address.host,
                ssl=address.encrypted,
                **(limits if address.protocol == "http" else {}),
            )
        return self._clients.one

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Within it, what goes wrong in the client becomes one sentence."""
        from tritonclient.utils import InferenceServerException

        host, name = self._address.host, self._address.model
        try:
            yield
        except (InferenceServerException, OSError) as error:
            status = error.status() if isinstance(error, InferenceServerException) else ""
            if "DEADLINE" in str(status) or isinstance(error, TimeoutError):
                raise ProviderError(
                    f"the Triton server at {host} did not answer within "
                    f"{self._address.timeout:g} s; ?timeout=SECONDS gives it longer"
                ) from error
            if "UNAVAILABLE" in str(status) or isinstance(error, OSError):
                raise ProviderError(
                    f"no Triton server answers at {host} ({_reason(error)}): start it, or name "
                    "another by --device"
                ) from error
            raise ProviderError(
                f"the Triton server at {host} does not run {name!r}: {_reason(error)}"
            ) from error


def _reason(error: Exception) -> str:
    """What a client's error says."""
    said: Callable[[], str | None] | None = getattr(error, "message", None)
    return ((said() if said else None) or brief(error)).splitlines()[0][:200]


def _client_package(protocol: str) -> Any:
    """Import the client of a protocol.

    Raises:
        MissingExtraError: If it is not installed.
    """
    try:
        return import_module(f"tritonclient.{protocol}")
    except (ImportError, RuntimeError) as error:  # it makes its own of what is missing
        raise MissingExtraError("a Triton server as device", "triton", "tritonclient") from error


def _tensor(config: dict[str, Any], what: str, address: Address) -> tuple[str, tuple[int, ...]]:
    """Name and shape of a model's only input or output.

    Raises:
        ProviderError: If it has several.
    """
    tensors = config.get(what, [])
    if len(tensors) != 1 or (what == "output" and len(tensors[0].get("dims", ())) != 1):
        raise ProviderError(
            f"{address.host}: {address.model!r} is no encoder of stars-infer: one {what} was "
            f"expected, it has {len(tensors)}"
        )
    return str(tensors[0]["name"]), tuple(int(size) for size in tensors[0]["dims"])
