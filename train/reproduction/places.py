"""Where the runs of a reproduction lie, their commands, and how far they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stars_infer.errors import UsageError
from stars_infer.train.checkpoint import FILE, STUDENT, kept_name
from stars_infer.train.methods.method import PRETRAIN
from stars_infer.train.reproduction.made import (
    is_complete,
    read_result,
    result_differences,
    run_differences,
)
from stars_infer.train.reproduction.runs import TUNED, Evaluation, Fusion, Node, Training
from stars_infer.train.tables.table import SETS

STATES = DONE, BEGUN, OPEN = "done", "begun", "open"
RAW_NAMES = {
    "ntu60": ("ntu60.pkl", "ntu60_3danno.pkl", "nturgb+d_skeletons"),
    "ntu120": ("ntu120.pkl", "ntu120_3danno.pkl", "nturgb+d120_skeletons"),
    "pku1": ("PKU-MMD-1", "PKUMMDv1"),
    "pku2": ("PKU-MMD-2", "PKUMMDv2"),
}
"""Names under which raw data is looked for, besides that of the data set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Folders of a reproduction.

    Attributes:
        out: Everything that it makes.
        data: Folder of packs or raw data; None where nothing is to be run.
        adopted: Folders of runs that were made before, by key.
        machine: Flags of every training, such as `--devices 4`.
        device: Flags of measurements of frozen encoders.
    """

    out: Path
    data: Path | None = None
    adopted: Mapping[str, Path] = field(default_factory=dict)
    machine: Sequence[str] = ()
    device: Sequence[str] = ()

    def run(self, training: Training) -> Path:
        """Folder of a training."""
        return self.adopted.get(training.key, self.out / "runs" / training.name)

    def result(self, node: Evaluation | Fusion) -> Path:
        """JSON of a measurement."""
        part = node.part
        name = f"{node.protocol}-{part.dataset}-{part.split}.json"
        return self.out / "results" / node.name / name

    def pack(self, dataset: str) -> Path:
        """The pack of a data set: that in `data`, or the one that is made of raw data."""
        own = self.data / dataset if self.data else None
        if own and (own / "pack.json").exists():
            return own
        return self.out / "packs" / dataset

    def raw(self, dataset: str) -> Path:
        """Raw data of a data set.

        Raises:
            UsageError: If there is none.
        """
        if self.data is None:
            raise UsageError("--data names the folder of the data sets")
        for name in (dataset, *RAW_NAMES[dataset]):
            if (self.data / name).exists():
                return self.data / name
        raise UsageError(
            f"{self.data}: no {SETS[dataset]} here; put the pack or the raw data there as "
            f"{dataset}, or as {' or '.join(RAW_NAMES[dataset])}"
        )

    def command(self, node: Node) -> tuple[str, ...]:
        """Arguments of `stars` that run a node."""
        if isinstance(node, Training):
            return self._train(node)
        out = ("--out", str(self.result(node).parent))
        if isinstance(node, Fusion):
            paths = (str(self.result(part)) for part in node.parts)
            return ("train", "eval", "fuse", *paths, *out)
        trained = node.trained
        if node.of is None:
            shape = () if trained is None else ("--like", str(self.run(trained)))
            subject: tuple[str, ...] = ("random", *shape)
        else:
            run = self.run(node.of)
            subject = (str(run if node.checkpoint == FILE else run / node.checkpoint),)
        weights = ("--weights", STUDENT) if node.weights == STUDENT else ()
        machine = self.machine if node.protocol in TUNED else self.device
        return (
            "train", "eval", node.protocol, *subject, *weights,
            "--data", str(self.pack(node.part.dataset)), "--split", node.part.split,
            *flags_of(node.flags), *machine, *out,
        )  # fmt: skip

    def _train(self, training: Training) -> tuple[str, ...]:
        watch = {"validate_every": training.validate, "keep": training.keep}
        start = () if training.start is None else ("--from", str(self.run(training.start)))
        verb = "pretrain" if training.recipe.stage == PRETRAIN else "tune"
        return (
            "train", verb, str(self.pack(training.part.dataset)), "--split", training.part.split,
            "--recipe", training.recipe.name, *start, *flags_of(training.flags),
            *flags_of({name: value for name, value in watch.items() if value}), *self.machine,
            "--out", str(self.run(training)),
        )  # fmt: skip

    def state(self, node: Node) -> str:
        """How far a node is: one of `STATES`."""
        if isinstance(node, Training):
            folder = self.run(node)
            if not (folder / FILE).exists():
                return OPEN
            return DONE if is_complete(folder) else BEGUN
        path = self.result(node)
        if path.exists():
            return DONE
        tuned = isinstance(node, Evaluation) and node.protocol in TUNED
        return BEGUN if tuned and path.with_suffix("").exists() else OPEN

    def refusal(self, node: Node) -> str:
        """Why what lies in the place of a node is not that node; empty if it is, or is not there.

        Raises:
            StarsError: If it cannot be read.
        """
        if self.state(node) == OPEN or isinstance(node, Fusion):
            return ""
        if isinstance(node, Evaluation):
            path = self.result(node)
            differing = result_differences(node, read_result(path)) if path.exists() else []
            return f"{path}: {'; '.join(differing)}" if differing else ""
        folder = self.run(node)
        differing = run_differences(node, folder)
        if not differing and self.state(node) == DONE:
            differing = [f"has no {name}" for name in _files(node) if not (folder / name).exists()]
        return f"{folder}: {'; '.join(differing)}" if differing else ""


def flags_of(settings: Mapping[str, Any]) -> Iterator[str]:
    """Settings as they are written in a shell."""
    for name, value in settings.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            yield f"--{flag}" if value else f"--no-{flag}"
        elif isinstance(value, list | tuple):
            for each in value:
                yield from (f"--{flag}", str(each))
        else:
            yield from (f"--{flag}", str(value))


def _files(training: Training) -> Iterator[str]:
    """Files that a complete run has beside its last checkpoint."""
    if training.validate:
        yield training.measured
    for number in range(1, training.keep + 1):
        yield kept_name(number)
