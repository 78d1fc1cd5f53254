"""Labels of actions: what can be one, and which are easily taken for each other."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Iterable

from stars_infer.classification.prediction import UNKNOWN
from stars_infer.errors import StarsWarning, UsageError


def normalize_label(label: str) -> str:
    """The form in which an index keeps a label: Unicode NFC, without outer white space.

    Raises:
        UsageError: If it is not text.
    """
    if not isinstance(label, str):
        raise UsageError(f"a label must be text, not {label!r}")
    return unicodedata.normalize("NFC", label.strip())


def check_label(label: str) -> str:
    """Make sure that a text can be a label.

    Returns:
        Its normal form.

    Raises:
        UsageError: If it is empty, holds control characters, or means "unknown".
    """
    normal = normalize_label(label)
    if not normal or not normal.isprintable():
        raise UsageError(f"{label!r} cannot be a label: give it a printable name")
    if normal.casefold() == UNKNOWN.casefold():
        raise UsageError(
            f"{label!r} cannot be a label: it is the answer to clips of actions that the index "
            "does not hold"
        )
    return normal


def confusable_labels(label: str, others: Iterable[str]) -> list[str]:
    """Labels that differ from one only in upper and lower case, or in white space."""
    return [other for other in others if other != label and _key(other) == _key(label)]


def warn_of_confusable(labels: Iterable[str], others: Iterable[str], *, stacklevel: int) -> None:
    """Warn of actions whose names differ only in case or white space.

    Args:
        labels: New labels.
        others: Labels that they may be taken for.
        stacklevel: As for `warnings.warn`, seen from the caller.
    """
    for label in labels:
        for other in confusable_labels(normalize_label(label), others):
            text = f"{label!r} and {other!r} are two actions; `rename` makes them one"
            warnings.warn(text, StarsWarning, stacklevel=stacklevel + 1)


def _key(label: str) -> str:
    return "".join(unicodedata.normalize("NFKC", label).casefold().split())
