"""The training loop: one for all methods, on one or many devices (Lightning Fabric)."""

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

from stars_infer.errors import UsageError
from stars_infer.train.checkpoint import (
    BEST,
    Checkpoint,
    git_revision,
    load_checkpoint,
    load_weights,
    optimizer_tensors,
    restore_optimizer,
    save_checkpoint,
)
from stars_infer.train.distributed import all_gather, all_reduce, world_size
from stars_infer.train.methods.method import Method
from stars_infer.train.optimizer import make_optimizer, set_learning_rate
from stars_infer.train.run import RunConfig
from stars_infer.train.views.views import Views

LOG = "log.jsonl"
_STEPS_BETWEEN_QUESTIONS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What a step tells: shown in the progress bar and written to the log."""

    step: int
    loss: float
    lr: float
    clips_per_second: float
    seconds: float


class Report(Protocol):
    """Receives progress; must be cheap."""

    def __call__(self, progress: Progress) -> None:
        """Show the progress of a step."""


def fit(
    method: Method,
    views: Views,
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

    A run that is resumed from a checkpoint gives the losses of one that was never interrupted.
    An interrupt or a termination signal ends the run after the current step, with a checkpoint.

    Args:
        method: With the weights to start from.
        views: Its batches.
        config: The run.
        run: Folder of checkpoint and log.
        fabric: Launched; decides device, precision and processes.
        resume: Checkpoint to go on from.
        history: What led here, kept in the checkpoint.
        report: Told about each logged step.
        compiled: Run the method through `torch.compile`.
        validate: Measures the encoder as it is; called by the first process.

    Returns:
        The last checkpoint.
    """
    loop = config.loop
    optimizer = make_optimizer(method, loop, depth=method.layers, betas=method.betas)
    if resume is not None:
        load_weights(method, resume.weights, source=str(run))
    # The checkpoint is that of the bare method, so that it fits any number of processes.
    trained: Any = torch.compile(method, dynamic=True) if compiled else method
    module, wrapped = fabric.setup(trained, optimizer)
    if resume is not None:
        restore_optimizer(optimizer, resume.optimizer)
    module.train()
    step = resume.step if resume else 0
    books = RunRecorder(
        run=run,
        fabric=fabric,
        config=config,
        report=report,
        first=step,
        spent=resume.history["seconds"] if resume else 0.0,
        history={"git": git_revision(), **(history or {})},
    )
    with _signals() as stop:
        while step < config.steps and not _agreed(stop.is_set(), step, fabric.device):
            rate = set_learning_rate(
                wrapped.optimizer, loop, step, steps=config.steps, warmup=config.warmup_steps
            )
            _reseed(loop.seed, step, fabric.global_rank)
            loss = _step(module, wrapped, method, views, step, config, fabric)
            step += 1
            if step % loop.log_every == 0 or step == config.steps:
                books.enter(step, loss, rate)
            if validate is not None and validates_at(step, config) and fabric.is_global_zero:
                module.eval()
                books.validated(step, validate(), method)
                module.train()
            if books.checkpoint_is_due():
                books.checkpoint(step, method, optimizer)
    return books.checkpoint(step, method, optimizer)


def _step(
    module: Any,
    optimizer: Any,
    method: Method,
    views: Views,
    step: int,
    config: RunConfig,
    fabric: Fabric,
) -> Tensor:
    """One optimizer step over the process's share of the batch; returns its part of the loss."""
    optimizer.zero_grad()
    method.progress = step / config.steps
    parts = _parts(config.loop.batch, config.loop.accumulate, fabric)
    losses, keys = [], []
    for number, part in enumerate(parts):
        with fabric.no_backward_sync(module, enabled=number < len(parts) - 1):
            output = module(*views.draw(step, part))
            # Gradients are averaged over processes, but the losses of parts add up.
            fabric.backward(output.loss * fabric.world_size)
        losses.append(output.loss.detach())
        if output.keys is not None:
            keys.append(all_gather(output.keys.detach()))
    optimizer.step()
    method.after_step(torch.cat(keys) if keys else None)
    return torch.stack(losses).sum()


