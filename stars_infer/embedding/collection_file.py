"""The file of a collection: what its arrays say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.errors import CollectionError, brief
from stars_infer.readers.members import Archive
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.similarity.features import Features

FORMAT = 1
AGAIN = "make it again with `stars embed`"


class Parts(TypedDict):
    """What a `Collection` is made of."""

    sources: Sequence[str]
    clip_features: Sequence[Features]
    labels: Sequence[str] | None
    content_hashes: Sequence[str]
    model: str | None
    fingerprint: str | None
    comparison: SequenceConfig | None


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file; nothing in it is unpickled.

    Raises:
        CollectionError: If it cannot be read.
    """
    if not path.is_file():
        raise CollectionError(
            f"{path}: no such collection; make one with `stars embed CLIPS --out {path}`"
        )
    try:
        with Archive(path) as archive:
            return {name: archive.array(name) for name in archive.names}
    except Exception as error:  # damage fails in NumPy, zip and zlib in many ways
        raise CollectionError(
            f"{path}: not a readable .npz archive of plain arrays ({brief(error)}); make it again "
            "with `stars embed`"
        ) from error


def parts_of(path: Path, arrays: dict[str, NDArray[Any]]) -> Parts:
    """What a collection is made of, by the arrays of its file.

    Raises:
        CollectionError: If it is no collection, or was made by another version.
        ValueError: If arrays are damaged or do not fit together; so do KeyError and TypeError.
    """
    if "embeddings" not in arrays or "sources" not in arrays:
        raise CollectionError(
            f"{path}: not a collection: expected the arrays 'embeddings' and 'sources', found "
            f"{sorted(arrays) or 'none'}; make one with `stars embed`"
        )
    of_old = "sequences" in arrays and "comparison" not in arrays
    if of_old or int(arrays.get("format", np.array(FORMAT))) != FORMAT:
        raise CollectionError(f"{path}: made by another version of stars-infer: {AGAIN}")
    vectors = np.asarray(arrays["embeddings"], np.float32)
    size = len(vectors)
    if vectors.ndim != 2 or not np.isfinite(vectors).all():
        raise ValueError(f"embeddings {vectors.shape} are not finite vectors (N, D)")
    each = zip(vectors, _split(arrays, size), _flat(arrays, size), strict=True)
    clip_features = [Features(vector=one, sequence=other, flat=flat) for one, other, flat in each]
    return Parts(
        sources=_texts(arrays["sources"]),
        clip_features=clip_features,
        labels=_texts(arrays["labels"]) if "labels" in arrays else None,
        content_hashes=_texts(arrays["content_hashes"]) if "content_hashes" in arrays else (),
        model=str(arrays["model"]) if "model" in arrays else None,
        fingerprint=str(arrays["fingerprint"]) if "fingerprint" in arrays else None,
        comparison=_comparison(arrays),
    )


def _texts(array: NDArray[Any]) -> list[str]:
    if array.ndim != 1 or array.dtype.kind != "U":
        raise ValueError(f"expected a list of texts, got {array.dtype} {array.shape}")
    return [str(text) for text in array]


def _split(arrays: dict[str, NDArray[Any]], size: int) -> list[FloatArray | None]:
    """The sequence of each clip (M, S, F), or None for all where the file holds none."""
    if "sequences" not in arrays:
        return [None] * size
    bodies, joined = arrays["bodies"].astype(np.intp), arrays["sequences"]
    if bodies.shape != (size,) or not np.isin(bodies, (1, 2)).all():
        raise ValueError(f"bodies {bodies.shape} are not 1 or 2 for each of {size} clips")
    if joined.ndim != 3 or len(joined) != bodies.sum() or not np.isfinite(joined).all():
        raise ValueError(f"sequences {joined.shape} are not finite ones of {bodies.sum()} bodies")
    return list(np.split(joined, np.cumsum(bodies)[:-1]))


def _flat(arrays: dict[str, NDArray[Any]], size: int) -> list[bool]:
    """Whether each clip is in 2D; none is where the file does not say."""
    flat = arrays.get("flat", np.zeros(size, np.bool_))
    if flat.shape != (size,) or flat.dtype.kind != "b":
        raise ValueError(f"expected {size} truth values 'flat', got {flat.dtype} {flat.shape}")
    return [bool(one) for one in flat]


def _comparison(arrays: dict[str, NDArray[Any]]) -> SequenceConfig | None:
    """How sequences of a file are compared; None where it holds none."""
    if "sequences" not in arrays:
        return None
    how = SequenceConfig.from_json(json.loads(str(arrays["comparison"])))
    form = arrays["sequences"].shape[1:]
    if form != how.shape[1:]:
        raise ValueError(f"sequences {form} are compared as {how.shape[1:]}")
    return how
