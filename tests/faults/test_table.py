"""The table of docs/reliability.md, made from reports."""

import json
from pathlib import Path

import pytest

from tests.faults.table import PARTS, rows, with_rows

REPORTS = {
    "formats": {"files": 12, "seed": 3, "outcomes": {"read": 2, "refused": 9, "escaped": 1}},
    "bombs": {"passed": 4, "failed": 0},
    "network": {"passed": 3, "failed": 1},
    "damaged": {"the same answer": 5, "an error": 7},
    "index_kills": {"index": {"killed at work": 6, "lost": 0}},
    "file_kills": {"pack": {"killed at work": 6, "torn": 2}, "cache": {"killed at work": 1}},
    "crowd": {"seconds": 60.0, "added": 3, "removed": 2, "named": 1, "lost": 4},
    "waiting": {
        "examples": 900,
        "beside writers": {"p50_ms": 1.0, "p99_ms": 9.0, "failed": 0, "behind_most_s": 2.0},
    },
    "leaks": {
        "classified": 10, "by classifying": {"bytes": 1_200_000, "descriptors": 0},
        "embedded": 5, "by embedding": {"bytes": 0, "descriptors": 1},
    },
    "names": {"passed": 2, "failed": 0},
    "disk": {"passed": 2, "failed": 0},
    "processes": {"passed": 2, "failed": 0},
}  # fmt: skip
SAID = {
    "formats": "12, of which 2 were read: 1 escaped, 0 slow",
    "network": "3 tests passed, 1 failed",
    "damaged": "12: 5 the same answer, 7 an error, nothing else",
    "file_kills": "7 killed at work (pack 6, cache 1): 0 lost, 2 torn, 0 left behind",
    "crowd": "60 s: 3 added, 2 removed, 1 named; 4 lost",
    "waiting": "beside writers p50 1 ms, p99 9 ms; 0 failed; at most 2 s behind",
    "leaks": "10 times classifying: 1.2 MB, 0 descriptors; 5 times embedding: 0.0 MB, 1 desc",
}


@pytest.fixture
def found(tmp_path):
    for name, facts in REPORTS.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(facts))
    return rows(tmp_path, run=False)


def test_each_part_has_its_row(found):
    assert list(found) == [part.shows for part in PARTS.values()]
    for name, said in SAID.items():
        row = found[PARTS[name].shows]
        assert f"| {said}" in row
        assert "REPORT" not in row


def test_rows_are_renewed_and_others_stay(found):
    page = "# P\n\n| to show | figure | what was run |\n| --- | --- | --- |\n"
    shows = PARTS["crowd"].shows
    page += f"| {shows} | old | `x` |\n| another | 9 | `y` |\n\nText | with bars\n"
    made = with_rows(page, {shows: found[shows], "new": "| new | 1 | `z` |"})
    assert made == page.replace(f"| {shows} | old | `x` |", found[shows]).replace(
        "| `y` |\n", "| `y` |\n| new | 1 | `z` |\n"
    )


def test_the_page_has_a_table_for_them(found):
    page = (Path(__file__).parents[2] / "docs/reliability.md").read_text(encoding="utf-8")
    assert with_rows(page, {}) == page
    assert with_rows(page, found).count("\n| ") >= page.count("\n| ")
