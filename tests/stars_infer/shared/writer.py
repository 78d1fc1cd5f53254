"""A process that adds exemplars to a shared index, and says which were acknowledged.

python -m tests.stars_infer.shared.writer INDEX SEED COUNT
"""

import hashlib
import sys
from dataclasses import replace

import numpy as np

from stars_infer.shared.open import open_index
from tests.stars_infer.shared.databases import examples, shipped


def varied(base, seed, count):
    """As many exemplars as are wanted, made of one by small changes."""
    random = np.random.default_rng(seed)
    for number in range(count):
        features = base.features
        noise = random.normal(scale=0.01, size=features.sequence.shape)
        yield replace(
            base,
            label=f"action {number % 5}",
            source=f"{seed}/{number}",
            content_hash=hashlib.sha256(f"{seed} {number}".encode()).hexdigest(),
            features=replace(features, sequence=(features.sequence + noise).astype(np.float32)),
        )


def main():
    name, seed, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    encoder = shipped()
    (base,) = examples(encoder, 1, ("wave",))
    with open_index(name, encoder.info, wait=120) as index:
        print("ready", flush=True)  # noqa: T201
        for one in varied(base, seed, count):
            index.add([one])
            print(one.content_hash, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
