"""Where a run is followed besides `log.jsonl`: TensorBoard, Weights & Biases or MLflow."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from stars_infer.errors import MissingExtraError, UsageError


class Tracker(Protocol):
    """Receives the numbers of logged steps."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Take in the numbers of a step."""

    def close(self, *, failed: bool) -> None:
        """Finish; `failed` if the run ended by an error."""


class TensorBoard:
    """Event files in the folder `tensorboard` of the run; `tensorboard --logdir RUNS` shows them.

    A run that is resumed goes on after the step of its checkpoint.
    """

    def __init__(self, run: Path, config: Mapping[str, Any], first: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise _missing("tensorboard") from error
        make: Any = SummaryWriter  # untyped
        self._writer = make(str(run / "tensorboard"), purge_step=first + 1 if first else None)
        self._writer.add_text("configuration", _as_table(config), first)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Write one scalar for each number."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self, *, failed: bool) -> None:
        """Close the file."""
        self._writer.close()


class WeightsAndBiases:
    """A run at Weights & Biases, which this sends to its server; `WANDB_MODE=offline` does not."""

    def __init__(self, run: Path, config: Mapping[str, Any], first: int) -> None:
        try:
            import wandb
        except ImportError as error:
            raise _missing("wandb") from error
        kept = run / "wandb-run.txt"
        name = kept.read_text(encoding="utf-8").strip() if first and kept.exists() else None
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "stars-infer"),
            name=run.name,
            dir=str(run),
            id=name,
            resume="allow" if name else None,
            config=dict(config),
        )
        kept.write_text(f"{self._run.id}\n", encoding="utf-8")

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Log the numbers of a step."""
        self._run.log(dict(values), step=step)

    def close(self, *, failed: bool) -> None:
        """Finish the run."""
        self._run.finish(exit_code=int(failed))


class MlFlow:
    """A run of MLflow, where `MLFLOW_TRACKING_URI` says, else in the folder in which one works."""

    def __init__(self, run: Path, config: Mapping[str, Any], first: int) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        try:
            import mlflow
        except ImportError as error:
            raise _missing("mlflow") from error
        self._mlflow = mlflow
        kept = run / "mlflow-run.txt"
        name = kept.read_text(encoding="utf-8").strip() if first and kept.exists() else None
        if "MLFLOW_EXPERIMENT_NAME" not in os.environ:
            mlflow.set_experiment("stars-infer")
        started = mlflow.start_run(run_id=name, run_name=None if name else run.name)
        kept.write_text(f"{started.info.run_id}\n", encoding="utf-8")
        if name is None:
            mlflow.log_params(_flat(config))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Log the numbers of a step."""
        self._mlflow.log_metrics(dict(values), step=step)

    def close(self, *, failed: bool) -> None:
        """End the run."""
        self._mlflow.end_run("FAILED" if failed else "FINISHED")


TRACKERS: dict[str, Callable[[Path, Mapping[str, Any], int], Tracker]] = {
    "tensorboard": TensorBoard,
    "wandb": WeightsAndBiases,
    "mlflow": MlFlow,
}
"""Every tracker by its name in `--log`."""


def check_names(names: Sequence[str]) -> None:
    """Make sure that trackers are known.

    Raises:
        UsageError: If one is not.
    """
    for name in names:
        if name not in TRACKERS:
            raise UsageError(f"--log is one of {', '.join(TRACKERS)}, not {name!r}")


def open_trackers(
    names: Sequence[str], run: Path, config: Mapping[str, Any], first: int
) -> list[Tracker]:
    """Open trackers.

    Args:
        names: Of `TRACKERS`.
        run: Folder of the run.
        config: Its configuration, as JSON values.
        first: Step from which it is resumed; 0 if it starts anew.

    Raises:
        UsageError: If a name is unknown.
        MissingExtraError: If its package is not installed.
    """
    check_names(names)
    run.mkdir(parents=True, exist_ok=True)
    return [TRACKERS[name](run, config, first) for name in dict.fromkeys(names)]


def _missing(name: str) -> MissingExtraError:
    return MissingExtraError(f"--log {name}", name, name)


def _flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with dotted names."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat |= {f"{key}.{name}": inner for name, inner in _flat(value).items()}
        else:
            flat[key] = value
    return flat


def _as_table(config: Mapping[str, Any]) -> str:
    """Settings as a Markdown table."""
    rows = [f"| {name} | {value} |" for name, value in _flat(config).items()]
    return "\n".join(("| setting | value |", "| --- | --- |", *rows))
