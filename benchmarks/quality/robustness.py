"""How much accuracy is lost where clips are cut, tilted, mirrored, noisy, or of another sensor.

    python benchmarks/quality/robustness.py --data DATA --write docs/quality.md

Exemplars stay as they were recorded; the clips that are asked are changed. The second table teaches
on one set and asks on another, by the actions that both have. About three minutes on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from marked import write_between_marks
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sets import EvaluationSet, known_sets

from stars_infer.arrays import FloatArray
from stars_infer.clips.clip import Clip
from stars_infer.encoder.encoder import Encoder
from stars_infer.errors import ClipError
from stars_infer.evaluation.fewshot import Accuracy, LabeledClips, evaluate
from stars_infer.preprocessing.views import mirror_clip

SHOTS = (1, 2, 5)
LEGS = (13, 14, 15, 17, 18, 19)
"""Knees, ankles and feet of a Kinect v1."""
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
Change = Callable[[FloatArray, np.random.Generator], FloatArray]
"""Changes the joints (T, V, 3) of a clip."""


def tilted(axis: int, degrees: float) -> Change:
    """Turn a clip about an axis."""
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    one, other = (place for place in range(3) if place != axis)

    def change(joints: FloatArray, random: np.random.Generator) -> FloatArray:
        turned = joints.copy()
        turned[:, :, one] = cosine * joints[:, :, one] - sine * joints[:, :, other]
        turned[:, :, other] = sine * joints[:, :, one] + cosine * joints[:, :, other]
        return turned

    return change


def lost(share: float, value: float) -> Change:
    """Lose a share of the joints."""

    def change(joints: FloatArray, random: np.random.Generator) -> FloatArray:
        changed = joints.copy()
        changed[random.random(joints.shape[:2]) < share] = value
        return changed

    return change


def without_legs(joints: FloatArray, random: np.random.Generator) -> FloatArray:
    """Lose the legs."""
    changed = joints.copy()
    changed[:, LEGS] = np.nan
    return changed


def beside(joints: FloatArray, random: np.random.Generator) -> FloatArray:
    """Somebody stands 1.5 m beside and sways, seen with a sensor's noise."""
    frames = len(joints)
    sway = random.normal(0, 0.01, (frames, 1, 3)).cumsum(axis=0) / np.sqrt(frames)
    stands = joints[:1] + np.array([1.5, 0, 0]) + sway + random.normal(0, 0.01, joints.shape)
    return np.stack((joints, stands.astype(np.float32)))


def walks_past(joints: FloatArray, random: np.random.Generator) -> FloatArray:
    """Somebody is seen behind for the middle 40 %, who moves as the clip does backward."""
    frames = len(joints)
    other = np.zeros_like(joints)
    seen = slice(int(0.3 * frames), int(0.7 * frames))
    passing = joints[::-1][seen] + np.float32([0, 0, 1.5])
    passing[..., 0] += np.linspace(-1.5, 1.5, len(passing), dtype=np.float32)[:, None]
    other[seen] = passing
    return np.stack((joints, other))


def changing_places(joints: FloatArray, random: np.random.Generator) -> FloatArray:
    """The same as `beside`, and the two bodies change places in 40 % of the frames."""
    bodies = beside(joints, random)
    changed = random.random(len(joints)) < 0.4
    bodies[:, changed] = bodies[::-1][:, changed]
    return bodies


def one_joint_off(joints: FloatArray, random: np.random.Generator) -> FloatArray:
    """One joint is 2 m off in one frame: the one at the base of the spine, which matters most."""
    changed = joints.copy()
    changed[random.integers(len(joints)), 0, 1] += 2
    return changed


CHANGES: dict[str, Change] = {
    "the first half only": lambda joints, random: joints[: max(4, len(joints) // 2)],
    "the first 70 %": lambda joints, random: joints[: max(4, int(0.7 * len(joints)))],
    "done twice": lambda joints, random: np.concatenate((joints, joints)),
    "1 s still before and after": lambda joints, random: np.concatenate(
        (joints[:1].repeat(30, axis=0), joints, joints[-1:].repeat(30, axis=0))
    ),
    "every fourth frame": lambda joints, random: joints[::4],
    "tilted forward by 30°": tilted(0, 30),
    "tilted backward by 30°": tilted(0, -30),
    "tilted to the side by 30°": tilted(2, 30),
    "turned by 90°": tilted(1, 90),
    "noise of 5 cm": lambda joints, random: (
        joints + random.normal(0, 0.05, joints.shape).astype(np.float32)
    ),
    "10 % of the joints lost, as zeros": lost(0.1, 0.0),
    "30 % of the joints lost": lost(0.3, np.nan),
    "without legs": without_legs,
    "somebody stands beside": beside,
    "somebody walks past": walks_past,
    "somebody beside, and bodies change places": changing_places,
    "one joint off in one frame": one_joint_off,
}


def main() -> None:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the known sets")
    parser.add_argument("--model", help="name or directory; the shipped encoder if not given")
    parser.add_argument("--write", type=Path, help="Markdown file whose tables are replaced")
    options = parser.parse_args()
    encoder = Encoder.load(options.model, device="cpu")
    sets = {data.name: data for data in known_sets(options.data, left_out)}
    tables = {
        "robustness": robustness([sets["UTD-MHAD"], sets["MSR-Action3D"]], encoder),
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


def robustness(sets: Sequence[EvaluationSet], encoder: Encoder) -> list[list[str]]:
    """Rows of the table of changes."""
    rows = [["accuracy %, 1 / 2 / 5 shots", *(data.name for data in sets)]]
    rows.append(["as recorded", *(_cell(accuracy(data, encoder, None)) for data in sets)])
    mirrored = [_cell(accuracy(data, encoder, mirror_clip)) for data in sets]
    rows.append(["the mirror image", *mirrored])
    for name, change in CHANGES.items():
        cells = []
        for data in sets:
            random = np.random.default_rng(0)

            def changed(
                clip: Clip, change: Change = change, random: np.random.Generator = random
            ) -> Clip:
                joints = change(np.asarray(clip.bodies[0]), random)
                return Clip.from_array(joints, layout=clip.layout, fps=clip.fps, source=clip.source)

            cells.append(_cell(accuracy(data, encoder, changed)))
        rows.append([name, *cells])
    return rows


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
    return _named(
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
            measured = _named(
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


def _named(
    taught: Sequence[Clip],
    labels: Sequence[str],
    asked: Sequence[Clip],
    truth: Sequence[str],
    encoder: Encoder,
) -> dict[int, Accuracy]:
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
