"""Whether a clip finds itself again at other frame rates and from other sensors' files.

    python benchmarks/quality/invariance.py --data DATA --write docs/sources.md

DATA holds `mocap/cmu.npz`, `bvh/0*.bvh` (CMU, 120 Hz) and `utd-mhad/CLASS/*.npy`. A gallery of
clips at 30 Hz is asked with the same clips at another rate, or read from a file in another layout,
with other units and axes, with one centimeter of jitter. About five minutes.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn
from written import FORMS, archive_clips, at_rate, through, windows

from stars_infer.arrays import FloatArray
from stars_infer.clips.clip import Clip
from stars_infer.encoder.encoder import Encoder
from stars_infer.errors import StarsError
from stars_infer.readers.files import read_clip
from stars_infer.similarity.features import Features, unit
from stars_infer.similarity.pairwise import similarity_of

RATES = (15.0, 25.0, 60.0, 120.0)
SECONDS = 4.0
QUERIES = 100
"""Clips of a gallery that are asked for, evenly chosen."""
VECTORS = 16
"""Queries whose vectors are compared, too: the network is slow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gallery:
    """Clips at 30 Hz that are searched, and the clips they came from, of the same order.

    Attributes:
        name: Of the set.
        clips: What is searched.
        origins: As they were recorded, at any rate.
        asked: Of which of them queries are made.
    """

    name: str
    clips: Sequence[Clip]
    origins: Sequence[Clip]
    asked: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one change of all queries did.

    Attributes:
        change: What was changed.
        gallery: Which set.
        found: Share of queries whose likest clip is their own, by the model's comparison.
        similarity: Median similarity to their own.
        cosine: Median cosine of vectors to their own, of some.
    """

    change: str
    gallery: str
    found: float
    similarity: float
    cosine: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """A gallery as an index holds it.

    Attributes:
        encoded: Its clips.
        sample: Queries whose vectors are compared.
        vectors: Unit vectors of the clips that those are made of.
    """

    encoded: Sequence[Features]
    sample: Sequence[int]
    vectors: FloatArray

    @classmethod
    def of(cls, encoder: Encoder, gallery: Gallery) -> Searched:
        """Describe a gallery."""
        sample = evenly(len(gallery.asked), VECTORS)
        own = [gallery.clips[gallery.asked[position]] for position in sample]
        return cls(
            encoded=encoder.encode(list(gallery.clips), query=True),
            sample=sample,
            vectors=unit(encoder.embed(own)),
        )


def main() -> None:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the known sets")
    parser.add_argument("--model", help="shipped model or model directory")
    parser.add_argument("--write", type=Path, help="Markdown file whose tables are replaced")
    options = parser.parse_args()
    try:
        encoder = Encoder.load(options.model, device="cpu")
        galleries = [cmu(options.data), recorded_at_120(options.data), utd(options.data)]
        with Progress(
            SpinnerColumn(), TextColumn("{task.description}"), console=Console(stderr=True),
            transient=True,
        ) as bar:  # fmt: skip
            task = bar.add_task("")
            tables: dict[str, list[Row]] = {"rates": [], "layouts": []}
            for gallery in galleries:
                bar.update(task, features=gallery.name)
                searched = Searched.of(encoder, gallery)
                for table, change, changed in changes(gallery):
                    bar.update(task, features=f"{gallery.name}: {change}")
                    row = measured(encoder, gallery, searched, change, changed)
                    bar.console.print(f"{row.gallery}: {change}: {cell(row)}", markup=False)
                    tables[table].append(row)
    except StarsError as error:
        sys.exit(f"error: {error}")
    for name, rows in tables.items():
        text = markdown(rows)
        sys.stdout.write(f"{name}\n{text}\n")
        if options.write:
            replace_table(options.write, name, text)


def evenly(count: int, most: int) -> list[int]:
    """At most so many places out of a count, evenly spread."""
    return sorted({round(position) for position in np.linspace(0, count - 1, min(count, most))})


def cmu(data: Path) -> Gallery:
    """Non-overlapping windows of CMU motion capture."""
    clips = [
        window
        for clip in archive_clips(data / "mocap/cmu.npz")
        for window in windows(clip, seconds=SECONDS, stride=SECONDS)
    ]
    return Gallery(name="CMU", clips=clips, origins=clips, asked=evenly(len(clips), QUERIES))


def recorded_at_120(data: Path) -> Gallery:
    """Windows of raw BVH files, among those of the archive that are not of the same recordings."""
    files = sorted((data / "bvh").glob("0*.bvh"))
    others = [clip for clip in cmu(data).clips
              if clip.source.partition(":")[0] not in {file.stem for file in files}]  # fmt: skip
    origins = [
        window for file in files for window in windows(read_clip(file), seconds=2.0, stride=1.0)
    ]
    own = [at_rate(clip, 30.0) for clip in origins]
    return Gallery(
        name="CMU, raw BVH",
        clips=[*own, *others],
        origins=[*origins, *others],
        asked=range(len(own)),
    )


def utd(data: Path) -> Gallery:
    """UTD-MHAD: people who do the same 27 actions, so that a clip has many that are nearly it."""
    files = sorted((data / "utd-mhad").glob("*/s[2468]_*.npy"))
    clips = [read_clip(file, layout="kinect20") for file in files]
    return Gallery(name="UTD-MHAD", clips=clips, origins=clips, asked=evenly(len(clips), QUERIES))


def changes(gallery: Gallery) -> Iterator[tuple[str, str, Callable[[Clip], Clip]]]:
    """For each row its table, its name, and what is done to a query."""
    for fps in RATES:
        yield "rates", f"{fps:g} Hz", lambda clip, fps=fps: at_rate(clip, fps)
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        for form in FORMS:
            yield (
                "layouts",
                form.name,
                lambda clip, form=form: through(form, at_rate(clip, 30.0), Path(folder), random),
            )
    if any(clip.fps > 100 for clip in gallery.origins):
        yield "layouts", "cmu, `.bvh`, as recorded at 120 Hz", lambda clip: clip


def measured(
    encoder: Encoder,
    gallery: Gallery,
    searched: Searched,
    change: str,
    changed: Callable[[Clip], Clip],
) -> Row:
    """Ask a gallery with its own clips, changed."""
    queries = [changed(gallery.origins[position]) for position in gallery.asked]
    encoded = encoder.encode(queries, query=True)
    own = np.array(gallery.asked)
    asked = np.arange(len(own)) + len(gallery.clips)
    every = [*searched.encoded, *encoded]
    similarity = similarity_of(
        every, np.arange(len(every)) < len(gallery.clips), encoder.info.comparison
    )
    alike = similarity(asked, np.arange(len(gallery.clips)))
    vectors = unit(encoder.embed([queries[position] for position in searched.sample]))
    return Row(
        change=change,
        gallery=f"{gallery.name}, {len(own)} among {len(gallery.clips)}",
        found=float((alike.argmax(axis=1) == own).mean()),
        similarity=float(np.median(alike[np.arange(len(own)), own])),
        cosine=float(np.median((vectors * searched.vectors).sum(axis=1))),
    )


def markdown(rows: Sequence[Row]) -> str:
    """A table with a row for each change, and the galleries side by side."""
    galleries = list(dict.fromkeys(row.gallery for row in rows))
    cells = {(row.change, row.gallery): row for row in rows}
    lines = [
        "| found, similarity, cosine | " + " | ".join(galleries) + " |",
        "| --- |" + " --- |" * len(galleries),
    ]
    for change in dict.fromkeys(row.change for row in rows):
        shown = [cell(cells.get((change, gallery))) for gallery in galleries]
        lines.append(f"| {change} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def cell(row: Row | None) -> str:
    """Share and medians."""
    return "–" if row is None else f"**{row.found:.1%}**, {row.similarity:.3f}, {row.cosine:.3f}"


def replace_table(file: Path, which: str, text: str) -> None:
    """Put a table between its marks in a Markdown file."""
    marks = rf"(<!-- {which} -->\n).*?(\n<!-- end of {which} -->)"
    content, found = re.subn(
        marks,
        lambda match: match[1] + text + match[2],
        file.read_text(encoding="utf-8"),
        flags=re.DOTALL,
    )
    if not found:
        sys.exit(f"error: {file}: no marks <!-- {which} --> to write between")
    file.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
