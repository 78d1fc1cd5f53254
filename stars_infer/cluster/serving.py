"""`stars serve --engine ray`: deploy the server, wait, and let it finish what it began."""

from __future__ import annotations

import logging
import math
import os
import signal
import socket
import sys
import threading
from pathlib import Path

from stars_infer.cluster.deployment import NAME, Replicas, deployment
from stars_infer.cluster.engine import check_ray, start_ray
from stars_infer.errors import StarsError, brief
from stars_infer.machine import usable_cores
from stars_infer.serving.logs import LOGGER, log_as_json
from stars_infer.serving.run import Place
from stars_infer.serving.settings import Limits

_KEEP_ALIVE = 15


def serve_on_ray(
    index: Path,
    *,
    model: str | None,
    device: str,
    place: Place,
    limits: Limits,
    replicas: Replicas,
    address: str | None = None,
) -> None:
    """Serve an index with several replicas until SIGTERM or Ctrl-C; then finish what is in flight.

    Args:
        index: The index.
        model: As for `Encoder.load`.
        device: As for `Encoder.load`.
        place: Where the proxies listen, and for whom.
        limits: What a request may ask of a replica.
        replicas: How many.
        address: Head of the cluster; None to start one on this machine.

    Raises:
        StarsError: If there is no such cluster, or the replicas do not start.
    """
    check_ray()
    log_as_json()
    os.environ.setdefault("RAY_SERVE_LOG_TO_STDERR", "0")
    bound = deployment(
        index, model=model, device=device, access=place.access, limits=limits, replicas=replicas
    )
    most = replicas.most or replicas.least
    start_ray(address, cores=max(usable_cores(), math.ceil(most * replicas.cores) + 1))
    import ray
    from ray import serve

    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):  # Ray has set its own
        signal.signal(number, lambda *_: stopped.set())
    port = place.port or _free_port(place.host)
    try:
        serve.start(
            proxy_location="EveryNode",
            http_options={
                "host": place.host,
                "port": port,
                "keep_alive_timeout_s": _KEEP_ALIVE,
                "ssl_certfile": _text(place.certificate),
                "ssl_keyfile": _text(place.certificate_key),
            },
        )
        try:
            serve.run(bound, name=NAME, route_prefix="/")
        except RuntimeError as error:
            raise StarsError(f"the replicas did not start: {brief(error)}") from error
        scheme = "http" if place.certificate is None else "https"
        LOGGER.info("listening at %s://%s:%s", scheme, place.host, port)
        sys.stderr.flush()
        stopped.wait()
        LOGGER.info("stopping")
        serve.delete(NAME)  # waits until replicas have answered what they were asked
    finally:
        serve.shutdown()
        ray.shutdown()
        LOGGER.info("stopped")


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path.absolute())


def _free_port(host: str) -> int:
    with socket.create_server((host, 0)) as found:
        port: int = found.getsockname()[1]
    return port
