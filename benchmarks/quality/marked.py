"""Tables in Markdown files, between marks that name them."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path


def write_between_marks(
    file: Path, which: str, table: Sequence[Sequence[str]], *, above: str = ""
) -> None:
    """Replace the table between `<!-- which -->` and `<!-- end of which -->`.

    Args:
        file: The Markdown file.
        which: Name in the marks.
        table: Rows of cells, the header first.
        above: A paragraph above the table.
    """
    lines = ["| " + " | ".join(row) + " |" for row in table]
    lines.insert(1, "|" + " --- |" * len(table[0]))
    if above:
        lines = [above, "", *lines]
    marks = rf"(<!-- {which} -->\n).*?(<!-- end of {which} -->)"
    text = file.read_text(encoding="utf-8")
    replaced, found = re.subn(
        marks, lambda m: m[1] + "\n".join(lines) + "\n" + m[2], text, flags=re.DOTALL
    )
    if not found:
        sys.exit(f"error: {file}: no marks <!-- {which} --> to write between")
    file.write_text(replaced, encoding="utf-8")
