"""The training loop of all methods, on one or several devices (Lightning Fabric)."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from stars_infer.errors import UsageError
from stars_infer.train.checkpoint import (
    Checkpoint,
    git_revision,
    kept_name,
    load_weights,
    restore_optimizer,
)
from stars_infer.train.distributed import all_gather, all_reduce, world_size
from stars_infer.train.divergence import LossWatch, all_finite
from stars_infer.train.methods.method import Method
from stars_infer.train.networks.compiled_gru import know_gru
from stars_infer.train.optimizer import make_optimizer, set_learning_rate
from stars_infer.train.plateau import Plateau
from stars_infer.train.pools.batches import PoolBatches
from stars_infer.train.recorder import Report, RunRecorder
from stars_infer.train.run import RunConfig
from stars_infer.train.trackers import Tracker
from stars_infer.train.views.batch import Batch
from stars_infer.train.views.upload import draw_ahead
from stars_infer.train.views.views import Views

_STEPS_BETWEEN_CHECKS = 10
Batches = Iterator[tuple[Batch, ...]]


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
    trackers: Sequence[Tracker] = (),
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
        validate: Measures the encoder in its current state; every process calls it.
        trackers: Receive what the log receives, in the first process.

    Returns:
        The last checkpoint.

    Raises:
        DivergedError: If the loss of a step is no finite number; the last checkpoint is kept.
    """
    loop = config.loop
    optimizer = make_optimizer(method, loop, depth=method.layers, betas=method.betas)
    if resume is not None:
        load_weights(method, resume.weights, source=str(run))
    # The checkpoint holds the unwrapped method, so that it fits any number of processes.
    trained: Any = method
    if compiled:
        know_gru()
        trained = torch.compile(method, dynamic=True)
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
        trackers=trackers,
    )
    watch = LossWatch(run, views, device=fabric.device)
    parts = _divide(loop.batch, loop.accumulate, fabric)
    drawn = draw_ahead(views, ((at, part) for at in range(step, config.steps) for part in parts))
    with _stop_signals() as stop, closing(drawn):
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
            method.progress = step / config.steps
            loss = take_step(module, wrapped, method, len(parts), drawn, fabric)
            step += 1
            watch.add(step, loss)
            if plateau:
                plateau.add(loss)
            if step % loop.log_every == 0 or step == config.steps:
                recorder.log_step(step, watch.look(loss), rate)
            if validate is not None and validates_at(step, config):
                watch.look()
                module.eval()
                recorder.record_validation(step, validate(), method)
                module.train()
            if number := kept_at(step, config):
                watch.look()
                recorder.keep(step, method, kept_name(number))
            if recorder.checkpoint_is_due() and all_finite(method):
                recorder.checkpoint(step, method, optimizer, plateau)
    watch.look()
    return recorder.checkpoint(step, method, optimizer, plateau)


def take_step(
    module: Any, optimizer: Any, method: Method, parts: int, drawn: Batches, fabric: Fabric
) -> Tensor:
    """Take an optimizer step over this process's share of the batch; return its loss.

    Args:
        module: The method as Fabric has wrapped it.
        optimizer: As Fabric has wrapped it.
        method: The method.
        parts: Number of gradient steps.
        drawn: Gives a batch to each of them.
        fabric: From `fit`.
    """
    optimizer.zero_grad()
    losses, keys = [], []
    for number in range(parts):
        with fabric.no_backward_sync(module, enabled=number < parts - 1):
            output = module(*next(drawn))
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
