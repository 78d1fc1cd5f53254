"""Serve until SIGTERM or Ctrl-C."""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from stars_infer.errors import UsageError
from stars_infer.serving.app import create_app
from stars_infer.serving.connections import DeadlineProtocol
from stars_infer.serving.keys import NO_KEYS, READ_VARIABLE, WRITE_VARIABLE, Keys
from stars_infer.serving.lengths import LONGEST_HEAD
from stars_infer.serving.logs import LOGGER, log_as_json
from stars_infer.serving.metrics import Metrics
from stars_infer.serving.service import Service, open_service
from stars_infer.serving.settings import Access, Limits
from stars_infer.streaming.frames import MAX_LINE

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_KEEP_ALIVE = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a server listens, and for whom.

    Attributes:
        host: Address.
        port: Port; 0 for any.
        keys: What clients show.
        names: Names by which clients may call the server, beside its address.
        anybody: Whether everybody who reaches an address beyond this machine may do everything.
        certificate: File of the certificate for TLS.
        certificate_key: File of its key.

    Raises:
        UsageError: If everybody could reach and change the index, and nobody said so.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    keys: Keys = NO_KEYS
    names: Collection[str] = ()
    anybody: bool = False
    certificate: Path | None = None
    certificate_key: Path | None = None

    def __post_init__(self) -> None:
        if not (self.local or self.anybody or self.keys.reading):
            raise UsageError(
                f"--host {self.host}: others could name clips and list examples here: give keys "
                f"(--read-keys and --write-keys, or {READ_VARIABLE} and {WRITE_VARIABLE}), or "
                "--open if somebody in front of the server checks who asks"
            )
        if self.certificate_key is not None and self.certificate is None:
            raise UsageError("--ssl-keyfile needs --ssl-certfile")
        for path in (self.certificate, self.certificate_key):
            if path is not None and not path.is_file():
                raise UsageError(f"{path}: no such file")

    @property
    def local(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def access(self) -> Access:
        """Who may ask.

        On this machine, only by its local names, so that no page of another site can reach the
        server by a name that it made point here.
        """
        hosts = set(map(str.lower, self.names))
        if self.local:
            hosts |= {*_LOOPBACK, self.host}
        return Access(keys=self.keys, hosts=frozenset(hosts))


def serve(service: Service, place: Place) -> None:
    """Serve until SIGTERM or Ctrl-C; then finish what is in flight, and close the index.

    Raises:
        OSError: If the address cannot be used.
    """
    log_as_json()
    limits = service.limits
    config = uvicorn.Config(
        create_app(service, place.access),
        host=place.host,
        port=place.port,
        http=DeadlineProtocol,
        ws="websockets-sansio",
        ws_max_size=MAX_LINE,
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=limits.connections,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=round(limits.grace),
        h11_max_incomplete_event_size=LONGEST_HEAD,
        ssl_certfile=None if place.certificate is None else str(place.certificate),
        ssl_keyfile=None if place.certificate_key is None else str(place.certificate_key),
        lifespan="on",
    )
    _Server(config).run()


class _Server(uvicorn.Server):
    """Says in the log where it listens."""

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup(sockets)  # type: ignore[arg-type]
        for server in self.servers:
            for socket in server.sockets:
                host, port = socket.getsockname()[:2]
                scheme = "https" if self.config.is_ssl else "http"
                shown = f"[{host}]" if ":" in host else host
                LOGGER.info("listening at %s://%s:%s", scheme, shown, port)
        sys.stderr.flush()


def serve_index(
    index: Path, *, model: str | None, device: str, place: Place, limits: Limits
) -> None:
    """Open an index and its model, and serve them.

    Raises:
        StarsError: If there is no such model, or the file is no index of it.
        OSError: If the address cannot be used.
    """
    serve(open_service(index, model=model, device=device, limits=limits, metrics=Metrics()), place)
