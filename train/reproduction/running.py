"""Running what a reproduction still needs, command by command; called again, it goes on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from stars_infer.errors import StarsError, UsageError
from stars_infer.train.checkpoint import load_checkpoint
from stars_infer.train.reproduction.made import is_complete, run_differences
from stars_infer.train.reproduction.places import BEGUN, DONE, Places
from stars_infer.train.reproduction.runs import TUNED, Fusion, Node, Training, with_needs

Run = Callable[[Sequence[str]], int]
"""Runs `stars` with these arguments; returns its exit code."""


def run_stars(arguments: Sequence[str]) -> int:
    """Run `stars` in a process of its own."""
    return subprocess.run([sys.executable, "-m", "stars_infer", *arguments], check=False).returncode


def adopt(places: Places, nodes: Sequence[Node], folders: Sequence[Path]) -> Places:
    """Let runs that were made before stand for those of the tables that they are.

    Raises:
        UsageError: If a run is none of them; the message names what it has otherwise than the one
            of its method that it is closest to.
        ModelError: If a folder holds no run.
    """
    trainings = [node for node in with_needs(nodes) if isinstance(node, Training)]
    adopted = dict(places.adopted)
    for folder in folders:
        method = load_checkpoint(folder, tensors=False).config["method"]
        found = {t.key: run_differences(t, folder) for t in trainings}
        fitting = [key for key, differing in found.items() if not differing]
        if not fitting:
            close = [t for t in trainings if t.config.method == method]
            if not close:
                raise UsageError(f"{folder}: a run of {method}, which none of these tables needs")
            nearest = min(close, key=lambda t: len(found[t.key]))
            raise UsageError(
                f"{folder}: is no run of these tables; the closest is {nearest.title} on "
                f"{nearest.part.title}, but it has {'; '.join(found[nearest.key])}"
            )
        if not is_complete(folder):
            raise UsageError(f"{folder}: is not complete; train it to its end first")
        adopted.update(dict.fromkeys(fitting, folder))
    return replace(places, adopted=adopted)


def refuse_others(nodes: Sequence[Node], places: Places) -> None:
    """Make sure that what is there was made as the tables say.

    Raises:
        StarsError: If a run was made in another way.
    """
    for node in nodes:
        if reason := places.refusal(node):
            raise StarsError(
                f"{reason}: this is not {node.title}; move it away, and the same command makes it"
            )


def prepare_commands(nodes: Sequence[Node], places: Places) -> list[tuple[str, ...]]:
    """Commands that make the packs that open nodes need and that are not there.

    Raises:
        UsageError: If their raw data is not there.
    """
    needed: dict[str, None] = {}
    for node in nodes:
        if not isinstance(node, Fusion) and places.state(node) != DONE:
            needed[node.part.dataset] = None
    return [
        ("data", "prepare", dataset, "--raw", str(places.raw(dataset)), "--out",
         str(places.pack(dataset)))
        for dataset in needed
        if not (places.pack(dataset) / "pack.json").exists()
    ]  # fmt: skip


def run_nodes(
    nodes: Sequence[Node],
    places: Places,
    *,
    say: Callable[[str], None],
    run: Run = run_stars,
) -> None:
    """Run what is not done yet, in this order, each behind what it needs.

    Args:
        nodes: From `with_needs`.
        places: Folders and machines.
        say: Called with a line about each node.
        run: Runs a command.

    Raises:
        StarsError: If a run that is there was made in another way, or a command fails; when called
            again, it continues there.
    """
    refuse_others(nodes, places)
    for command in prepare_commands(nodes, places):
        say(f"prepare {command[2]}: stars {' '.join(command)}")
        code = run(command)
        if not (places.pack(command[2]) / "pack.json").exists():
            raise StarsError(f"prepare {command[2]} ended with exit code {code}")
    for number, node in enumerate(nodes, 1):
        line = f"{number}/{len(nodes)} {describe(node)}"
        state = places.state(node)
        if state == DONE:
            say(f"{line}: done before")
            continue
        resumable = isinstance(node, Training) or node.protocol in TUNED
        command = (*places.command(node), *(("--resume",) if state == BEGUN and resumable else ()))
        say(f"{line}: stars {' '.join(command)}")
        code = run(command)
        if places.state(node) != DONE:
            raise StarsError(
                f"{describe(node)} ended with exit code {code}; the same command goes on from here"
            )


def describe(node: Node) -> str:
    """A node in words."""
    if isinstance(node, Training):
        return f"train {node.title} on {node.part.title}"
    verb = "fuse" if isinstance(node, Fusion) else "measure"
    return f"{verb} {node.title} by {node.protocol} on {node.part.title}"
