"""What would help an index, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stars_infer.classification.leave_out import FEWEST_CLASSES
from stars_infer.curation.check import FEW, Finding
from stars_infer.index.exemplar import Exemplar
from stars_infer.studio.confusion import Confusion

MOST_PAIRS = 3
"""Pairs of actions that are spoken of."""
_UNEVEN = 4
"""One action has so many times the examples of another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """A piece of advice.

    Attributes:
        words: One or two sentences.
        where: The list in which it is acted on: `teach`, `check` or `confusion`; empty if nowhere.
        label: The action that it is about; empty for all.
    """

    words: str
    where: str
    label: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain types."""
        return {"words": self.words, "where": self.where, "label": self.label}


def advise(
    exemplars: Sequence[Exemplar], found: Sequence[Finding], confusion: Confusion
) -> list[Advice]:
    """Say what would help most, first.

    Args:
        exemplars: The examples.
        found: What `stars_infer.curation.check.findings` finds.
        confusion: How examples are named without themselves.
    """
    counts = Counter(one.label for one in exemplars)
    advice: list[Advice] = []
    if len(counts) < FEWEST_CLASSES:
        missing = FEWEST_CLASSES - len(counts)
        more = "one more action" if missing == 1 else f"{missing} more actions"
        advice.append(
            Advice(
                words=f"Teach {more}: from three on, clips that show none of them are told "
                "as unknown.",
                where="teach",
            )
        )
    kinds = Counter(one.kind for one in found)
    wrong = kinds["mislabeled"] + kinds["contradiction"]
    if wrong:
        what = (
            "1 label looks wrong: look at it"
            if wrong == 1
            else f"{wrong} labels look wrong: look at them"
        )
        advice.append(Advice(words=f"{what} first.", where="check"))
    for label, count in reversed(counts.most_common()):
        if count < FEW:
            wanted = FEW - count
            advice.append(
                Advice(
                    words=f"“{label}” has {_examples(count)}: {_examples(wanted)} more would "
                    "help, by other people or at another pace.",
                    where="teach",
                    label=label,
                )
            )
    for one in confusion.confused[:MOST_PAIRS]:
        advice.append(
            Advice(
                words=f"{len(one.pairs)} of {one.size} examples of “{one.label}” look like "
                f"“{one.named}”. Play the pairs: give both one name if they are the same, else "
                "add examples that show the difference.",
                where="confusion",
                label=one.label,
            )
        )
    if kinds["duplicate"]:
        what = "1 example repeats" if kinds["duplicate"] == 1 else f"{kinds['duplicate']} repeat"
        advice.append(Advice(words=f"{what} another and teaches nothing.", where="check"))
    if counts and max(counts.values()) >= _UNEVEN * max(FEW, min(counts.values())):
        most, least = counts.most_common()[0], counts.most_common()[-1]
        advice.append(
            Advice(
                words=f"“{most[0]}” has {most[1]} examples and “{least[0]}” {least[1]}: more "
                "of the latter help more than more of the former.",
                where="teach",
                label=least[0],
            )
        )
    if not advice and confusion.asked:
        words = "Nothing looks wrong"
        if confusion.right == confusion.asked:
            words += ", and every example is named rightly without itself"
        words += ". New people and other rooms are what it has not seen."
        advice.append(Advice(words=words, where=""))
    return advice


def _examples(count: int) -> str:
    return "1 example" if count == 1 else f"{count} examples"
