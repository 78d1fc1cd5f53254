"""Tables between marks in a Markdown file."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path


def replace_between(file: Path, which: str, lines: Sequence[str]) -> None:
    """Put lines between the marks `<!-- which -->` and `<!-- end of which -->` of a file."""
    marks = rf"(<!-- {which} -->\n).*?(\n<!-- end of {which} -->)"
    text = file.read_text(encoding="utf-8")
    replaced, found = re.subn(
        marks, lambda m: m[1] + "\n".join(lines) + m[2], text, flags=re.DOTALL
    )
    if not found:
        sys.exit(f"error: {file}: no marks <!-- {which} --> to write between")
    file.write_text(replaced, encoding="utf-8")
