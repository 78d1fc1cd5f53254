"""Which label `stars fewshot add-class` teaches, said so that a forgotten one is noticed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from stars_infer.cli.output import Output
from stars_infer.errors import UsageError

_SHOWN = 5
"""Labels that are named in a line."""
_NAMES = """
a action actions add b bvh capture captures clip clips csv data dataset datasets desktop
documents downloads example examples export exports files input inputs json label labeled
labelled mocap motion motions new npy old out output person pose poses queries query raw
recorded recording recordings sample samples session skeleton skeletons subject take takes temp
test tmp today train training unlabeled unlabelled user val validation video videos
"""
_GENERAL = frozenset(_NAMES.split())
"""Names of folders that hold clips of whatever action."""


def refuse_label(clips: Sequence[str], label: str | None) -> None:
    """Refuse arguments of which the first looks like the action of the others.

    Raises:
        UsageError: If it does, with how an action is said.
    """
    if label is not None or len(clips) < 2:
        return
    first, others = clips[0], clips[1:]
    word = Path(first).name == first and not Path(first).suffix and not Path(first).exists()
    if word and any(Path(one).exists() for one in others):
        raise UsageError(
            f"{first}: no such file or folder, and nothing was added; if it is the action of the "
            f"other clips, say --label {first}"
        )


def note_folders(labels: Sequence[str], before: Collection[str], output: Output) -> None:
    """Say which labels were taken from the folders of clips, and which of them look like none.

    Args:
        labels: Those of the clips that were added.
        before: The actions that were there already.
        output: Of the command.
    """
    if not labels:
        return
    shown = ", ".join(map(repr, labels[:_SHOWN]))
    more = f" and {len(labels) - _SHOWN} more" if len(labels) > _SHOWN else ""
    folder = "the folder of the clips" if len(labels) == 1 else "the folders of the clips"
    output.note(f"taught {shown}{more}, after {folder}; --label says another action")
    for label in labels:
        if label not in before and label.casefold() in _GENERAL:
            output.note(
                f"warning: {label!r} is an action now, since a folder is called so; if it is none: "
                f"stars fewshot rename {label} ACTION"
            )
