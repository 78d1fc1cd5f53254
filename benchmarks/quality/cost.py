"""What the comparison costs: milliseconds a query on one core, bytes an exemplar.

    python benchmarks/quality/cost.py --exemplars 1000

Sequences are made of synthetic recordings; their content does not change the cost.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from stars_infer.clips.clip import Clip
from stars_infer.preprocessing.prepare import prepare
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.similarity.features import Features
from stars_infer.similarity.nearest import SequenceSearcher
from stars_infer.similarity.sequence import posture_sequence
from stars_infer.synthetic.actions import ACTIONS, perform

QUERIES = 50


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--exemplars", type=int, default=1000)
    options = parser.parse_args()
    random = np.random.default_rng(0)
    one_body = [action for action in ACTIONS if len(perform(action, random)) == 1]
    actions = random.choice(one_body, 64)
    clips = [Clip.from_array(perform(action, random)) for action in actions]
    how = SequenceConfig()
    prepared = [prepare(clip, how.preprocessing) for clip in clips]
    sequences = [
        posture_sequence(body + random.normal(0, 0.01, body.shape).astype(np.float32), how)
        for body in (prepared[n % len(prepared)] for n in range(options.exemplars))
    ]
    queries = [Features(vector=None, sequence=sequence) for sequence in sequences]
    searcher = SequenceSearcher(queries, how)
    print(f"{options.exemplars:,} exemplars, one body each, {how.steps} steps, one core")
    print(f"{sequences[0].astype(np.float16).nbytes / 1024:.1f} KiB an exemplar")
    for name, call in (
        ("prepare", lambda n: prepare(clips[n % len(clips)], how.preprocessing)),
        ("sequence", lambda n: posture_sequence(prepared[n % len(prepared)], how)),
        ("search", lambda n: searcher.nearest([queries[n]], 5)),
    ):
        times = []
        for n in range(QUERIES):
            start = time.perf_counter()
            call(n)
            times.append(1000 * (time.perf_counter() - start))
        print(f"{name}: {statistics.median(times):.2f} ms a clip")


if __name__ == "__main__":
    main()
