"""How the studio's page does with ten thousand examples: first paint, size, frames a second.

    python benchmarks/studio/page.py --examples 10000

It needs playwright and chromium. The examples are made-up clips with noise; the page is opened in
headless Chromium, which draws without a graphics card.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page, sync_playwright

from stars_infer.clips.clip import Clip
from stars_infer.encoder.encoder import Encoder
from stars_infer.index.index import ExemplarIndex, NewExemplar
from stars_infer.similarity.features import Features
from stars_infer.synthetic.actions import ACTIONS, perform

CLIPS = 20
"""Clips of each action, of which all examples are made."""
NOISE = 0.02
"""Meters."""
FRAMES = """(async () => {
  const map = document.querySelector("canvas.map").map, took = [];
  let last = performance.now();
  for (let i = 0; i < 240; i++) {
    map.across = 0.3 * Math.sin(i / 9);
    map.zoom = 1.6 + 0.6 * Math.sin(i / 17);
    map.wake();
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    took.push(now - last);
    last = now;
  }
  took.sort((a, b) => a - b);
  return { median: took[120], slow: took[228], points: map.ids.length, frames: took.length };
})()"""
PAINT = """JSON.stringify({
  paint: performance.getEntriesByName("first-contentful-paint")[0].startTime,
  loaded: performance.getEntriesByType("navigation")[0].loadEventEnd,
  files: performance.getEntriesByType("resource").concat(performance.getEntriesByType("navigation"))
    .filter((one) => !one.name.includes("/api/")).map((one) => one.encodedBodySize),
})"""


def main() -> None:
    """Measure, and print a line of JSON for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--keep", type=Path, help="folder of the index; made if it is not there")
    parser.add_argument("--quick", action="store_true", help="leave out the map and the report")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = (given.keep or Path(folder)) / f"{given.examples}.db"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            fill(path, given.examples)
        empty = Path(folder) / "empty.db"
        with sync_playwright() as running:
            browser = running.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            with Studio(empty) as address:
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                show("empty", first_paint(page, address))
            with Studio(path) as address:
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                show("full", first_paint(page, address))
                show("draft", drawn(page))
                show("frames", fluid(page))
                if not given.quick:
                    show("map", drawn(page, final=True))
                    show("report", reported(page))
            browser.close()


def fill(path: Path, count: int) -> None:
    """Make an index of so many examples."""
    encoder, random = Encoder.load(device="cpu"), np.random.default_rng(0)
    labels = [action for action in ACTIONS for _ in range(CLIPS)]
    clips = [Clip.from_array(perform(label, random)) for label in labels]
    sequences = [one.sequence for one in encoder.encode(clips, query=True)]
    vector = np.zeros(encoder.info.width, np.float32)
    with ExemplarIndex.open(path, encoder.info) as index:
        for start in range(0, count, 500):
            new = []
            for number in range(start, min(start + 500, count)):
                of = int(random.integers(len(clips)))
                sequence = sequences[of]
                assert sequence is not None
                noise = random.normal(size=sequence.shape).cumsum(axis=1) * NOISE
                made = (sequence + noise).astype(np.float32)
                new.append(
                    NewExemplar(
                        label=labels[of],
                        features=Features(vector=vector, sequence=made),
                        source=f"clip {number}",
                        content_hash=f"{number:064x}",
                    )
                )
            index.add(new)


class Studio:
    """A studio in a process of its own."""

    def __init__(self, index: Path) -> None:
        self._index = index

    def __enter__(self) -> str:
        command = [sys.executable, "-m", "stars_infer", "studio", "--no-browser", "--json"]
        self._process = subprocess.Popen(
            [*command, "--index", str(self._index)], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        address: str = json.loads(self._process.stdout.readline())["address"]
        return address

    def __exit__(self, *error: object) -> None:
        self._process.kill()  # it may be drawing a map for long
        self._process.wait()


def first_paint(page: Page, address: str) -> dict[str, Any]:
    """Milliseconds to the first paint, and bytes of the page's own files."""
    page.goto(address)
    page.wait_for_selector(".drop")
    found = json.loads(page.evaluate(PAINT))
    return {
        "first_paint_ms": round(found["paint"]),
        "loaded_ms": round(found["loaded"]),
        "files": len(found["files"]),
        "kilobytes": round(sum(found["files"]) / 1000, 1),
    }


def drawn(page: Page, *, final: bool = False) -> dict[str, float]:
    """Seconds until there is a draft of the map, or from there on until there is the map."""
    begin = time.monotonic()
    if not final:
        page.keyboard.press("3")
        page.wait_for_selector("canvas.map")
    while not page.evaluate("document.querySelector('canvas.map').map.ids.length") or (
        final and "draft" in (page.text_content(".map-stage [role=status]") or "")
    ):
        time.sleep(0.1)
    return {"seconds": round(time.monotonic() - begin, 1)}


def fluid(page: Page) -> dict[str, float]:
    """How long frames take while the map is moved, and what all of Chromium computes for one.

    The latter does not depend on what else the machine does: below 16.7 ms, sixty frames a second
    need less than one core.
    """
    before = computed()
    found: dict[str, float] = page.evaluate(FRAMES)
    return {
        "points": found["points"],
        "median_ms": round(found["median"], 1),
        "slow_ms": round(found["slow"], 1),
        "computed_ms": round(1000 * (computed() - before) / found["frames"], 1),
    }


def computed() -> float:
    """Seconds of processor time of all processes of Chromium that this one has started."""
    parents, times = {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                text = (folder / "stat").read_text(encoding="utf-8", errors="replace")
            except OSError:  # ended meanwhile
                continue
            name, _, rest = text.partition("(")[2].rpartition(")")
            fields = rest.split()
            parents[int(folder.name)] = int(fields[1])
            if "chrom" in name:
                times[int(folder.name)] = int(fields[11]) + int(fields[12])
    total = 0
    for number, ticks in times.items():
        above = number
        while above in parents and above != os.getpid():
            above = parents[above]
        total += ticks if above == os.getpid() else 0
    return total / os.sysconf("SC_CLK_TCK")


def reported(page: Page) -> dict[str, float]:
    """Seconds until what would help is said, after the map."""
    begin = time.monotonic()
    page.wait_for_selector(".advice:not(.old) h2", timeout=600_000)
    return {"report_s": round(time.monotonic() - begin, 1)}


def show(what: str, found: dict[str, Any]) -> None:
    """Print a line of JSON."""
    print(json.dumps({"what": what, **found}), flush=True)


if __name__ == "__main__":
    main()
