"""The samples with missing or incomplete skeletons, as listed by the authors of the data sets."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def missing_skeletons() -> frozenset[str]:
    """Names of the 535 samples of NTU RGB+D 120, 302 of which belong to NTU RGB+D."""
    text = files(__package__).joinpath("missing_skeletons.txt").read_text(encoding="ascii")
    return frozenset(line for line in text.splitlines() if not line.startswith("#"))
