"""One similarity out of two: that of sequences, and the cosine of vectors where it has a weight.

A model says how much vectors count (`SequenceConfig.vector_weight`). Kernels are added, not
similarities: the sum of two kernels is a kernel, in which whatever either of them finds alike is
alike (Gönen and Alpaydın, "Multiple kernel learning algorithms", 2011).
"""

from __future__ import annotations

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.similarity.features import Features, unit, vectors_of


def join(similarity: FloatArray, cosine: FloatArray, how: SequenceConfig) -> FloatArray:
    """Join the similarity of sequences with the cosine of vectors.

    Args:
        similarity: Of sequences, any shape.
        cosine: Of the vectors of the same clips, the same shape.
        how: How much vectors count.

    Returns:
        1 + kernel_width log((1 - w) exp((similarity - 1) / kernel_width) + w exp((cosine - 1) /
        vector_width)), where w is the weight of vectors; without a weight, `similarity` itself.
    """
    weight = how.vector_weight
    if not weight:
        return similarity
    by_sequence = np.exp((similarity.astype(np.float64) - 1) / how.kernel_width)
    by_vector = np.exp((np.minimum(cosine, 1).astype(np.float64) - 1) / how.vector_width)
    joined = np.log((1 - weight) * by_sequence + weight * by_vector)
    return np.asarray(1 + how.kernel_width * joined, np.float32)


def join_with_query(
    similarity: FloatArray, query: Features, unit_vectors: FloatArray | None, how: SequenceConfig
) -> FloatArray:
    """Join the similarity of a query's sequence to E exemplars with the cosines of their vectors.

    Args:
        similarity: Of the sequences, (E,).
        query: The query.
        unit_vectors: Of the exemplars, (E, D); not needed where vectors have no weight.
        how: How much vectors count.

    Raises:
        UsageError: If vectors count, and the query has none.
    """
    if not how.vector_weight or not len(similarity):
        return similarity
    assert unit_vectors is not None
    return join(similarity, unit_vectors @ unit(vectors_of([query]))[0], how)
