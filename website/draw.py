"""Draws the pictures of docs/how-it-works.md, from the library itself: `python -m website.draw`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.patches import ConnectionPatch

from stars_infer import Clip, Recognizer
from stars_infer.inspection.style import LIMBS, PALE, RIGHT_ANSWER, matplotlib_style
from stars_infer.layouts import NTU25
from stars_infer.similarity.alignment import align
from stars_infer.synthetic.actions import FPS, perform

DOCS = Path(__file__).parents[1] / "docs"
_MOMENTS = 9
_TAUGHT = ("wave", "clap", "squat")
_SETTINGS = {"svg.hashsalt": "stars-infer", "savefig.bbox": "tight", "savefig.pad_inches": 0.1}


def _skeleton(axes: Any, joints: np.ndarray, *, at: float, size: float) -> None:
    """Draw a body (25, 3), seen from the front, with its hips at a place on the time axis."""
    flat = joints[:, :2] - joints[0, :2]
    sides = dict.fromkeys(NTU25.joints, "middle")
    for left, right in NTU25.mirror:
        sides[NTU25.joints[left]], sides[NTU25.joints[right]] = "left", "right"
    for parent, child in NTU25.bones:
        ends = flat[[parent, child]]
        color = LIMBS[sides[NTU25.joints[child]]][0]
        axes.plot(
            at - ends[:, 0] * size, ends[:, 1], color, linestyle="-", marker="", linewidth=1.6,
            solid_capstyle="round",
        )  # fmt: skip


def draw_alignment(path: Path) -> None:
    """Two people wave, at their own pace; lines lead from moment to moment as they are compared."""
    random = np.random.default_rng(5)
    motions = [perform("wave", random, seconds=seconds)[0] for seconds in (2.0, 3.0)]
    found = align(*(Clip.from_array(one, fps=FPS) for one in motions))
    longest = max(len(one) for one in motions) / FPS
    figure, rows = plt.subplots(2, 1, figsize=(8.5, 4.2), sharex=True)
    for row, motion, title in zip(
        rows, motions, ("the clip that is asked", "an example"), strict=True
    ):
        for frame in np.linspace(0, len(motion) - 1, _MOMENTS).astype(int):
            _skeleton(row, motion[frame], at=frame / FPS, size=0.16)
        row.set_ylim(-1.0, 1.1)
        row.set_yticks([])
        row.spines["left"].set_visible(False)
        row.set_title(title)
    rows[1].set_xlim(-0.15, longest + 0.15)
    rows[1].set_xlabel("seconds")
    for place in np.linspace(0, len(found.first_frames) - 1, 12).astype(int):
        figure.add_artist(
            ConnectionPatch(
                (found.first_seconds[place], -0.98), (found.second_seconds[place], 1.05),
                "data", "data", axesA=rows[0], axesB=rows[1], color=PALE, linewidth=1,
            )
        )  # fmt: skip
    figure.text(0.5, 0.965, f"similarity {found.similarity:.2f} of 1", ha="center")
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _taught(random: np.random.Generator, examples: int) -> Recognizer:
    actions = Recognizer()
    for name in _TAUGHT:
        actions.add(name, [perform(name, random) for _ in range(examples)])
    return actions


def draw_decision(path: Path) -> None:
    """How similar three clips are to each of nine examples, and what they are named."""
    random = np.random.default_rng(1)
    actions = _taught(random, 3)
    figure, columns = plt.subplots(1, 3, figsize=(8.5, 3.0), sharey=True)
    for column, asked in zip(columns, ("wave", "squat", "kick"), strict=True):
        clip = perform(asked, random)
        answer = actions.predict(clip)
        near = actions.search(clip, k=9)
        for number, name in enumerate(_TAUGHT):
            heights = sorted((one.similarity for one in near if one.label == name), reverse=True)
            named = answer.answer == name
            column.bar(
                number * 4 + np.arange(len(heights)), heights, 0.85,
                color=RIGHT_ANSWER if named else PALE, edgecolor="white",
                hatch="" if named else "///",
            )  # fmt: skip
        sure = answer.confidence if answer.known else 1 - answer.chance_known
        column.set_xticks([1, 5, 9], _TAUGHT)
        column.set_title(f"a {asked} is asked:\n{answer.answer}, {sure:.0%} sure")
    columns[0].set_ylabel("similarity to each example")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    """Draw all pictures into docs/."""
    with mpl.rc_context(matplotlib_style() | _SETTINGS):
        draw_alignment(DOCS / "how-alignment.svg")
        draw_decision(DOCS / "how-decision.svg")


if __name__ == "__main__":
    main()
