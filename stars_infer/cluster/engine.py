"""Who does the work: this process, or the nodes of a Ray cluster.

Ray sends no statistics of its use, and a cluster that is started here is for this program alone: it
listens on this machine, asks for a token that nobody else has, and ends with it.
"""

from __future__ import annotations

import logging
import os
import pickle
import secrets
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Protocol, TypeVar

from stars_infer.cluster.ledger import Book, Ledger, Start
from stars_infer.errors import MissingExtraError, StarsError, brief
from stars_infer.machine import usable_cores

_PATIENCE = 10.0
"""Seconds in which the head of a cluster must answer."""
_Task = TypeVar("_Task")
_Result = TypeVar("_Result")
MakeWork = Callable[[Book], Callable[[_Task], _Result]]
"""Opens what a worker needs, once, and gives the function that does its tasks; it is pickled."""


class Engine(Protocol):
    """Does tasks."""

    @property
    def workers(self) -> int:
        """How many are done at once."""

    def map(
        self, make: MakeWork[_Task, _Result], tasks: Sequence[_Task], ledger: Ledger
    ) -> Iterator[_Result]:
        """Do tasks, and yield what comes of them as it comes."""


class InThisProcess:
    """Does one task after the other here."""

    workers = 1

    def map(
        self, make: MakeWork[_Task, _Result], tasks: Sequence[_Task], ledger: Ledger
    ) -> Iterator[_Result]:
        """As `Engine` has it."""
        yield from map(make(ledger), tasks)


@dataclass(frozen=True, slots=True, kw_only=True)
class RayEngine:
    """Does tasks on the nodes of a cluster that is joined, by Ray Data; see `joined_cluster`.

    Attributes:
        workers: How many.
        gpus: Share of a GPU that each is given.
    """

    workers: int
    gpus: float = 0.0

    def map(
        self, make: MakeWork[_Task, _Result], tasks: Sequence[_Task], ledger: Ledger
    ) -> Iterator[_Result]:
        """As `Engine` has it; a task whose worker or node is lost is done again elsewhere.

        Raises:
            StarsError: If the cluster fails.
        """
        import ray
        import ray.data

        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        book = _RayBook(ray.remote(Ledger).options(num_cpus=0).remote(ledger.claims()))
        size = min(self.workers, len(tasks))
        data = ray.data.from_items(
            [{"task": pickle.dumps(task)} for task in tasks],
            override_num_blocks=len(tasks),
        ).map_batches(
            _Worker,
            batch_size=1,
            batch_format="numpy",
            compute=ray.data.ActorPoolStrategy(size=size, max_tasks_in_flight_per_actor=2),
            fn_constructor_args=(make, book),
            num_cpus=1,
            num_gpus=self.gpus or None,
        )
        try:
            for row in data.iter_rows():
                result = pickle.loads(row["result"])
                if isinstance(result, StarsError):
                    raise result
                yield result
        except StarsError:
            raise
        except ray.exceptions.RayError as error:
            raise StarsError(
                f"the cluster could not finish ({_cause(error)}); run the command again to go on"
            ) from error


class _Worker:
    """A worker of Ray Data: one for each core, which opens the model once."""

    def __init__(self, make: MakeWork[Any, Any], book: Book) -> None:
        self._make, self._book = make, book
        self._do: Callable[[Any], Any] | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Do one task."""
        return {
            "result": [pickle.dumps(self._result(pickle.loads(task))) for task in batch["task"]]
        }

    def _result(self, task: Any) -> Any:
        try:
            if self._do is None:
                self._do = self._make(self._book)
            return self._do(task)
        except StarsError as error:  # which Ray would wrap
            return error
        except Exception as error:
            return StarsError(
                f"a worker failed: unexpected {type(error).__name__}: {error} (this is a bug, "
                "please report it)"
            )


class _RayBook:
    """The ledger, which lives in a process of its own on some node."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def begin(self, shard: int) -> Start:
        """As `Ledger.begin`."""
        start: Start = self._get(self._actor.begin.remote(shard))
        return start

    def at(self, shard: int, source: str) -> None:
        """As `Ledger.at`."""
        self._get(self._actor.at.remote(shard, source))

    def claim(self, shard: int, hashes: Sequence[str]) -> list[bool]:
        """As `Ledger.claim`."""
        own: list[bool] = self._get(self._actor.claim.remote(shard, hashes))
        return own

    def _get(self, reference: Any) -> Any:
        import ray

        return ray.get(reference)


@contextmanager
def joined_cluster(
    address: str | None = None, *, workers: int | None = None, gpus: float = 0.0
) -> Iterator[RayEngine]:
    """Join a cluster, or start one on this machine that ends with it.

    Args:
        address: Of the cluster's head, such as `10.0.0.1:6379`, or `auto` for the one that runs on
            this machine; None to start one.
        workers: How many; one for each core of the cluster if not given.
        gpus: Share of a GPU that each worker is given.

    Raises:
        MissingExtraError: If Ray is not installed.
        StarsError: If there is no such cluster.
    """
    check_ray()
    import ray

    start_ray(address, cores=workers)
    try:
        cores = int(ray.cluster_resources().get("CPU", 1))
        most = cores if not gpus else int(ray.cluster_resources().get("GPU", 0) / gpus)
        if most < 1:
            raise StarsError("the cluster has no GPU: leave --gpus out")
        yield RayEngine(workers=min(workers or most, most), gpus=gpus)
    finally:
        ray.shutdown()


def check_ray() -> None:
    """Switch Ray's statistics off before it is imported.

    Raises:
        MissingExtraError: If it is not installed.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what goes wrong is told in a sentence
    missing = [name for name in ("ray", "pyarrow", "fsspec") if find_spec(name) is None]
    if missing:
        raise MissingExtraError("`--engine ray`", "ray", ", ".join(missing))


def start_ray(address: str | None, *, cores: int | None = None) -> None:
    """Join a cluster, or start one for this program alone.

    Raises:
        StarsError: If there is no such cluster.
    """
    import ray

    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is not None:
        try:
            _check_there(address)
            ray.init(address=address, **quiet)
        except (OSError, RuntimeError, ValueError) as error:
            raise StarsError(
                f"--address {address}: no Ray cluster there ({brief(error)}); start one with `ray "
                "start --head`, or leave --address out"
            ) from error
        return
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    ray.init(
        address="local",
        num_cpus=cores or usable_cores(),
        include_dashboard=False,
        _node_ip_address="127.0.0.1",
        **quiet,
    )


def _check_there(address: str) -> None:
    """Make sure that something listens at an address: Ray itself would try for minutes.

    Raises:
        OSError: If nothing does.
    """
    host, _, port = address.rpartition(":")
    if "://" not in address and host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()


def _cause(error: BaseException) -> str:
    """The first line that says what a failure began with."""
    while (cause := getattr(error, "cause", None) or error.__cause__) is not None:
        error = cause
    return brief(error)
