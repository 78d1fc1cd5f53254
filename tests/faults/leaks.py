"""Memory and descriptors that a process gains by classifying and embedding for long.

`python -m tests.faults.leaks` classifies 100,000 times and embeds 10,000 times.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from stars_infer import Clip, Recognizer
from stars_infer.machine import resident_memory
from stars_infer.synthetic.actions import perform

MOST_BYTES = 5_000_000
_ACTIONS = ("wave", "squat", "kick", "clap")


def measure(classified: int, embedded: int, *, index: bool = True) -> dict[str, Any]:
    """Classify and embed, and see what has grown since the first tenth of each.

    Args:
        classified: How often to classify.
        embedded: How often to run the network.
        index: Keep the examples in a file, and change them now and then.
    """
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stars.db" if index else None
        with Recognizer(path, device="cpu") as actions:
            for action in _ACTIONS:
                actions.add(action, [perform(action, random) for _ in range(3)])
            clips = [Clip.from_array(perform(action, random)) for action in _ACTIONS]
            queries = actions.encoder.encode(clips, query=True)

            def classify(number: int) -> None:
                (answer,) = actions.index.classify([queries[number % len(queries)]])
                assert answer.label == _ACTIONS[number % len(queries)]
                if number % 5000 == 4999:
                    actions.add("new", perform("walk", random))
                    actions.remove("new")

            def embed(number: int) -> None:
                actions.encoder.embed([clips[number % len(clips)]])

            return {
                "classified": classified, "by classifying": _growth(classify, classified),
                "embedded": embedded, "by embedding": _growth(embed, embedded),
            }  # fmt: skip


def _growth(work: Callable[[int], None], times: int) -> dict[str, float]:
    """What a process gains in the last nine tenths of its work."""
    began = time.monotonic()
    for number in range(times // 10):
        work(number)
    memory, descriptors = _held()
    for number in range(times // 10, times):
        work(number)
    now, open_now = _held()
    return {
        "bytes": now - memory, "descriptors": open_now - descriptors,
        "seconds": round(time.monotonic() - began, 1),
    }  # fmt: skip


def _held() -> tuple[int, int]:
    gc.collect()
    return resident_memory() or 0, len(os.listdir("/proc/self/fd"))


def is_flat(found: dict[str, Any]) -> bool:
    """Whether nothing has leaked."""
    parts = (found["by classifying"], found["by embedding"])
    return all(part["bytes"] < MOST_BYTES and part["descriptors"] <= 0 for part in parts)


def main() -> None:
    """Run the long form."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--classified", type=int, default=100_000)
    parser.add_argument("--embedded", type=int, default=10_000)
    parser.add_argument("--report", type=Path)
    options = parser.parse_args()
    found = measure(options.classified, options.embedded)
    text = json.dumps(found, indent=1)
    if options.report is not None:
        options.report.write_text(text, encoding="utf-8")
    sys.stdout.write(text + "\n")
    sys.exit(not is_flat(found))


if __name__ == "__main__":
    main()
