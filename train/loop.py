"""The training loop of all methods, on one or several devices (Lightning Fabric)."""

from __future__ import annotations

import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from stars_infer.atomic import write_text
from stars_infer.errors import UsageError
from stars_infer.train.checkpoint import (
    BEST,
    Checkpoint,
    git_revision,
    kept_name,
    load_checkpoint,
    load_weights,
    optimizer_tensors,
    restore_optimizer,
    save_checkpoint,
)
from stars_infer.train.distributed import all_gather, all_reduce, world_size
from stars_infer.train.methods.method import Method
from stars_infer.train.optimizer import make_optimizer, set_learning_rate
from stars_infer.train.plateau import PLATEAU, Plateau
from stars_infer.train.pools.batches import PoolBatches
from stars_infer.train.run import RunConfig
from stars_infer.train.views.views import Views

LOG = "log.jsonl"
_STEPS_BETWEEN_CHECKS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class StepMetrics:
    """The metrics of a step, which the progress bar shows and the log keeps."""

    step: int
    loss: float
    lr: float
    clips_per_second: float
    seconds: float


class Report(Protocol):
    """Receives the metrics of logged steps; must be cheap."""

    def __call__(self, metrics: StepMetrics) -> None:
        """Show the metrics of a step."""


def fit(
    method: Method,
    views: Views | PoolBatches,
    config: RunConfig,
    run: Path,
    *,
    fabric: Fabric,
    resume: Checkpoint | None = None,
    history: dict[str, Any] | None = None,
    report: Report | None = None,
    compiled: bool = False,
    validate: Callable[[], float] | None = None,
) -> Checkpoint:
    """Train a method to the end of its schedule.

    A resumed run has exactly the losses of an uninterrupted one. An interrupt or a termination
    signal ends the run after the current step, with a checkpoint.

    Args:
        method: The method, with its initial weights.
        views: Its batches.
        config: The configuration of the run.
        run: Folder of the checkpoint and the log.
        fabric: A launched Fabric, which decides device, precision and processes.
        resume: Checkpoint to continue from.
        history: What led to this run; kept in the checkpoint.
        report: Called with the metrics of each logged step.
        compiled: Run the method through `torch.compile`.
        validate: Measures the encoder in its current state; the first process calls it.

    Returns:
        The last checkpoint.
    """
    loop = config.loop
    optimizer = make_optimizer(method, loop, depth=method.layers, betas=method.betas)
    if resume is not None:
        load_weights(method, resume.weights, source=str(run))
    # The checkpoint holds the unwrapped method, so that it fits any number of processes.
    trained: Any = torch.compile(method, dynamic=True) if compiled else method
    module, wrapped = fabric.setup(trained, optimizer)
    if resume is not None:
        restore_optimizer(optimizer, resume.optimizer)
    module.train()
    step = resume.step if resume else 0
    plateau = Plateau.of(config, resume.history if resume else {})
    recorder = RunRecorder(
        run=run,
        fabric=fabric,
        config=config,
        report=report,
        first=step,
        spent=resume.history["seconds"] if resume else 0.0,
        history={"git": git_revision(), **(history or {})},
    )
    with _stop_signals() as stop:
        while step < config.steps and not _any_stops(stop.is_set(), step, fabric.device):
            rate = set_learning_rate(
                wrapped.optimizer,
                loop,
                step,
                steps=config.steps,
                warmup=config.warmup_steps,
                factor=plateau.factor if plateau else 1.0,
            )
            _reseed(loop.seed, step, fabric.global_rank)
            loss = _step(module, wrapped, method, views, step, config, fabric)
            step += 1
            if plateau:
                plateau.add(loss)
            if step % loop.log_every == 0 or step == config.steps:
                recorder.log_step(step, loss, rate)
            if validate is not None and validates_at(step, config) and fabric.is_global_zero:
                module.eval()
                recorder.record_validation(step, validate(), method)
                module.train()
            if number := kept_at(step, config):
                recorder.keep(step, method, kept_name(number))
            if recorder.checkpoint_is_due():
                recorder.checkpoint(step, method, optimizer, plateau)
    return recorder.checkpoint(step, method, optimizer, plateau)


def _step(
    module: Any,
    optimizer: Any,
    method: Method,
    views: Views | PoolBatches,
    step: int,
    config: RunConfig,
    fabric: Fabric,
) -> Tensor:
    """Take an optimizer step over this process's share of the batch; return its loss."""
    optimizer.zero_grad()
    method.progress = step / config.steps
    parts = _divide(config.loop.batch, config.loop.accumulate, fabric)
    losses, keys = [], []
    for number, part in enumerate(parts):
        with fabric.no_backward_sync(module, enabled=number < len(parts) - 1):
            output = module(*views.draw(step, part))
            # Fabric averages gradients over processes, but the losses of the parts add up.
            fabric.backward(output.loss * fabric.world_size)
        losses.append(output.loss.detach())
        if output.keys is not None:
            keys.append(all_gather(output.keys.detach()))
    optimizer.step()
    method.after_step(torch.cat(keys) if keys else None)
    return torch.stack(losses).sum()


def _reseed(*numbers: int) -> None:
    """Seed what a network draws itself (dropout) by the step alone, so that resumes are exact."""
    torch.manual_seed(int(np.random.SeedSequence(numbers).generate_state(1)[0]))


