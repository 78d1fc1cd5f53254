"""A table on the screen and, if asked, between marks in a Markdown file; what machine this is."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.append(str(Path(__file__).parents[1] / "quality"))

from marked import write_between_marks

from stars_infer.machine import cpu_name, usable_cores


def machine(*packages: str) -> str:
    """Processor, load, versions of packages where they are installed, date."""
    found = []
    for package in packages:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{cpu_name()}, {usable_cores()} cores{load}; {', '.join(found)}; {date.today()}"


def report(about: str, table: Sequence[Sequence[str]], file: Path | None, which: str) -> None:
    """Print rows of cells, the header first, and write them where `which` is marked in a file."""
    shown = Table(*table[0], title=about)
    for row in table[1:]:
        shown.add_row(*row)
    Console().print(shown)
    if file:
        write_between_marks(file, which, table, above=about)
