"""Makes the table of docs/reliability.md from what was run, and runs what is missing.

`python -m tests.faults.table --reports build/faults --write docs/reliability.md` runs each part of
which no report lies in the folder, which takes a day, and writes the table. With `--only-reports`
nothing is run, and parts without a report keep their row.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stars_infer.atomic import write_text
from tests.faults import crowd as crowds
from tests.faults import file_kills, index_kills
from tests.faults.damaged_index import ERROR, SAME
from tests.faults.formats import OUTCOMES

Reports = list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A row of the table.

    Attributes:
        shows: What it is to show.
        command: What runs it, without `python -m`; `REPORT` stands for the report.
        figure: In words, from its reports.
    """

    shows: str
    command: str
    figure: Callable[[Reports], str]


def _formats(reports: Reports) -> str:
    total = Counter[str]()
    for one in reports:
        total.update(one["outcomes"])
    files = sum(one["files"] for one in reports)
    seeds = ", ".join(str(one["seed"]) for one in reports)
    faults = [f"{total[what]:,} {what}" for what in OUTCOMES[2:]]
    return f"{files:,}, of which {total['read']:,} were read: {', '.join(faults)} (seeds {seeds})"


def _kills(reports: Reports) -> str:
    counts, kinds = Counter[str](), Counter[str]()
    for one in reports:
        for kind, found in one.items():
            counts.update(found)
            kinds[kind] += found.get(file_kills.KILLED, 0)
    faults = index_kills.FAULTS if "index" in kinds else file_kills.FAULTS
    said = ", ".join(f"{counts[fault]:,} {fault}" for fault in faults)
    each = f" ({', '.join(f'{kind} {n:,}' for kind, n in kinds.items())})" if len(kinds) > 1 else ""
    return f"{counts[file_kills.KILLED]:,} killed at work{each}: {said}"


def _damaged(reports: Reports) -> str:
    total = sum((Counter(one) for one in reports), Counter[str]())
    others = {name: count for name, count in total.items() if name not in (SAME, ERROR)}
    said = ", ".join(f"{count:,} {name}" for name, count in others.items()) or "nothing else"
    return f"{total.total():,}: {total[SAME]:,} {SAME}, {total[ERROR]:,} {ERROR}, {said}"


def _crowd(reports: Reports) -> str:
    seconds = sum(one.pop("seconds") for one in reports)
    total = sum((Counter(one) for one in reports), Counter[str]())
    names = (crowds.ADDED, crowds.REMOVED, crowds.NAMED)
    done = ", ".join(f"{total[name]:,} {name}" for name in names)
    faults = crowds.faults_of(total)
    said = ", ".join(f"{count:,} {name}" for name, count in faults.items()) or "0 faults"
    return f"{seconds:g} s: {done}; {said}"


def _waiting(reports: Reports) -> str:
    said = []
    for one in reports:
        for name, found in one.items():
            if isinstance(found, dict):
                said.append(f"{name} p50 {found['p50_ms']:.0f} ms, p99 {found['p99_ms']:.0f} ms")
        beside = one["beside writers"]
        said.append(f"{beside['failed']:,} failed; at most {beside['behind_most_s']:.0f} s behind")
    return "; ".join(said)


def _leaks(reports: Reports) -> str:
    said = []
    for one in reports:
        for done in ("classifying", "embedding"):
            times = one["classified" if done == "classifying" else "embedded"]
            grown = one[f"by {done}"]
            said.append(f"{times:,} times {done}: {grown['bytes'] / 1e6:.1f} MB, "
                        f"{grown['descriptors']} descriptors")  # fmt: skip
    return "; ".join(said)


def _tests(reports: Reports) -> str:
    return "; ".join(f"{one['passed']} tests passed, {one['failed']} failed" for one in reports)


