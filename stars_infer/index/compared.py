"""The exemplars of an index, compared in another way than their model compares them."""

from __future__ import annotations

from stars_infer.encoder.encoder import Encoder
from stars_infer.index.index import ExemplarIndex, NewExemplar
from stars_infer.index.state import no_progress
from stars_infer.parallel import ReportProgress
from stars_infer.similarity.features import Features


def compared_by(
    index: ExemplarIndex, encoder: Encoder, *, progress: ReportProgress = no_progress
) -> ExemplarIndex:
    """Copy an index into memory, to compare its exemplars as another encoder does.

    Vectors that are missing are made, and kept in the index.

    Args:
        index: The index.
        encoder: Its model, compared in another way, from `Encoder.comparing`.
        progress: Called with how many vectors were made, and of how many.

    Raises:
        UsageError: If the encoder is another model's.
    """
    by_sequence = encoder.info.comparison is not None
    maker = encoder if encoder.info.compares_vectors else None
    copied = ExemplarIndex.in_memory(encoder.info)
    copied.add(
        [
            NewExemplar(
                label=exemplar.label,
                features=Features(
                    vector=kept.vector,
                    sequence=kept.sequence if by_sequence else None,
                    flat=index.flat,
                ),
                source=exemplar.source,
                content_hash=exemplar.content_hash,
            )
            for exemplar, kept in index.features(maker, progress=progress)
        ]
    )
    return copied