def _reseed(*numbers: int) -> None:
    """Let what a network draws itself (dropout) depend on the step alone, for exact resumes."""
    torch.manual_seed(int(np.random.SeedSequence(numbers).generate_state(1)[0]))


def validates_at(step: int, config: RunConfig) -> bool:
    """Whether a run validates after so many steps: every so many epochs, and at the end."""
    every = config.in_steps(config.loop.validate_every)
    return step == config.steps or (every > 0 and step % every == 0)


def _agreed(stop: bool, step: int, device: torch.device) -> bool:
    """Whether any process wishes to stop; asked now and then, since asking costs."""
    if world_size() == 1:
        return stop
    if step % _STEPS_BETWEEN_QUESTIONS:
        return False
    # NCCL, which connects GPUs, sees nothing that is on the host.
    return bool(all_reduce(torch.tensor(float(stop), device=device)) > 0)


def _parts(batch: int, accumulate: int, fabric: Fabric) -> list[slice]:
    """Which clips of the batch this process sees, gradient step by gradient step."""
    size = batch // accumulate
    share = size // fabric.world_size
    if share * fabric.world_size != size:
        raise UsageError(f"{size} clips do not divide among {fabric.world_size} processes")
    mine = fabric.global_rank * share
    return [slice(at + mine, at + mine + share) for at in range(0, batch, size)]


@contextmanager
def _signals() -> Iterator[threading.Event]:
    """Turn interrupt and termination into a wish to stop after the step; twice is at once."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def wish(number: int, _frame: object) -> None:
        stop.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, wish)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class RunRecorder:
    """What a run keeps of its course: the log, the time, the checkpoints."""

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

    def validated(self, step: int, score: float, method: Method) -> None:
        """Log the score of a step, and keep its weights if none was better."""
        if self._log:
            self._log.write({"step": step, "validation": score})
        if score <= self._best:
            return
        self._best = score
        best = Checkpoint(
            config=self._config.to_json(),
            step=step,
            weights=method.state_dict(),
            optimizer={},
            history={**self._history, "seconds": self._seconds(), "validation": score},
        )
        save_checkpoint(best, self._run, name=BEST)

    def enter(self, step: int, loss: Tensor, rate: float) -> None:
        """Log and report a step."""
        now = time.monotonic()
        clips = (step - self._entered_step) * self._config.loop.batch
        progress = Progress(
            step=step,
            loss=float(all_reduce(loss)),
            lr=rate,
            clips_per_second=round(clips / (now - self._entered), 1),
            seconds=self._seconds(),
        )
        self._entered, self._entered_step = now, step
        if self._log:
            self._log.write({key: getattr(progress, key) for key in Progress.__slots__})
        if self._report:
            self._report(progress)

    def checkpoint_is_due(self) -> bool:
        """Whether the last checkpoint is old enough for the next."""
        return time.monotonic() - self._saved > self._config.loop.checkpoint_minutes * 60

    def checkpoint(self, step: int, method: Method, optimizer: torch.optim.Optimizer) -> Checkpoint:
        """Keep the state after a step."""
        state = Checkpoint(
            config=self._config.to_json(),
            step=step,
            weights=method.state_dict(),
            optimizer=optimizer_tensors(optimizer),
            history={**self._history, "seconds": self._seconds()},
        )
        if self._fabric.is_global_zero:
            save_checkpoint(state, self._run)
        self._saved = time.monotonic()
        return state

    def _seconds(self) -> float:
        """Time trained, earlier calls included."""
        return round(self._spent + time.monotonic() - self._began, 1)


class _Log:
    """The run's JSON lines; a resumed run forgets the steps it will do again."""

    def __init__(self, path: Path, first: int) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() and first else []
        kept = [line for line in lines if _step_of(line) <= first]
        path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")

    def write(self, values: dict[str, Any]) -> None:
        line = json.dumps(values)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def _best_before(run: Path, first: int) -> float:
    """The best validation up to a step, of an earlier session."""
    if not first or not (run / BEST).exists():
        return -math.inf
    earlier = load_checkpoint(run / BEST)
    return float(earlier.history["validation"]) if earlier.step <= first else -math.inf


def _step_of(line: str) -> int:
    """Step of a log line; a torn line counts as beyond any step."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return 1 << 62
