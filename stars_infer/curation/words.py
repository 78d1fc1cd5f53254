"""Findings in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from stars_infer.curation.check import Finding


class Numbered(Protocol):
    """An exemplar, as far as it is spoken of."""

    @property
    def id(self) -> int:
        """Its number."""


def what(one: Finding, exemplars: Sequence[Numbered]) -> str:
    """Say for people what was found.

    Args:
        one: The finding.
        exemplars: The exemplars that were checked, in order.
    """
    first = one.labels[0]
    match one.kind:
        case "contradiction":
            return f"the same motion is {one.labels[1]!r} in {exemplars[one.positions[1]].id}"
        case "duplicate":
            return f"the same motion as {exemplars[one.positions[1]].id}"
        case "mislabeled":
            return f"likely {one.labels[1]!r}, as its neighbors are"
        case "outlier":
            return f"unlike all other examples of {first!r}"
        case "disagreement":
            if one.count == one.size == 2:
                return f"two examples of {first!r} contradict each other"
            return f"{one.count} of {one.size} examples of {first!r} are more like other actions"
        case "overlap":
            return (
                f"{first!r} and {one.labels[1]!r} overlap: {one.count} of {one.size} name the other"
            )
        case "few":
            return "1 example" if one.size == 1 else f"{one.size} examples"
