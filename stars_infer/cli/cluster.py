"""Options of commands that work on many machines, `--engine ray`, and what they print meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stars_infer.cli.options import CONVENTION, existing_index, with_options
from stars_infer.cli.output import Output, count_in_words
from stars_infer.errors import ClipError, UsageError

if TYPE_CHECKING:
    from stars_infer.classification.prediction import ClassifyOptions
    from stars_infer.cluster.bulk import Progress
    from stars_infer.cluster.engine import Engine
    from stars_infer.cluster.work import How
    from stars_infer.embedding.additions import Addition

LOCAL, RAY = "local", "ray"
_MANY = "Many machines"
_MANY_ERRORS = 20
"""Errors beyond which it is said that all of them are rows of what is written."""
_PAUSE = 30.0
"""Seconds between two lines of progress where there is no terminal for a bar."""
EngineOption = Annotated[
    str,
    typer.Option(
        "--engine",
        help="local, or ray: the nodes of a Ray cluster, or the cores of this machine by Ray.",
        rich_help_panel=_MANY,
    ),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        "--address",
        envvar="RAY_ADDRESS",
        help="Head of the Ray cluster, such as 10.0.0.1:6379, or auto for the one on this machine.",
        show_default="one that is started for the command",
        rich_help_panel=_MANY,
    ),
]
BulkOutOption = Annotated[
    str | None,
    typer.Option(
        "--out",
        help="With --engine ray: the folder to write to, or s3://…",
        rich_help_panel=_MANY,
    ),
]


def runs_on_ray(engine: str) -> bool:
    """Whether a value of `--engine` asks for Ray.

    Raises:
        UsageError: If there is no such engine.
    """
    if engine not in (LOCAL, RAY):
        raise UsageError(f"--engine {engine}: choose {LOCAL} or {RAY}")
    return engine == RAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Where a command works, and in what parts."""

    engine: EngineOption = LOCAL
    address: AddressOption = None
    shard: Annotated[
        int | None,
        typer.Option(
            "--shard",
            min=1,
            help="With --engine ray: files that are done together, and lie in one Parquet file.",
            show_default="at most 512",
            rich_help_panel=_MANY,
        ),
    ] = None
    gpus: Annotated[
        float,
        typer.Option(
            "--gpus",
            min=0,
            help="With --engine ray: share of a GPU for each worker, such as 0.25.",
            rich_help_panel=_MANY,
        ),
    ] = 0.0

    @property
    def is_ray(self) -> bool:
        """Whether Ray does it."""
        return runs_on_ray(self.engine)

    @contextmanager
    def joined(self, workers: int | None, output: Output) -> Iterator[Engine]:
        """Join the cluster, or start one.

        Raises:
            StarsError: If Ray is not installed, or there is no such cluster.
        """
        from stars_infer.cluster.engine import joined_cluster

        with joined_cluster(self.address, workers=workers, gpus=self.gpus) as engine:
            output.note(f"on a Ray cluster, {count_in_words(engine.workers, 'worker')}")
            yield engine


reads_clips_anywhere = with_options(convention=CONVENTION, cluster=Cluster)
"""As `reads_clips`; the parameter `cluster` takes a `Cluster`."""


def listed(paths: list[str], output: Output) -> list[str]:
    """The clip files of a job."""
    from stars_infer.cluster.engine import check_ray
    from stars_infer.cluster.sources import list_sources

    check_ray()
    return list_sources(paths, skip=output.failure, note=output.note)


def embed_on_cluster(
    paths: list[str], *, out: str, how: How, cluster: Cluster, workers: int | None, output: Output
) -> None:
    """`stars embed --engine ray`."""
    from stars_infer.cluster.bulk import embed_in_bulk

    _check_out(out)
    sources = listed(paths, output)
    with cluster.joined(workers, output) as engine, _shown("embedding", output) as tell:
        done = embed_in_bulk(engine, sources, out=out, how=how, shard=cluster.shard, tell=tell)
    _summarize(done, out, output)


