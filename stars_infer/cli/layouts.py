"""`stars layouts`: list the joint layouts, and show how one is mapped to NTU-25."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from stars_infer.cli.output import JsonFlag, Output, QuietFlag

if TYPE_CHECKING:
    from stars_infer.layouts import Layout


def layouts(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A layout, or the path of your own .toml file.", show_default="all of them"
        ),
    ] = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """List the joint layouts, or show the joints of one and how they map to NTU-25."""
    from stars_infer.layouts import get_layout, layout_names

    output = Output(json=json, quiet=quiet)
    if name is None:
        _list(output, [get_layout(known) for known in layout_names()])
    elif json:
        output.record(_describe(get_layout(name)))
    else:
        _show(output, get_layout(name))


def _list(output: Output, known: list[Layout]) -> None:
    for layout in known if output.json else ():
        output.record(
            {
                "name": layout.name,
                "joint_count": len(layout.joints),
                "synthesized_count": len(layout.synthesized),
                "by_name": layout.by_name,
                "about": layout.about,
            }
        )
    if not output.json:
        output.table(
            ("layout", "joints", "synthesized", "about"),
            [
                (
                    layout.name,
                    f"{len(layout.joints)} by name" if layout.by_name else len(layout.joints),
                    f"{len(layout.synthesized)} of {len(layout.ntu25)}",
                    layout.about,
                )
                for layout in known
            ],
        )
        output.note(
            "`by name`: its joints are recognized by their names, in any order, among others"
        )


def _show(output: Output, layout: Layout) -> None:
    joints, other = layout.joints, layout.counterparts
    output.note(f"{layout.name}: {layout.about}")
    output.table(
        ("number", "joint", "hangs on", "other side"),
        [
            (
                joint,
                name,
                joints[parent] if parent != joint else "",
                joints[other[joint]] if other[joint] != joint else "",
            )
            for joint, (name, parent) in enumerate(zip(joints, layout.parents, strict=True))
        ],
        title="joints in file order" if not layout.by_name else "joints, found by their names",
    )
    output.table(
        ("number", "NTU-25 joint", "made from", "synthesized"),
        [
            (joint, target, _in_words(mixture), "yes" if target in layout.synthesized else "")
            for joint, (target, mixture) in enumerate(layout.ntu25.items())
        ],
        title="what they become",
    )


def _describe(layout: Layout) -> dict[str, object]:
    joints = layout.joints
    return {
        "name": layout.name,
        "about": layout.about,
        "by_name": layout.by_name,
        "center": layout.center,
        "joints": joints,
        "bones": [[joints[parent], joints[child]] for parent, child in layout.bones],
        "mirror": [[joints[left], joints[right]] for left, right in layout.mirror],
        "ntu25": layout.ntu25,
        "synthesized": layout.synthesized,
    }


def _in_words(mixture: Mapping[str, float]) -> str:
    """Write a mixture as a sum: `0.5 neck + 0.5 head`."""
    terms = [
        f"{'-' if weight < 0 else '+'} {'' if abs(weight) == 1 else f'{abs(weight):g} '}{joint}"
        for joint, weight in mixture.items()
    ]
    return " ".join(terms).removeprefix("+ ")
