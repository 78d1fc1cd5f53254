"""Print a table and, if asked, write it between marks in a Markdown file; describe the machine."""

from __future__ import annotations

import os
import sys
import time
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
    """Line with processor, load at the start, steal since, versions of packages and date."""
    found = []
    for package in packages:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    load = f", load {_LOAD:.1f}" if _LOAD is not None else ""
    took = time.perf_counter() - _BEGAN
    lost = (stolen_time() - _STOLEN) / (took * (os.cpu_count() or 1))
    steal = f", steal {lost:.0%}" if lost >= 0.005 else ""
    cores = f"{usable_cores()} cores{load}{steal}"
    return f"{cpu_name()}, {cores}; {', '.join(found)}; {date.today()}"


def stolen_time() -> float:
    """Seconds of core time that the host withheld from this virtual machine; 0 if unknown."""
    try:
        whole = Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0].split()
        return int(whole[8]) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return 0.0


_BEGAN, _STOLEN = time.perf_counter(), stolen_time()
_LOAD = os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def report(about: str, table: Sequence[Sequence[str]], file: Path | None, which: str) -> None:
    """Print a table, the header first, and write it between the marks `which` of a file."""
    shown = Table(*table[0], title=about)
    for row in table[1:]:
        shown.add_row(*row)
    Console().print(shown)
    if file:
        write_between_marks(file, which, table, above=about)
