"""Checkpoints: safetensors files that describe themselves.

The tensors (weights, optimizer moments, queue) and a JSON header (schema, configuration, step,
history) share one file. It is written beside the old one and replaces it in one rename, so that a
kill cannot leave an incomplete checkpoint.
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
"""The two networks of a run that trains a student with a teacher."""
FILE = "checkpoint.safetensors"
BEST = "best.safetensors"
"""The checkpoint with the best validation score, if the run validates."""
_HEADER = "stars"
_OPTIMIZER = "optimizer/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The state of a method after some steps.

    Attributes:
        config: Configuration of the run, as JSON values; the key `method` names the method.
        step: Number of steps that are done.
        weights: State dict of the method, including buffers such as the queue.
        optimizer: Optimizer tensors by `{parameter number}/{name}`; empty in imported checkpoints.
        history: What led to this state: git revision, seconds of training, and the run that the
            encoder started from, if any.
    """

    config: dict[str, Any]
    step: int
    weights: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    history: dict[str, Any]

    def encoder_weights(self) -> dict[str, Tensor]:
        """Weights of the encoder, by their names in the encoder."""
        prefix = "encoder."
        return {
            name.removeprefix(prefix): tensor
            for name, tensor in self.weights.items()
            if name.startswith(prefix)
        }

    def with_weights(self, whose: str, *, source: str) -> Checkpoint:
        """This checkpoint with the teacher or the student as its encoder.

        In a run that has both, the weights of the teacher are those under `encoder.`, and those of
        the student are under `student.`.

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


def kept_name(number: int) -> str:
    """File name of one of the checkpoints that a run keeps, counted from 1."""
    return f"kept-{number}.safetensors"


def save_checkpoint(checkpoint: Checkpoint, run: Path, *, name: str = FILE) -> None:
    """Write a checkpoint into the folder of a run; it replaces the old one in one rename."""
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


def load_checkpoint(run: Path, *, tensors: bool = True) -> Checkpoint:
    """Read the checkpoint of a run, or a checkpoint file; without `tensors`, its header only.

    Raises:
        ModelError: If there is none, it is damaged, or it has another schema.
    """
    path = run / FILE if run.is_dir() else run
    if not path.exists():
        raise ModelError(f"{run}: no {FILE} here; name a folder that `stars train` wrote")
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads(file.metadata()[_HEADER])
            names = file.keys() if tensors else ()
            found = {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: not a readable checkpoint of stars-infer ({error})") from error
    if header["schema"] != SCHEMA:
        raise ModelError(
            f"{path}: checkpoint of schema {header['schema']}, expected {SCHEMA}: train it again"
        )
    optimizer = {
        name.removeprefix(_OPTIMIZER): tensor
        for name, tensor in found.items()
        if name.startswith(_OPTIMIZER)
    }
    return Checkpoint(
        config=header["config"],
        step=header["step"],
        weights={k: v for k, v in found.items() if not k.startswith(_OPTIMIZER)},
        optimizer=optimizer,
        history=header["history"],
    )


def load_weights(module: nn.Module, weights: dict[str, Tensor], *, source: str) -> None:
    """Load a state dict into a module.

    Raises:
        ModelError: If entries are missing, unknown or misshapen; the message names them.
    """
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise ModelError(f"{source}: the weights do not fit the network: {error}") from error


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The tensors of an optimizer's state, by `{parameter number}/{name}`."""
    return {
        f"{number}/{name}": value
        for number, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Restore the tensors of an optimizer's state; learning rates follow from the schedule."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, name = key.split("/")
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict(
        {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
    )


def git_revision() -> str:
    """Git revision of the source tree, or `unknown`."""
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
