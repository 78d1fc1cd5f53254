"""Reproduction of a column of the papers' tables: data, both stages, all protocols, a report.

A reproduction is a list of `stars` commands, each of which can be resumed by itself. A command
whose output exists is skipped.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stars_infer.atomic import write_text
from stars_infer.errors import StarsError, UsageError
from stars_infer.train.checkpoint import BEST, FILE, load_checkpoint
from stars_infer.train.run import RunConfig

REPORT = "report.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A column of the papers' tables.

    Attributes:
        dataset: Official data set.
        split: Split of the data set.
        pretrain: Recipe of stage 1.
        absent_bodies: Treatment of a missing second body in MAMP's preparation of the data set.
        protocols: Protocols that the papers report.
    """

    dataset: str
    split: str
    pretrain: str = "mamp"
    absent_bodies: str = "zeros"
    protocols: tuple[str, ...] = ("knn", "linear", "finetune")


_SEMI = ("knn", "linear", "finetune", "semi")
TARGETS: Mapping[str, Target] = {
    "ntu60-xsub": Target(dataset="ntu60", split="xsub", protocols=_SEMI),
    "ntu60-xview": Target(dataset="ntu60", split="xview", protocols=_SEMI),
    "ntu120-xsub": Target(
        dataset="ntu120", split="xsub", pretrain="mamp-ntu120", absent_bodies="copy"
    ),
    "ntu120-xset": Target(
        dataset="ntu120", split="xset", pretrain="mamp-ntu120", absent_bodies="copy"
    ),
    "pku2-xsub": Target(dataset="pku2", split="xsub", protocols=("knn", "linear", "finetune")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Raw data of a reproduction.

    Attributes:
        raw: Data set of the target.
        ntu120: NTU-120, for the few-shot protocol of NTU-60 XSub.
        pku2: PKU-MMD II, for the transfer protocol.
    """

    raw: Path
    ntu120: Path | None = None
    pku2: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipes:
    """Recipes that replace those of the papers, by name or path."""

    pretrain: str | None = None
    tune: str | None = None
    finetune: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One command of a reproduction.

    Attributes:
        name: Name of the step, for people.
        command: Arguments of `stars`.
        begun: Tells whether an earlier call left something to resume.
        done: Tells whether the output of the step exists.
    """

    name: str
    command: tuple[str, ...]
    begun: Callable[[], bool]
    done: Callable[[], bool]


def plan(
    name: str,
    sources: Sources,
    out: Path,
    *,
    recipes: Recipes | None = None,
    machine: Sequence[str] = (),
) -> list[Step]:
    """List the steps of a reproduction.

    Args:
        name: One of `TARGETS`.
        sources: Raw data.
        out: Folder of packs, runs and report.
        recipes: Replace the recipes of the papers.
        machine: Flags of every training, such as `--devices 4`.

    Raises:
        UsageError: If there is no such target, or it does not use one of the sources.
    """
    if name not in TARGETS:
        raise UsageError(f"reproduce what? one of {', '.join(TARGETS)}, not {name!r}")
    target = TARGETS[name]
    if sources.ntu120 and name != "ntu60-xsub":
        raise UsageError("--ntu120 serves the few-shot protocol, which the papers have for "
                         "ntu60-xsub only")  # fmt: skip
    if sources.pku2 and target.dataset == "pku2":
        raise UsageError("--pku2 serves the transfer to PKU-II; name it with --raw here")
    recipes = recipes or Recipes()
    pack, runs = out / "packs" / target.dataset, out / "runs"
    on = (str(pack), "--split", target.split, *machine)
    absent = () if recipes.pretrain else ("--absent-bodies", target.absent_bodies)
    steps = [
        _prepare(target.dataset, sources.raw, pack),
        _train(
            "stage 1", runs / "mamp",
            ("pretrain", *on, "--recipe", recipes.pretrain or target.pretrain, *absent),
        ),
        _train(
            "stage 2", runs / "stars",
            ("tune", *on, "--from", str(runs / "mamp"), "--recipe", recipes.tune or "stars",
             "--validate-every", "1"),
        ),
    ]  # fmt: skip
    others = {
        "fewshot": ("ntu120", sources.ntu120, "novel"),
        "transfer": ("pku2", sources.pku2, "xsub"),
    }
    for dataset, raw, _ in others.values():
        if raw:
            steps.append(_prepare(dataset, raw, out / "packs" / dataset))
    for run in (runs / "mamp" / FILE, runs / "stars" / BEST):
        for protocol in target.protocols:
            steps.append(_evaluate(protocol, run, pack, target.split, recipes, machine))
        for protocol, (dataset, raw, split) in others.items():
            if raw:
                folder = out / "packs" / dataset
                steps.append(_evaluate(protocol, run, folder, split, recipes, machine))
    return steps


def reproduce(steps: Sequence[Step], *, say: Callable[[str], None]) -> None:
    """Run the steps that are not done yet.

    Args:
        steps: From `plan`.
        say: Called with a line about each step.

    Raises:
        StarsError: If a step fails; when called again, the reproduction continues there.
    """
    for number, step in enumerate(steps, 1):
        line = f"{number}/{len(steps)} {step.name}"
        if step.done():
            say(f"{line}: done before")
            continue
        resume = ("--resume",) if step.begun() else ()
        command = (*step.command, *resume)
        say(f"{line}: stars {' '.join(command)}")
        code = subprocess.run([sys.executable, "-m", "stars_infer", *command], check=False)
        if not step.done():
            raise StarsError(
                f"{step.name} ended with exit code {code.returncode}; "
                "the same command goes on from here"
            )


def write_report(name: str, out: Path) -> Path:
    """Write the results of a reproduction to a Markdown table.

    Returns:
        Path of the report.

    Raises:
        StarsError: If there is no result.
    """
    results = list(_results(out))
    if not results:
        raise StarsError(f"{out}: no result to report")
    lines = [f"# {name}", "", "| protocol | data | setting | run | accuracy % | paper % |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    for result in results:
        known = {
            figure["setting"]: figure["accuracy"]
            for figure in result["paper"]
            if figure["method"] == result["method"]
        }
        for score in result["scores"]:
            paper = known.get(score["setting"])
            deviation = "" if score["deviation"] is None else f" ± {score['deviation']:.1f}"
            cells = (
                result["protocol"],
                f"{result['data']} {result['split']}",
                score["setting"],
                result["method"],
                f"{score['accuracy']:.1f}{deviation}",
                "–" if paper is None else f"{paper:.1f}",
            )
            lines.append("| " + " | ".join(cells) + " |")
    path = out / REPORT
    write_text(path, "\n".join(lines) + "\n")
    return path


def _prepare(dataset: str, raw: Path, pack: Path) -> Step:
    return Step(
        name=f"prepare {dataset}",
        command=("data", "prepare", dataset, "--raw", str(raw), "--out", str(pack)),
        begun=lambda: False,
        done=lambda: (pack / "pack.json").exists(),
    )


def _train(name: str, run: Path, command: tuple[str, ...]) -> Step:
    return Step(
        name=name,
        command=("train", *command, "--out", str(run)),
        begun=lambda: (run / FILE).exists(),
        done=lambda: _is_finished(run),
    )


def _evaluate(
    protocol: str, run: Path, pack: Path, split: str, recipes: Recipes, machine: Sequence[str]
) -> Step:
    folder = run.parent / "eval"
    trains = protocol in ("finetune", "semi", "transfer")
    command = ["train", "eval", protocol, str(run), "--data", str(pack), "--split", split]
    if trains:
        command += ["--recipe", recipes.finetune or "finetune", *machine]
    name = f"{protocol}-{pack.name}-{split}"
    return Step(
        name=f"{protocol} of {run.parent.name} on {pack.name}, {split}",
        command=(*command, "--out", str(folder)),
        begun=lambda: trains and (folder / name).exists(),
        done=lambda: (folder / f"{name}.json").exists(),
    )


def _is_finished(run: Path) -> bool:
    if not (run / FILE).exists():
        return False
    checkpoint = load_checkpoint(run)
    return checkpoint.step >= RunConfig.from_json(checkpoint.config, source=str(run)).steps


def _results(out: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(out.glob("runs/*/eval/*.json")):
        yield json.loads(path.read_text(encoding="utf-8"))
