"""A job over many files: what is to be done, divided into shards, and which of them are finished.

The folder of a job holds `job.json` (what is done, by which model and options), `plan/*.parquet`
(which files each shard is made of) and `shards/*.parquet` (what came out). Each of these files is
written in one step, so that a job that was killed goes on where it was: a shard that is there is
finished.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stars_infer.cluster.places import Place
from stars_infer.embedding.shards import FORMAT, JOB_FILE, SHARDS
from stars_infer.errors import MissingExtraError, StarsError, UsageError, brief

PLAN = "plan"
LARGEST_SHARD = 512
"""Files of a shard, at most; fewer where there are few, so that all workers have some."""
_SHARDS_PER_WORKER = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """Some files of a job, whose rows go into one file.

    Attributes:
        number: Which.
        sources: The files.
    """

    number: int
    sources: Sequence[str]

    @property
    def name(self) -> str:
        """The file in the folder of the job."""
        return f"{SHARDS}/{self.number:06d}.parquet"


class Job:
    """The folder of a job.

    Args:
        place: Where it is.
        about: What is done, by which model and options: the same whenever it goes on.

    Raises:
        UsageError: If the folder holds a job that does something else, or other files.
        StarsError: If it cannot be reached.
    """

    def __init__(self, place: Place, about: Mapping[str, Any]) -> None:
        self.place = place
        self.about = {"format": FORMAT, **about}
        found = place.read(JOB_FILE)
        self.goes_on = found is not None
        if found is not None:
            self._check(found)
            return
        if place.path is not None and place.path.exists() and not _is_free(place):
            raise UsageError(
                f"--out {place}: is no folder of a job, and not empty; name a new folder"
            )
        with place.writing(JOB_FILE) as path:
            path.write_text(json.dumps(self.about, indent=2) + "\n", encoding="utf-8")

    def _check(self, found: bytes) -> None:
        try:
            there = json.loads(found)
            items = dict(there)
        except (ValueError, TypeError) as error:
            raise StarsError(
                f"{self.place / JOB_FILE}: not the description of a job ({brief(error)})"
            ) from error
        wanted = json.loads(json.dumps(self.about))
        other = sorted(key for key in items.keys() | wanted if items.get(key) != wanted.get(key))
        if other:
            raise UsageError(
                f"--out {self.place}: holds a job with another {', '.join(other)}; repeat its "
                "options to go on, or name a new folder"
            )

    def plan(
        self, sources: Sequence[str], *, workers: int, largest: int | None = None
    ) -> list[Shard]:
        """Divide files into shards; those that are in some shard already stay there.

        Args:
            sources: All files of the job, in order.
            workers: How many will do it.
            largest: Most files of a shard; chosen by their number if not given.

        Returns:
            All shards of the job, by number.
        """
        shards = list(self._planned())
        known = {source for shard in shards for source in shard.sources}
        new = [source for source in sources if source not in known]
        if new:
            size = largest or min(LARGEST_SHARD, max(1, len(new) // (_SHARDS_PER_WORKER * workers)))
            start = len(shards)
            more = [
                Shard(number=start + at // size, sources=new[at : at + size])
                for at in range(0, len(new), size)
            ]
            self._write_plan(more)
            shards += more
        return shards

    def _planned(self) -> Iterator[Shard]:
        for name in self.place.names(PLAN):
            rows = self._read(f"{PLAN}/{name}").to_pylist()
            yield from (Shard(number=row["shard"], sources=row["sources"]) for row in rows)

    def _write_plan(self, shards: Sequence[Shard]) -> None:
        pa, pq = arrow(), parquet()
        rows = [{"shard": one.number, "sources": list(one.sources)} for one in shards]
        schema = pa.schema([("shard", pa.int32()), ("sources", pa.list_(pa.string()))])
        with self.place.writing(f"{PLAN}/{shards[0].number:06d}.parquet") as path:
            pq.write_table(pa.Table.from_pylist(rows, schema), path)

    def finished(self) -> set[str]:
        """Names of the shards that are there."""
        return {f"{SHARDS}/{name}" for name in self.place.names(SHARDS)}

    def columns(self, shard: str, names: Sequence[str]) -> Any:
        """Some columns of a shard that is there, as a table of Arrow."""
        return self._read(shard, list(names))

    def _read(self, name: str, columns: list[str] | None = None) -> Any:
        pq = parquet()
        path = self.place.path
        try:
            if path is not None:
                return pq.ParquetFile(path / name).read(columns)
            return pq.ParquetFile(io.BytesIO(self.place.read(name) or b"")).read(columns)
        except Exception as error:  # damage fails in Arrow in many ways
            raise StarsError(
                f"{self.place / name}: not readable as Parquet ({brief(error)}); remove it, and "
                "run the job again"
            ) from error


def _is_free(place: Place) -> bool:
    assert place.path is not None
    return place.path.is_dir() and not [
        one for one in place.path.iterdir() if not one.name.startswith(".stars-")
    ]


def arrow() -> Any:
    """PyArrow.

    Raises:
        MissingExtraError: If it is not installed.
    """
    try:
        import pyarrow
    except ModuleNotFoundError as error:
        raise MissingExtraError("writing Parquet", "ray", "pyarrow") from error
    return pyarrow


def parquet() -> Any:
    """PyArrow's part for Parquet; see `arrow`."""
    arrow()
    import pyarrow.parquet

    return pyarrow.parquet
