"""Embedded clips in Parquet files, as a job over many machines writes them, read as a collection.

A job is a folder: `job.json` says what was done by which model; `shards/*.parquet` hold a row for
each clip, in the order of the job. `docs/scale.md` describes the columns. Any program that knows
Parquet reads them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.embedding.collection import Collection
from stars_infer.encoder.model import ModelInfo
from stars_infer.errors import CollectionError, MissingExtraError, brief
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.similarity.features import Features

if TYPE_CHECKING:
    import pyarrow as pa

JOB_FILE, SHARDS = "job.json", "shards"
FORMAT = 1
EMBED = "embed"


def is_job(path: Path) -> bool:
    """Whether a path is the folder of a job."""
    return (path / JOB_FILE).is_file()


def embedding_schema(width: int) -> pa.Schema:
    """Columns of the shards of embedded clips.

    Args:
        width: Numbers of a vector.
    """
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("source", pa.string(), nullable=False),
            pa.field("content_hash", pa.string()),
            pa.field("vector", pa.list_(pa.float32(), width)),
            pa.field("sequence", pa.list_(pa.float16())),
            pa.field("bodies", pa.int8()),
            pa.field("frames", pa.int32()),
            pa.field("flat", pa.bool_()),
            pa.field("notes", pa.list_(pa.string())),
            pa.field("copy", pa.bool_()),
            pa.field("error", pa.string()),
        ]
    )


def load_job(path: str | Path, *, model: ModelInfo | None = None) -> Collection:
    """Read what `stars embed --engine ray` wrote as a collection, with all clips in memory.

    A clip that lies in several places is there under each of its names; what could not be used is
    left out.

    Args:
        path: The folder of the job, on a disk.
        model: The model that is to search it; a job of another one is refused.

    Raises:
        CollectionError: If it is none, is damaged, not finished, or another model's.
        MissingExtraError: If PyArrow is not installed.
    """
    folder = Path(path)
    try:
        import pyarrow.parquet as pq
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"{folder}: reading Parquet", "formats", "pyarrow") from error
    about = read_job(folder)
    if model is not None and about["fingerprint"] != model.fingerprint:
        raise CollectionError(
            f"{folder}: made by the model {about['model']!r} ({about['fingerprint'][:12]}), but "
            f"this is {model.name!r} ({model.fingerprint[:12]}); use that model, or embed the "
            "clips again"
        )
    how = None if about["comparison"] is None else SequenceConfig.from_json(about["comparison"])
    rows: list[tuple[str, str]] = []
    features: dict[str, Features] = {}
    for file in sorted((folder / SHARDS).glob("[!.]*.parquet")):
        try:
            table = pq.ParquetFile(file).read()
            used = table.filter(table["error"].is_null())
            names, hashes = (used[name].to_pylist() for name in ("source", "content_hash"))
            rows += zip(names, hashes, strict=True)
            features |= _features(used.filter(used["vector"].is_valid()), how)
        except Exception as error:  # damage fails in Arrow in many ways
            raise CollectionError(f"{file}: not a readable shard ({brief(error)})") from error
    if not rows:
        raise CollectionError(f"{folder}: no clip could be used, or none is embedded yet")
    missing = next((name for name, content in rows if content not in features), None)
    if missing is not None:
        raise CollectionError(
            f"{folder}: the job is not finished, {missing} is missing: run it again to go on"
        )
    return Collection(
        sources=[name for name, _ in rows],
        clip_features=[features[content] for _, content in rows],
        content_hashes=[content for _, content in rows],
        model=about["model"],
        fingerprint=about["fingerprint"],
        comparison=how,
    )


def read_job(folder: Path) -> dict[str, Any]:
    """What the folder of a job of embedding says of itself.

    Raises:
        CollectionError: If it is none.
    """
    file = folder / JOB_FILE
    try:
        about: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        kind = about["kind"], about["format"], bool(about["fingerprint"] and about["model"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CollectionError(f"{file}: not the description of a job ({brief(error)})") from error
    if kind != (EMBED, FORMAT, True):
        raise CollectionError(f"{folder}: holds no embedded clips of this version of stars-infer")
    return about


def _features(table: pa.Table, how: SequenceConfig | None) -> dict[str, Features]:
    """Features of the rows that have a vector, by content hash."""
    hashes = table["content_hash"].to_pylist()
    if not hashes:
        return {}
    vectors = table["vector"].combine_chunks().flatten().to_numpy().reshape(len(hashes), -1)
    sequences: list[FloatArray | None] = [None] * len(hashes)
    if how is not None:
        column = table["sequence"].combine_chunks()
        joined = column.flatten().to_numpy(zero_copy_only=False)
        ends = np.cumsum(column.value_lengths().to_numpy())[:-1]
        sequences = [part.reshape(-1, *how.shape[1:]) for part in np.split(joined, ends)]
    return {
        content: Features(vector=vector, sequence=sequence, flat=flat)
        for content, vector, sequence, flat in zip(
            hashes, vectors, sequences, table["flat"].to_pylist(), strict=True
        )
    }
