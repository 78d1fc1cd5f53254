"""What is nearest among the clips that were trained on: the same action, or only the same style?

    python benchmarks/method_comparison/neighbors.py runs/order --pack PACK --split pretraining

Looks at windows of the Bandai-Namco sets, which are labeled `action/style`, and counts how often
the nearest window of another recording, or of another style, shows the same action.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from lightning_fabric import Fabric
from numpy.typing import NDArray
from report import RANDOM, TITLES, encoder_of
from rich.console import Console
from rich.progress import track
from rich.table import Table

from stars_infer.similarity.features import unit
from stars_infer.train.checkpoint import FILE
from stars_infer.train.datasets.pack import Pack
from stars_infer.train.protocols.features import pooled_features

ROWS = (RANDOM, "mae", "mamp", "stars")


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", type=Path, help="folder that train.py wrote")
    parser.add_argument("--pack", type=Path, required=True, help="what the runs were trained on")
    parser.add_argument("--split", required=True)
    parser.add_argument("--windows", type=int, default=1024)
    options = parser.parse_args()
    pack = some_windows(Pack.open(options.pack).part(options.split, "train"), options.windows)
    fabric = Fabric(accelerator="cpu", devices=1)
    seeds = sorted(options.runs.glob("seed*"))
    table = Table("method", "another recording", "another style", "seeds", title="same action, %")
    for row in track(ROWS, description="comparing", transient=True):
        shares = [
            same_action(
                pack, unit(pooled_features(encoder_of(row, seed), pack, fabric=fabric).numpy())
            )
            for seed in seeds
            if row == RANDOM or (seed / row / FILE).exists()
        ]
        mean, std = np.mean(shares, axis=0), np.std(shares, axis=0)
        cells = (f"{m:.1f} ± {s:.1f}" for m, s in zip(mean, std, strict=True))
        table.add_row(TITLES[row], *cells, str(len(shares)))
    Console().print(table)


def some_windows(pack: Pack, count: int) -> Pack:
    """So many windows with an action and a style, drawn at random."""
    styled = [clip for clip in pack.clips if "/" in clip.label]
    positions = np.random.default_rng(0).permutation(len(styled))[:count]
    return replace(pack, clips=tuple(styled[position] for position in positions))


def same_action(pack: Pack, vectors: NDArray[np.float32]) -> tuple[float, float]:
    """Per cent whose nearest of another recording, and of another style, has their action."""
    actions, styles = zip(*(clip.label.split("/") for clip in pack.clips), strict=True)
    similarities = unit(vectors) @ unit(vectors).T
    recordings = [clip.source for clip in pack.clips]
    return (
        nearest_agrees(similarities, recordings, actions),
        nearest_agrees(similarities, styles, actions),
    )


def nearest_agrees(
    similarities: NDArray[np.float32], groups: Sequence[str], actions: Sequence[str]
) -> float:
    """Per cent whose nearest window outside of their own group has their action."""
    group, action = np.array(groups), np.array(actions)
    outside = np.where(group[:, None] == group[None], -np.inf, similarities)
    return 100 * float(np.mean(action[outside.argmax(axis=1)] == action))


if __name__ == "__main__":
    main()
