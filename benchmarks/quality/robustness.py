"""How much accuracy is lost where clips are cut, tilted, mirrored, noisy, or of another sensor.

    python benchmarks/quality/robustness.py --data DATA --write docs/quality.md

Exemplars stay as they were recorded; the clips that are asked are changed. The second table teaches
on one set and asks on another, by the actions that both have. About eight minutes on one core.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from disturbances import AXES, CHANGES, Change
from marked import write_between_marks
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sets import EvaluationSet, known_sets

from stars_infer.clips.clip import Clip
from stars_infer.encoder.encoder import Encoder
from stars_infer.errors import ClipError, UsageError
from stars_infer.evaluation.fewshot import Accuracy, LabeledClips, evaluate
from stars_infer.preprocessing.views import mirror_clip

SHOTS = (1, 2, 5)
CLEAN, MIRRORED = "as recorded", "the mirror image"
Measured = dict[str, dict[str, list[float]]]
"""Accuracy in per cent for each of `SHOTS`, by change and set."""
SHARED = {
    "boxing": "side_boxing",
    "catch": "hand_catch",
    "clap": "hand_clap",
    "draw_circle_clockwise": "draw_circle",
    "draw_x": "draw_x",
    "jog": "jogging",
    "pickup_and_throw": "pickup_and_throw",
    "tennis_serve": "tennis_serve",
    "tennis_swing": "tennis_swing",
    "throw": "high_throw",
    "wave": "high_arm_wave",
}
"""Actions of UTD-MHAD that MSR-Action3D has, too."""


def main() -> None:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the known sets")
    parser.add_argument("--model", help="name or directory; the shipped encoder if not given")
    parser.add_argument("--write", type=Path, help="Markdown file whose tables are replaced")
    parser.add_argument("--save", type=Path, help="JSON file that keeps the accuracies")
    parser.add_argument("--before", type=Path, help="such a file of an older version, to compare")
    options = parser.parse_args()
    encoder = Encoder.load(options.model, device="cpu")
    sets = {data.name: data for data in known_sets(options.data, left_out)}
    measured = robustness([sets["UTD-MHAD"], sets["MSR-Action3D"]], encoder)
    if options.save:
        options.save.write_text(json.dumps(measured, indent=1))
    before = json.loads(options.before.read_text()) if options.before else {}
    tables = {
        "robustness": rows_of(measured, before),
        "other sets": across(sets["UTD-MHAD"], sets["MSR-Action3D"], encoder),
    }
    for name, rows in tables.items():
        table = Table(*rows[0], title=name)
        for row in rows[1:]:
            table.add_row(*row)
        Console().print(table)
        if options.write:
            write_between_marks(options.write, name, rows)


def left_out(error: ClipError) -> None:
    """Name a clip that is left out."""
    Console(stderr=True, soft_wrap=True).print(Text(f"left out: {error}", style="yellow"))


def robustness(sets: Sequence[EvaluationSet], encoder: Encoder) -> Measured:
    """Accuracy of each set by each change; changes that the package refuses are left out."""
    measured: Measured = {CLEAN: {}, MIRRORED: {}}
    for data in sets:
        measured[CLEAN][data.name] = _means(accuracy(data, encoder, None))
        measured[MIRRORED][data.name] = _means(accuracy(data, encoder, mirror_clip))
        for name, change in CHANGES.items():
            measured.setdefault(name, {})[data.name] = _changed(data, encoder, change)
        for name in AXES:
            row = measured.setdefault(f"{name}, with `--up auto`", {})
            with suppress(UsageError):  # of versions that do not find the axis
                row[data.name] = _changed(data, encoder, CHANGES[name], up="auto")
    return measured


def _changed(data: EvaluationSet, encoder: Encoder, change: Change, **options: Any) -> list[float]:
    random = np.random.default_rng(0)

    def changed(clip: Clip) -> Clip:
        joints = change(np.asarray(clip.bodies[0]), random)
        return Clip.from_array(
            joints, layout=clip.layout, fps=clip.fps, source=clip.source, **options
        )

    return _means(accuracy(data, encoder, changed))


def rows_of(now: Measured, before: Measured) -> list[list[str]]:
    """Rows of the table: accuracy of clean clips, and the change from it by each disturbance."""
    sets = list(now[CLEAN])
    kinds = [("before", before), ("now", now)] if before else [("", now)]
    heads = [f"{name}, {kind}".rstrip(", ") for name in sets for kind, _ in kinds]
    rows = [["1 / 2 / 5 shots", *heads]]
    for change in now:
        cells = []
        for name in sets:
            for _, measured in kinds:
                scores = measured.get(change, {}).get(name)
                clean = measured.get(CLEAN, {}).get(name)
                if scores is None or clean is None:
                    cells.append("–")
                elif change == CLEAN:
                    cells.append(" / ".join(f"{score:.1f} %" for score in scores))
                else:
                    pairs = zip(scores, clean, strict=True)
                    cells.append(" / ".join(f"{one - other:+.1f}" for one, other in pairs))
        rows.append([change, *cells])
    return rows


def _means(scores: dict[int, Accuracy]) -> list[float]:
    return [float(scores[n].mean) for n in SHOTS]


def accuracy(
    data: EvaluationSet, encoder: Encoder, change: Callable[[Clip], Clip] | None
) -> dict[int, Accuracy]:
    """Accuracy with the asked clips changed; those that cannot be read any more are left out."""
    taught = np.flatnonzero(data.exemplar).tolist()
    asked = np.flatnonzero(data.query).tolist()
    queries, truth = [], []
    for position in asked:
        clip = data.clips[position]
        try:
            queries.append(clip if change is None else change(clip))
        except ClipError as error:
            left_out(error)
        else:
            truth.append(data.labels[position])
    return named(
        [data.clips[position] for position in taught],
        [data.labels[position] for position in taught],
        queries,
        truth,
        encoder,
    )


def across(one: EvaluationSet, other: EvaluationSet, encoder: Encoder) -> list[list[str]]:
    """Rows of the table of two sets, by the actions that both have."""
    parts = {
        one.name: _shared(one, {name: name for name in SHARED}),
        other.name: _shared(other, {there: here for here, there in SHARED.items()}),
    }
    rows = [["taught, 1 / 2 / 5 shots", *(f"asked: {name}" for name in parts)]]
    for taught, (clips, labels, exemplar, _) in parts.items():
        cells = []
        for queries, names, _, query in parts.values():
            measured = named(
                [clip for clip, used in zip(clips, exemplar, strict=True) if used],
                [label for label, used in zip(labels, exemplar, strict=True) if used],
                [clip for clip, used in zip(queries, query, strict=True) if used],
                [label for label, used in zip(names, query, strict=True) if used],
                encoder,
            )
            cells.append(_cell(measured))
        rows.append([taught, *cells])
    return rows


def _shared(
    data: EvaluationSet, names: dict[str, str]
) -> tuple[list[Clip], list[str], list[bool], list[bool]]:
    kept = [position for position, label in enumerate(data.labels) if label in names]
    return (
        [data.clips[position] for position in kept],
        [names[data.labels[position]] for position in kept],
        data.exemplar[kept].tolist(),
        data.query[kept].tolist(),
    )


def named(
    taught: Sequence[Clip],
    labels: Sequence[str],
    asked: Sequence[Clip],
    truth: Sequence[str],
    encoder: Encoder,
) -> dict[int, Accuracy]:
    """Accuracy where some clips are taught and others asked."""
    clips = LabeledClips.of_features(
        encoder.encode([*taught, *asked], query=True),
        [*labels, *truth],
        exemplar=[True] * len(taught) + [False] * len(asked),
        query=[False] * len(taught) + [True] * len(asked),
        comparison=encoder.info.comparison,
    )
    return evaluate(clips, shots=SHOTS)


def _cell(scores: dict[int, Accuracy]) -> str:
    return " / ".join(f"{scores[n].mean:.1f}" for n in SHOTS)


if __name__ == "__main__":
    main()