def validates_at(step: int, config: RunConfig) -> bool:
    """Whether a run validates after this step: every `validate_every` epochs, and at the end."""
    every = config.in_steps(config.loop.validate_every)
    return step == config.steps or (every > 0 and step % every == 0)


def kept_at(step: int, config: RunConfig) -> int:
    """Number of the checkpoint that a run keeps after this step, counted from 1; 0 for none."""
    count = config.loop.keep
    number = step * count // config.steps
    return number if number and step == math.ceil(number * config.steps / count) else 0


def _any_stops(stop: bool, step: int, device: torch.device) -> bool:
    """Whether any process has received a signal to stop; checked every few steps, for it costs."""
    if world_size() == 1:
        return stop
    if step % _STEPS_BETWEEN_CHECKS:
        return False
    # NCCL, which connects GPUs, cannot communicate tensors on the host.
    return bool(all_reduce(torch.tensor(float(stop), device=device)) > 0)


def _divide(batch: int, accumulate: int, fabric: Fabric) -> list[slice]:
    """The clips of the batch that this process sees in each gradient step."""
    size = batch // accumulate
    share = size // fabric.world_size
    if share * fabric.world_size != size:
        raise UsageError(f"{size} clips do not divide among {fabric.world_size} processes")
    mine = fabric.global_rank * share
    return [slice(at + mine, at + mine + share) for at in range(0, batch, size)]


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """Set an event on interrupt or termination; a second signal acts as usual, at once."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def request_stop(number: int, _frame: object) -> None:
        stop.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, request_stop)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class RunRecorder:
    """Writes the log and the checkpoints of a run, and counts its time."""

    def __init__(
        self,
        *,
        run: Path,
        fabric: Fabric,
        config: RunConfig,
        report: Report | None,
        first: int,
        spent: float,
        history: dict[str, Any],
    ) -> None:
        self._run = run
        self._fabric = fabric
        self._config = config
        self._report = report
        self._spent = spent
        self._history = history
        self._log = _Log(run / LOG, first) if fabric.is_global_zero else None
        self._began = self._saved = self._entered = time.monotonic()
        self._entered_step = first
        self._best = _best_before(run, first)

    def record_validation(self, step: int, score: float, method: Method) -> None:
        """Log the score of a step; keep its weights if no earlier score was as good."""
        if self._log:
            self._log.write({"step": step, "validation": score})
        if score <= self._best:
            return
        self._best = score
        self.keep(step, method, BEST, validation=score)

    def keep(self, step: int, method: Method, name: str, **facts: float) -> None:
        """Write the weights after a step, without the optimizer, under a name of their own."""
        kept = Checkpoint(
            config=self._config.to_json(),
            step=step,
            weights=method.state_dict(),
            optimizer={},
            history={**self._history, "seconds": self._seconds(), **facts},
        )
        if self._fabric.is_global_zero:
            save_checkpoint(kept, self._run, name=name)

    def log_step(self, step: int, loss: Tensor, rate: float) -> None:
        """Log and report the metrics of a step."""
        now = time.monotonic()
        clips = (step - self._entered_step) * self._config.loop.batch
        metrics = StepMetrics(
            step=step,
            loss=float(all_reduce(loss)),
            lr=rate,
            clips_per_second=round(clips / (now - self._entered), 1),
            seconds=self._seconds(),
        )
        self._entered, self._entered_step = now, step
        if self._log:
            self._log.write({key: getattr(metrics, key) for key in StepMetrics.__slots__})
        if self._report:
            self._report(metrics)

    def checkpoint_is_due(self) -> bool:
        """Whether it is time for the next checkpoint."""
        return time.monotonic() - self._saved > self._config.loop.checkpoint_minutes * 60

    def checkpoint(
        self,
        step: int,
        method: Method,
        optimizer: torch.optim.Optimizer,
        plateau: Plateau | None = None,
    ) -> Checkpoint:
        """Write the state after a step, and return it."""
        course = {PLATEAU: plateau.state()} if plateau else {}
        state = Checkpoint(
            config=self._config.to_json(),
            step=step,
            weights=method.state_dict(),
            optimizer=optimizer_tensors(optimizer),
            history={**self._history, **course, "seconds": self._seconds()},
        )
        if self._fabric.is_global_zero:
            save_checkpoint(state, self._run)
        self._saved = time.monotonic()
        return state

    def _seconds(self) -> float:
        """Seconds of training, including earlier calls."""
        return round(self._spent + time.monotonic() - self._began, 1)


class _Log:
    """The log of a run, in JSON lines; a resumed run drops the steps that it repeats."""

    def __init__(self, path: Path, first: int) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() and first else []
        kept = [line for line in lines if _step_of(line) <= first]
        write_text(path, "".join(f"{line}\n" for line in kept))

    def write(self, values: dict[str, Any]) -> None:
        line = json.dumps(values)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def _best_before(run: Path, first: int) -> float:
    """The best validation score of earlier calls, up to a step."""
    if not first or not (run / BEST).exists():
        return -math.inf
    earlier = load_checkpoint(run / BEST)
    return float(earlier.history["validation"]) if earlier.step <= first else -math.inf


def _step_of(line: str) -> int:
    """Step of a line of the log; that of an incomplete line is beyond any step."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return 1 << 62
