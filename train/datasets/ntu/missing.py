"""The samples whose skeletons are missing or incomplete, as the authors of the sets list them."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def missing_skeletons() -> frozenset[str]:
    """Names of the 535 samples of NTU RGB+D 120; 302 of them are of NTU RGB+D."""
    text = files(__package__).joinpath("missing_skeletons.txt").read_text(encoding="ascii")
    return frozenset(line for line in text.splitlines() if not line.startswith("#"))
