"""The vote of nearest exemplars, spelled out for one clip."""

import math
from collections import defaultdict


def plain_vote(labels, similarities, *, temperature=None):
    """Most votes win; of those that tie, the larger sum of similarities."""
    won, sums = defaultdict(float), defaultdict(float)
    for label, similarity in zip(labels, similarities, strict=True):
        gap = similarities[0] - similarity
        won[label] += 1.0 if temperature is None else math.exp(-gap / temperature)
        sums[label] += similarity
    most = max(won.values())
    return max((name for name in won if won[name] == most), key=lambda name: sums[name])
