"""The server as a Ray Serve deployment: replicas on many machines, behind one address.

Each replica is the application of `stars_infer.serving`, with a model and an index of its own; all
of them open the same index by its name. Keys and limits are checked in each replica. `serve deploy`
takes `stars_infer.cluster.deployment:application`, as `deploy/serve.yaml` shows.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.types import ASGIApp

from stars_infer.cluster.engine import check_ray
from stars_infer.errors import UsageError, check_range
from stars_infer.serving.app import create_app
from stars_infer.serving.keys import Keys
from stars_infer.serving.logs import log_as_json
from stars_infer.serving.metrics import Metrics
from stars_infer.serving.run import Place
from stars_infer.serving.service import open_service
from stars_infer.serving.settings import Access, Limits
from stars_infer.shared.place import IndexPath, place_of

NAME = "stars"
_HEALTH_PERIOD, _HEALTH_TIMEOUT = 5.0, 20.0
_BUSY = 0.5
"""Share of its room above which, on average, another replica is started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicas:
    """How many replicas there are, and what each may take.

    Attributes:
        least: At least so many.
        most: At most so many, as load asks for; as many as `least` if not given.
        cores: Processor cores of each.
        gpus: Share of a GPU of each.

    Raises:
        UsageError: If a number is out of range.
    """

    least: int = 1
    most: int | None = None
    cores: float = 1.0
    gpus: float = 0.0

    def __post_init__(self) -> None:
        check_range("replicas", self.least, at_least=1, whole=True)
        check_range("max-replicas", self.most, at_least=self.least, whole=True)
        check_range("cores", self.cores, above=0)
        check_range("gpus", self.gpus, at_least=0)


class Replica:
    """One replica; Ray Serve starts it, asks how it is, and lets it finish what it began.

    Args:
        index: Name of the index.
        model: As for `Encoder.load`.
        device: As for `Encoder.load`.
        access: Who may ask.
        limits: What a request may ask for.
    """

    def __init__(
        self, index: str, model: str | None, device: str, access: Access, limits: Limits
    ) -> None:
        log_as_json()
        self._access = access
        self._service = open_service(
            IndexPath(index), model=model, device=device, limits=limits, metrics=Metrics()
        )

    def __serve_build_asgi_app__(self) -> ASGIApp:
        """The application, which Ray Serve starts and ends."""
        return create_app(self._service, self._access)

    async def check_health(self) -> None:
        """Make sure that the index can be read; a replica that fails again and again is replaced.

        Raises:
            StarsError: If it cannot.
        """
        await asyncio.to_thread(len, self._service.index)


def deployment(
    index: Path,
    *,
    model: str | None,
    device: str,
    access: Access,
    limits: Limits,
    replicas: Replicas,
) -> Any:
    """Bind the application, for `serve.run`.

    Args:
        index: The index; a file must be at the same absolute path on each machine, of a disk that
            locks files.
        model: As for `Encoder.load`.
        device: As for `Encoder.load`.
        access: Who may ask.
        limits: What a request may ask of a replica.
        replicas: How many.

    Raises:
        MissingExtraError: If Ray is not installed.
    """
    check_ray()
    from ray import serve

    name = str(index.absolute() if place_of(index) is None else index)
    room = limits.queue + limits.watchers
    options: dict[str, Any] = {
        "name": NAME,
        "max_ongoing_requests": 2 * room,  # its own gate refuses before
        "max_queued_requests": 4 * room,
        "backpressure_config": {"status_code": 429, "retry_after_s": 1},
        "health_check_period_s": _HEALTH_PERIOD,
        "health_check_timeout_s": _HEALTH_TIMEOUT,
        "graceful_shutdown_wait_loop_s": 0.5,
        "graceful_shutdown_timeout_s": limits.grace,
        "ray_actor_options": {"num_cpus": replicas.cores, "num_gpus": replicas.gpus},
    }
    if replicas.most is None or replicas.most == replicas.least:
        options["num_replicas"] = replicas.least
    else:
        options["autoscaling_config"] = {
            "min_replicas": replicas.least,
            "max_replicas": replicas.most,
            "target_ongoing_requests": max(1.0, _BUSY * limits.queue),
        }
    made = serve.deployment(serve.ingress()(Replica)).options(**options)
    return made.bind(name, model, device, access, limits)


class Settings(BaseModel):
    """What stands in `args` of a `serve.yaml`."""

    model_config = ConfigDict(extra="forbid")

    index: str
    model: str | None = None
    device: str = "auto"
    host: str = "0.0.0.0"
    read_keys: Path | None = None
    write_keys: Path | None = None
    allow_host: list[str] = Field(default_factory=list)
    open: bool = False
    limits: dict[str, float | int] = Field(default_factory=dict)
    replicas: int = 1
    max_replicas: int | None = None
    cores: float = 1.0
    gpus: float = 0.0


def application(args: dict[str, Any]) -> Any:
    """Build the application for `serve deploy` and KubeRay.

    Args:
        args: As `Settings`. `host` is where the proxies listen (`http_options`): beyond one
            machine, keys are needed, or `open`.

    Raises:
        UsageError: If something in them means nothing, or everybody could reach and change the
            index, and nobody said so.
    """
    try:
        given = Settings(**args)
    except (ValidationError, TypeError) as error:
        raise UsageError(f"args of {NAME}: {_first(error)}") from error
    place = Place(
        host=given.host,
        keys=Keys.read(given.read_keys, given.write_keys),
        names=given.allow_host,
        anybody=given.open,
    )
    try:
        limits = Limits(**given.limits)  # type: ignore[arg-type]  # it checks each of them
    except TypeError as error:
        raise UsageError(f"args of {NAME}: limits: {error}") from error
    return deployment(
        IndexPath(given.index),
        model=given.model,
        device=given.device,
        access=place.access,
        limits=limits,
        replicas=Replicas(
            least=given.replicas, most=given.max_replicas, cores=given.cores, gpus=given.gpus
        ),
    )


def _first(error: Exception) -> str:
    if isinstance(error, ValidationError):
        one = error.errors()[0]
        return f"{'.'.join(map(str, one['loc']))}: {one['msg']}"
    return str(error)
