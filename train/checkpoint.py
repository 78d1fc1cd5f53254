"""Checkpoints: one safetensors file that carries its own description.

Tensors (weights, optimizer moments, queue) and a JSON header (schema, method, configuration, step,
git revision) share one file, so that a kill can never leave half of a checkpoint: it is written
beside the old one and takes its place in a single rename.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from stars_infer.atomic import written_beside
from stars_infer.errors import ModelError, UsageError

SCHEMA = 2
WEIGHTS = TEACHER, STUDENT = "teacher", "student"
"""Whose weights of a run with both are its encoder's."""
FILE = "checkpoint.safetensors"
BEST = "best.safetensors"
"""The checkpoint whose validation was best, where a run validates."""
_HEADER = "stars"
_OPTIMIZER = "optimizer/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A method's state after so many steps.

    Attributes:
        config: The run's configuration, as JSON values; its key `method` names the method.
        step: Steps done.
        weights: The method's state dict, buffers such as the queue included.
        optimizer: Optimizer tensors as `{parameter number}/{name}`; empty when imported.
        history: What led here: git revision, seconds trained, and for a tuned encoder the run
            it started from.
    """

    config: dict[str, Any]
    step: int
    weights: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    history: dict[str, Any]

    def encoder_weights(self) -> dict[str, Tensor]:
        """The weights of the encoder alone, under its own names."""
        prefix = "encoder."
        return {
            name.removeprefix(prefix): tensor
            for name, tensor in self.weights.items()
            if name.startswith(prefix)
        }

    def with_weights(self, whose: str, *, source: str) -> Checkpoint:
        """The same with the student in the place of the encoder, if that is asked for.

        A run that keeps both has the teacher as its encoder, under `encoder.`, and the student
        under `student.`.

        Raises:
            UsageError: If `whose` is neither `teacher` nor `student`, or there is no student.
        """
        if whose not in WEIGHTS:
            raise UsageError(f"--weights is {' or '.join(WEIGHTS)}, not {whose!r}")
        if whose == TEACHER:
            return self
        prefix = f"{STUDENT}."
        taken = {
            "encoder." + name.removeprefix(prefix): tensor
            for name, tensor in self.weights.items()
            if name.startswith(prefix)
        }
        if not taken:
            raise UsageError(
                f"{source}: {self.config['method']} keeps one encoder only; "
                f"leave --weights {STUDENT} out"
            )
        history = {**self.history, "weights": STUDENT}
        return replace(self, weights={**self.weights, **taken}, history=history)


def save_checkpoint(checkpoint: Checkpoint, run: Path, *, name: str = FILE) -> None:
    """Write a checkpoint into a run's folder, replacing the one before in one rename."""
    header = {
        "schema": SCHEMA,
        "config": checkpoint.config,
        "step": checkpoint.step,
        "history": checkpoint.history,
    }
    state = checkpoint.weights | {
        _OPTIMIZER + name: tensor for name, tensor in checkpoint.optimizer.items()
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    run.mkdir(parents=True, exist_ok=True)
    with written_beside(run / name) as beside:
        save_file(tensors, beside, metadata={_HEADER: json.dumps(header)})


def load_checkpoint(run: Path) -> Checkpoint:
    """Read the checkpoint of a run, or a checkpoint file.

    Raises:
        ModelError: If there is none, or it is damaged or of another schema.
    """
    path = run / FILE if run.is_dir() else run
    if not path.exists():
        raise ModelError(f"{run}: no {FILE} here; name a folder that `stars train` wrote")
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads(file.metadata()[_HEADER])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: not a readable checkpoint of stars-infer ({error})") from error
    if header["schema"] != SCHEMA:
        raise ModelError(
            f"{path}: checkpoint of schema {header['schema']}, expected {SCHEMA}: train it again"
        )
    optimizer = {
        name.removeprefix(_OPTIMIZER): tensor
        for name, tensor in tensors.items()
        if name.startswith(_OPTIMIZER)
    }
    return Checkpoint(
        config=header["config"],
        step=header["step"],
        weights={k: v for k, v in tensors.items() if not k.startswith(_OPTIMIZER)},
        optimizer=optimizer,
        history=header["history"],
    )


def load_weights(module: nn.Module, weights: dict[str, Tensor], *, source: str) -> None:
    """Load a state dict, refusing missing, unknown and misshapen entries by name.

    Raises:
        ModelError: If the weights do not fit the module.
    """
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise ModelError(f"{source}: the weights do not fit the network: {error}") from error


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The moments of an optimizer, flat."""
    return {
        f"{number}/{name}": value
        for number, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put the moments back; learning rates follow from the schedule."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, name = key.split("/")
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict(
        {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
    )


def git_revision() -> str:
    """Revision of the source tree, if this is one."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return described.stdout.strip()
