"""`stars search`: find the most similar clips in a collection or an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stars_infer.cli.options import (
    DEFAULT_INDEX,
    DeviceOption,
    IndexOption,
    ModelOption,
    reads_clips,
)
from stars_infer.cli.output import JsonFlag, Output, QuietFlag
from stars_infer.cli.tables import PathCell
from stars_infer.errors import UsageError

if TYPE_CHECKING:
    from stars_infer.clips.convention import Convention
    from stars_infer.embedding.collection import By, Hit


@reads_clips
def search(
    clip: Annotated[Path, typer.Argument(help="The clip whose like is searched for.")],
    *,
    within: Annotated[
        Path | None,
        typer.Option(
            "--in",
            help="Where to search: a file made by `stars embed`, a folder of clips, or an index.",
            show_default="the index of examples",
        ),
    ] = None,
    k: Annotated[int, typer.Option("--k", "-k", min=1, help="Number of clips to show.")] = 10,
    by: Annotated[
        str | None,
        typer.Option(
            help="Compare by sequence (time warping), by vector (cosine), or by both, with the "
            "weights of a model in which both count.",
            show_default="as the model does",
        ),
    ] = None,
    convention: Convention,
    index: IndexOption = DEFAULT_INDEX,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Find the clips that are most similar to a clip."""
    from stars_infer.embedding.search import search_files
    from stars_infer.encoder.encoder import Encoder

    output = Output(json=json, quiet=quiet)
    way = _way(by)
    if within is not None and within.suffix != ".npz" and not within.exists():
        raise UsageError(f"--in {within}: no such file or folder")
    with output.counter("preparing the search") as progress:
        found = search_files(
            Encoder.load(model, device=device),
            [clip],
            within or index,
            skip=output.failure,
            k=k,
            by=way,
            convention=convention,
            workers=None,
            progress=progress,
        )
    for file, hits in found:
        output.clip_notes(file.source, file.notes)
        _show(hits, output)
    output.finish()


def _show(hits: Sequence[Hit], output: Output) -> None:
    labeled = any(hit.label is not None for hit in hits)
    rows: list[tuple[object, ...]] = []
    for rank, hit in enumerate(hits, 1):
        if output.json:
            output.record({"rank": rank, **asdict(hit)})
        rows.append(
            (rank, f"{hit.similarity:.3f}", *([hit.label] if labeled else []), PathCell(hit.source))
        )
    if not output.json:
        output.table(("rank", "similarity", *(["action"] if labeled else []), "clip"), rows)


def _way(by: str | None) -> By | None:
    """The value of `--by`, checked."""
    ways: dict[str | None, By | None] = {
        None: None,
        "sequence": "sequence",
        "vector": "vector",
        "both": "both",
    }
    if by not in ways:
        raise UsageError(f"--by {by}: choose sequence, vector or both")
    return ways[by]
