"""Checkpoints: safetensors files that describe themselves.

The tensors (weights, optimizer moments, queue) and a JSON header (schema, configuration, step,
history) share one file, with a hash of both. It is written beside the old one and replaces it in
one rename, so that a kill cannot leave an incomplete checkpoint. The one before is kept, and is
used if a disk has damaged the new one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from stars_infer.atomic import flush, folder_beside, new_beside, written_beside
from stars_infer.errors import ModelError, StarsWarning, UsageError, brief

SCHEMA = 2
WEIGHTS = TEACHER, STUDENT = "teacher", "student"
"""The two networks of a run that trains a student with a teacher."""
FILE = "checkpoint.safetensors"
PREVIOUS = "checkpoint.previous.safetensors"
"""The checkpoint before that."""
DAMAGED = "checkpoint.damaged.safetensors"
"""A checkpoint that could not be read when the run went on."""
BEST = "best.safetensors"
"""The checkpoint with the best validation score, if the run validates."""
_HEADER, _HASH = "stars", "sha256"
_KEYS = {"schema", "config", "step", "history"}
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
    """Write a checkpoint into the folder of a run, in one rename.

    The checkpoint `FILE` that was there becomes `PREVIOUS`.
    """
    header = json.dumps(
        {
            "schema": SCHEMA,
            "config": checkpoint.config,
            "step": checkpoint.step,
            "history": checkpoint.history,
        }
    )
    state = checkpoint.weights | {
        _OPTIMIZER + name: tensor for name, tensor in checkpoint.optimizer.items()
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    run.mkdir(parents=True, exist_ok=True)
    metadata = {_HEADER: header, _HASH: _hash(header, tensors)}
    with written_beside(run / name) as beside, folder_beside(run / name) as folder:
        save_file(tensors, folder / name, metadata=metadata)  # which leaves a file when killed
        (folder / name).replace(beside)
        if name == FILE and (run / FILE).exists():
            _link(run / FILE, run / PREVIOUS)


def load_checkpoint(run: Path, *, tensors: bool = True, set_aside: bool = False) -> Checkpoint:
    """Read the checkpoint of a run, or a checkpoint file; without `tensors`, its header only.

    If that of a run is damaged, the one before is read, with a warning.

    Args:
        run: Folder of the run, or the file.
        tensors: Whether tensors are read, too.
        set_aside: Whether a damaged one is renamed, so that it never becomes the one before.

    Raises:
        ModelError: If there is none, it is damaged, or it has another schema.
    """
    path = run / FILE if run.is_dir() else run
    if not (path.exists() or (run / PREVIOUS).exists()):
        raise ModelError(f"{run}: no {FILE} here; name a folder that `stars train` wrote")
    if not run.is_dir():
        return _read(run, tensors=tensors)
    try:
        return _read(path, tensors=tensors)
    except ModelError as error:
        if not (run / PREVIOUS).exists():
            raise
        earlier = _read(run / PREVIOUS, tensors=tensors)
        if set_aside and path.exists():
            path.replace(run / DAMAGED)
        warnings.warn(
            f"{error}; the one before it, of step {earlier.step:,}, is used",
            StarsWarning,
            stacklevel=2,
        )
        return earlier


def newest_checkpoint(run: Path) -> int | None:
    """Step of the checkpoint of a run; None if it has none that can be read."""
    try:
        return load_checkpoint(run, tensors=False).step
    except ModelError:
        return None


def _read(path: Path, *, tensors: bool) -> Checkpoint:
    try:
        with safe_open(path, framework="pt") as file:
            facts = file.metadata()
            header = json.loads(facts[_HEADER])
            if not isinstance(header, dict) or not header.keys() >= _KEYS:
                raise ValueError(f"its header has no {', '.join(sorted(_KEYS))}")
            names = file.keys() if tensors else ()
            found = {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{path}: not a readable checkpoint of stars-infer ({brief(error)})"
        ) from error
    # Checkpoints of earlier versions have no hash.
    if tensors and _HASH in facts and facts[_HASH] != _hash(facts[_HEADER], found):
        raise ModelError(f"{path}: damaged: its contents are not those that were written")
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


def _hash(header: str, tensors: dict[str, Tensor]) -> str:
    """SHA-256 of a header and of tensors on the host, by their names."""
    found = hashlib.sha256(header.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        if tensor.numel():
            found.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def _link(path: Path, other: Path) -> None:
    """Give a file another name, too; where the disk knows no links, copy it."""
    beside = new_beside(other)
    try:
        try:
            beside.unlink()
            os.link(path, beside)
        except OSError:
            shutil.copyfile(path, beside)
            flush(beside)
        beside.replace(other)
    finally:
        beside.unlink(missing_ok=True)


def load_weights(module: nn.Module, weights: dict[str, Tensor], *, source: str) -> None:
    """Load a state dict into a module.

    Raises:
        ModelError: If entries are missing, unknown or misshapen; the message names one of each.
    """
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        wanted = module.state_dict()
        kinds = {
            "missing": [name for name in wanted if name not in weights],
            "unknown": [name for name in weights if name not in wanted],
            "of another shape": [
                name
                for name in wanted
                if name in weights and weights[name].shape != wanted[name].shape
            ],
        }
        told = [
            f"{len(names)} {kind} ({names[0][:60]!r})" for kind, names in kinds.items() if names
        ]
        raise ModelError(
            f"{source}: the weights do not fit the network: {', '.join(told) or brief(error)}"
        ) from error


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