PARTS: dict[str, Part] = {
    "formats": Part(
        shows="mutated files, all formats and the product's own files",
        command="tests.faults.formats --count 1000000 --report REPORT", figure=_formats,
    ),
    "bombs": Part(
        shows="files that ask for much, small ones and large ones at their densest",
        command="pytest tests/faults/test_bombs.py -m 'slow or not slow'", figure=_tests,
    ),
    "network": Part(
        shows="connections opened by any command",
        command="pytest tests/faults/test_network.py", figure=_tests,
    ),
    "damaged": Part(
        shows="damaged files of an index and of its cache",
        command="tests.faults.damaged_index 3000 --report REPORT", figure=_damaged,
    ),
    "index_kills": Part(
        shows="processes killed while they change an index",
        command="tests.faults.index_kills 2000 --report REPORT", figure=_kills,
    ),
    "file_kills": Part(
        shows="processes killed while they write checkpoints, packs, models and caches",
        command="tests.faults.file_kills 1000 --report REPORT", figure=_kills,
    ),
    "crowd": Part(
        shows="eight writers beside eight readers of an index",
        command="tests.faults.crowd 600 --report REPORT", figure=_crowd,
    ),
    "waiting": Part(
        shows="how long a reader of 900 examples waits beside eight writers and seven readers",
        command="tests.faults.waiting --report REPORT", figure=_waiting,
    ),
    "leaks": Part(
        shows="what a process gains by working for long, after a tenth of it",
        command="tests.faults.leaks --report REPORT", figure=_leaks,
    ),
    "names": Part(
        shows="names with escapes, line ends and bytes that are no UTF-8",
        command="pytest tests/faults/test_names.py", figure=_tests,
    ),
    "disk": Part(
        shows="full disks", command="pytest tests/faults/test_full_disk.py", figure=_tests,
    ),
    "processes": Part(
        shows="forks, asyncio, and six processes that make one index",
        command="pytest tests/faults/test_processes.py", figure=_tests,
    ),
}  # fmt: skip
"""By the beginnings of their reports' names."""


def run_part(name: str, report: Path) -> None:
    """Run a part, and write its report."""
    words = shlex.split(PARTS[name].command)
    if words[0] == "pytest":
        done = subprocess.run([sys.executable, "-m", *words, "-q"], capture_output=True, text=True,
                              check=False)  # fmt: skip
        line = done.stdout.strip().splitlines()[-1].split()
        counts = {word.strip(","): int(line[at - 1]) for at, word in enumerate(line)
                  if at and line[at - 1].isdigit()}  # fmt: skip
        facts = {kind: counts.get(kind, 0) for kind in ("passed", "failed", "skipped")}
        write_text(report, json.dumps(facts))
        return
    words = [str(report) if word == "REPORT" else word for word in words]
    subprocess.run([sys.executable, "-m", *words], check=False)


def rows(folder: Path, *, run: bool) -> dict[str, str]:
    """The rows of the table by what they show, of each part that has a report."""
    found = {}
    for name, part in PARTS.items():
        if run and not list(folder.glob(f"{name}*.json")):
            run_part(name, folder / f"{name}.json")
        texts = [file.read_text(encoding="utf-8") for file in sorted(folder.glob(f"{name}*.json"))]
        if texts:
            figure = part.figure([json.loads(text) for text in texts])
            command = part.command.removesuffix(" --report REPORT")
            found[part.shows] = f"| {part.shows} | {figure} | `python -m {command}` |"
    return found


def with_rows(page: str, found: dict[str, str]) -> str:
    """A page whose first table has these rows; rows of others stay."""
    lines = page.splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("| to show |"))
    end = next(at for at in range(start, len(lines) + 1) if not "\n".join(lines[at : at + 1]))
    left = dict(found)
    for at in range(start + 2, end):
        shows = lines[at].split(" | ")[0].removeprefix("| ")
        lines[at] = left.pop(shows, lines[at])
    lines[end:end] = left.values()
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run what is missing, and write the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--reports", type=Path, default=Path("build/faults"))
    options.add_argument("--write", type=Path, help="page whose first table is renewed")
    options.add_argument("--only-reports", action="store_true", help="run nothing")
    given = options.parse_args()
    given.reports.mkdir(parents=True, exist_ok=True)
    found = rows(given.reports, run=not given.only_reports)
    sys.stdout.write("\n".join(found.values()) + "\n")
    if given.write is not None:
        write_text(given.write, with_rows(given.write.read_text(encoding="utf-8"), found))


if __name__ == "__main__":
    main()