def classify_on_cluster(
    paths: list[str],
    *,
    out: str | None,
    index: Path,
    options: ClassifyOptions,
    how: How,
    cluster: Cluster,
    workers: int | None,
    output: Output,
) -> None:
    """`stars classify --engine ray`."""
    from stars_infer.cluster.bulk import classify_in_bulk

    if out is None:
        raise UsageError("--engine ray writes its answers to a folder: name it with --out")
    _check_out(out)
    sources = listed(paths, output)
    with cluster.joined(workers, output) as engine, _shown("classifying", output) as tell:
        done = classify_in_bulk(
            engine,
            sources,
            index=index,
            out=out,
            how=how,
            options=options,
            shard=cluster.shard,
            tell=tell,
        )
    _summarize(done, out, output)


def _check_out(out: str) -> None:
    """Make sure that a folder of this machine can be written; of another's, its store says so."""
    from stars_infer.atomic import check_folder

    if "://" not in out:
        check_folder(Path(out), "--out")


def add_on_cluster(
    paths: list[str],
    *,
    label: str | None,
    index: Path,
    how: How,
    cluster: Cluster,
    workers: int | None,
    output: Output,
    tell: Callable[[Iterable[Addition], Output], None],
) -> tuple[list[Addition], list[str]]:
    """`stars fewshot add-class --engine ray`.

    Returns:
        What became of the clips, and the actions that were there before.
    """
    from stars_infer.cluster.bulk import add_in_bulk
    from stars_infer.shared.open import index_exists

    sources = listed(paths, output)
    before = existing_index(index, how.model).labels if index_exists(index) else []
    done: list[Addition] = []

    def added(one: Addition) -> None:
        done.append(one)
        tell([one], output)

    with cluster.joined(workers, output) as engine, _shown("adding", output) as show:
        add_in_bulk(
            engine,
            sources,
            index=index,
            label=label,
            how=how,
            shard=cluster.shard,
            tell=show,
            added=added,
        )
    return done, before


@contextmanager
def _shown(what: str, output: Output) -> Iterator[Callable[[Progress], None]]:
    """Show how far a job is; Ctrl-C ends the command, and what is done stays."""
    latest: list[Progress] = []
    with output.bar() as bar:
        task = bar.add_task(what, total=None)
        told = time.monotonic()

        def tell(progress: Progress) -> None:
            nonlocal told
            if not latest and progress.before:
                output.note(
                    f"goes on: {progress.before:,} of {progress.all_files:,} files are done"
                )
            latest[:] = [progress]
            bar.update(task, completed=progress.files, total=progress.all_files)
            _tell_errors(progress, output)
            if output.json:
                output.record(_record(progress))
            elif bar.disable and time.monotonic() - told > _PAUSE:
                told = time.monotonic()
                output.note(_in_words(what, progress))

        def how_far() -> str:
            done, end = (latest[0].files, latest[0].all_files) if latest else (0, 0)
            return f"{done:,} of {end:,} files are done"

        with output.goes_on(how_far):
            yield tell


def _tell_errors(progress: Progress, output: Output) -> None:
    if progress.report is None:
        return
    for source, problem in progress.report.told:
        output.failure(ClipError(source, problem))
    output.failures = max(output.failures, progress.failures)


def _record(progress: Progress) -> dict[str, object]:
    return {
        "files": progress.files,
        "of": progress.all_files,
        "clips": progress.found,
        "copies": progress.copies,
        "failures": progress.failures,
        "seconds": round(progress.seconds, 1),
        "core_seconds": round(progress.core_seconds, 1),
        "seconds_left": None if progress.seconds_left is None else round(progress.seconds_left, 1),
    }


def _in_words(what: str, progress: Progress) -> str:
    left = progress.seconds_left
    told = "" if left is None else f", {left / 60:.0f} min left"
    return f"{what}: {progress.files:,} of {progress.all_files:,} files{told}"


def _summarize(done: Progress, out: str, output: Output) -> None:
    """Say what was done in this run; a clip that could not be used ends the command with 1."""
    if not output.json:
        output.table(
            ("folder", "files", "done before", "clips", "copies", "failed", "seconds"),
            [
                (
                    out,
                    done.all_files,
                    done.before,
                    done.found,
                    done.copies,
                    done.failures,
                    f"{done.seconds:.1f}",
                )
            ],
        )
    if done.failures > _MANY_ERRORS:
        output.note(f"{done.failures:,} clips failed; each is a row with its error in {out}")
    output.finish()
