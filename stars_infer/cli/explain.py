"""Why a clip was named as it was, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stars_infer.classify import Prediction

_SHOWN = 3
"""Nearest exemplars that are told."""
_CLOSE = 0.02
"""Likeness within which two actions are a toss-up."""


def explanation(answer: Prediction) -> list[str]:
    """Lines that say what speaks for an answer, what else it may be, and what would help."""
    lines = [_verdict(answer)]
    nearest = answer.neighbours[:_SHOWN]
    near = ", ".join(f"{n.label} {n.similarity:.3f} ({n.source})" for n in nearest)
    lines.append(f"nearest exemplars: {near}")
    if answer.second is not None and answer.margin is not None:
        lines.append(f"next best: {answer.second}; {_lead(answer.label, answer.margin)}")
    lines += _remedies(answer)
    return lines


def _verdict(answer: Prediction) -> str:
    if answer.known:
        return f"{answer.label}, {answer.confidence:.0%} sure"
    return (
        f"unknown: the chance that its action is in the index is {answer.chance_known:.0%}; "
        f"if it is, {answer.label} fits best"
    )


def _lead(label: str, margin: float) -> str:
    if margin >= 0:
        return f"the nearest {label} is {margin:.3f} more alike than any other action"
    return (
        f"an exemplar of another action is nearer by {-margin:.3f}, "
        f"but all exemplars together speak for {label}"
    )


def _remedies(answer: Prediction) -> list[str]:
    if not answer.known:
        return [
            "if it is a new action, add it: `stars fewshot add-class CLIP --label NAME`; if it is "
            f"{answer.label}, add it as an example of that"
        ]
    if answer.second is not None and answer.margin is not None and answer.margin < _CLOSE:
        return [
            f"{answer.label} and {answer.second} are close: more examples of both would help, and "
            "`stars fewshot check` looks for ones that contradict each other"
        ]
    return []
