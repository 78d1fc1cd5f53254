"""The record of a run: its log, its checkpoints and its time."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric

from stars_infer.atomic import write_text
from stars_infer.train.checkpoint import (
    BEST,
    Checkpoint,
    load_checkpoint,
    optimizer_tensors,
    save_checkpoint,
)
from stars_infer.train.methods.method import Method
from stars_infer.train.plateau import PLATEAU, Plateau
from stars_infer.train.run import RunConfig
from stars_infer.train.trackers import Tracker

LOG = "log.jsonl"


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
        trackers: Sequence[Tracker] = (),
    ) -> None:
        self._run = run
        self._fabric = fabric
        self._config = config
        self._report = report
        self._spent = spent
        self._history = history
        self._log = _Log(run / LOG, first) if fabric.is_global_zero else None
        self._trackers = trackers
        self._began = self._saved = self._entered = time.monotonic()
        self._entered_step = first
        self._best = _best_before(run, first)

    def record_validation(self, step: int, score: float, method: Method) -> None:
        """Log the score of a step; keep its weights if no earlier score was as good."""
        self._write({"step": step, "validation": score})
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

    def log_step(self, step: int, loss: float, rate: float) -> None:
        """Log and report the metrics of a step, whose loss is that of all processes."""
        now = time.monotonic()
        clips = (step - self._entered_step) * self._config.loop.batch
        metrics = StepMetrics(
            step=step,
            loss=loss,
            lr=rate,
            clips_per_second=round(clips / (now - self._entered), 1),
            seconds=self._seconds(),
        )
        self._entered, self._entered_step = now, step
        self._write({key: getattr(metrics, key) for key in StepMetrics.__slots__})
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

    def _write(self, values: dict[str, Any]) -> None:
        """Add a line to the log of the first process, and to its trackers."""
        if self._log is None:
            return
        self._log.write(values)
        for tracker in self._trackers:
            tracker.log(values["step"], {k: v for k, v in values.items() if k != "step"})

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
