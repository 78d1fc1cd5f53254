"""`stars segment`: find the actions in long recordings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stars_infer.cli.examples import read_example
from stars_infer.cli.options import (
    DEFAULT_INDEX,
    DEFAULT_MIRROR,
    DEFAULT_PEOPLE,
    DeviceOption,
    IndexOption,
    MirrorOption,
    ModelOption,
    PeopleOption,
    reads_clips,
    ready_index,
)
from stars_infer.cli.output import JsonFlag, Output, QuietFlag, count_in_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

    from stars_infer.clips.clip import Clip
    from stars_infer.clips.convention import Convention
    from stars_infer.index.index import ExemplarIndex
    from stars_infer.segmentation.segment import Segment, Timeline
    from stars_infer.segmentation.timeline_page import ReadExample


@reads_clips
def segment(
    recordings: Annotated[list[Path], typer.Argument(help="Recordings, or folders of them.")],
    *,
    min_confidence: Annotated[
        float | None,
        typer.Option(
            "--min-confidence",
            help="Confidence that a segment must exceed, 0 to 1: the higher, the fewer and surer.",
            show_default="0.3",
        ),
    ] = None,
    window: Annotated[
        list[float] | None,
        typer.Option(
            "--window",
            help="Length of the windows, seconds; repeat it for several lengths.",
            show_default="0.7 to 4",
        ),
    ] = None,
    merge_gap: Annotated[
        float | None,
        typer.Option(
            "--merge-gap",
            help="Longest gap between segments of the same action that become one, seconds, "
            "unless the body rests there.",
            show_default="0.7",
        ),
    ] = None,
    min_duration: Annotated[
        float, typer.Option("--min-duration", min=0, help="Shortest segment, seconds.")
    ] = 0.0,
    people: PeopleOption = DEFAULT_PEOPLE,
    mirror: MirrorOption = DEFAULT_MIRROR,
    svg: Annotated[Path | None, typer.Option("--svg", help="Write a timeline here.")] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a page with the timeline here.")
    ] = None,
    convention: Convention,
    index: IndexOption = DEFAULT_INDEX,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Find the actions in long recordings: when each begins and ends, and how sure that is."""
    from stars_infer.atomic import check_output, write_text
    from stars_infer.encoder.encoder import Encoder
    from stars_infer.errors import ClipError
    from stars_infer.readers.files import clip_files
    from stars_infer.segmentation.segment import (
        MERGE_GAP,
        MIN_CONFIDENCE,
        SegmentOptions,
        segment_file,
    )
    from stars_infer.segmentation.timeline import timeline_svg
    from stars_infer.segmentation.timeline_page import PlayedParts, timeline_html
    from stars_infer.segmentation.windows import LENGTHS, WindowGrid

    output = Output(json=json, quiet=quiet)
    options = SegmentOptions(
        grid=WindowGrid(lengths=tuple(window or LENGTHS)),
        min_confidence=MIN_CONFIDENCE if min_confidence is None else min_confidence,
        merge_gap=MERGE_GAP if merge_gap is None else merge_gap,
        min_duration=min_duration,
        mirror=mirror,
    )
    timelines: list[Timeline] = []
    paths = clip_files(recordings, skip=output.failure, note=output.note)
    check_output(svg, "--svg", endings=(".svg",), inputs=(*paths, index))
    check_output(html, "--html", endings=(".html", ".htm"), inputs=(*paths, index))
    with ready_index(index, model, output) as exemplars:
        encoder = Encoder.load(model, device=device)
        played = None
        if html is not None:
            read = _examples(exemplars, convention)
            played = PlayedParts(read=read, how=encoder.info.comparison)
        for path in paths:
            try:
                with output.counter(path.name) as progress:
                    found = segment_file(
                        path,
                        encoder=encoder,
                        index=exemplars,
                        convention=convention,
                        options=options,
                        people=people,
                        progress=progress,
                        show=None if played is None else played.add,
                    )
            except ClipError as error:
                output.failure(error)
                continue
            timelines += found
            output.clip_notes(str(path), found[0].notes)
            for timeline in found:
                _show(timeline, output)
    if svg is not None and timelines:
        write_text(svg, timeline_svg(timelines))
        output.note(f"wrote {svg}")
    if html is not None and timelines:
        write_text(html, timeline_html(timelines, played))
        output.note(f"wrote {html}")
    output.finish()


def _examples(index: ExemplarIndex, convention: Convention) -> ReadExample:
    """Read the nearest examples of segments."""
    hashes = {one.id: one.content_hash for one in index.exemplars()}

    def read(part: Segment) -> Clip | None:
        nearest = part.nearest
        if nearest is None or nearest.id not in hashes:
            return None
        return read_example(nearest.source, hashes[nearest.id], convention)

    return read


def _show(timeline: Timeline, output: Output) -> None:
    """Print the segments of a recording in the form asked for."""
    from stars_infer.segmentation.timeline import clock

    if output.json:
        output.record(timeline.to_dict())
    elif output.quiet:
        output.table(
            (),
            [
                (timeline.name, f"{part.start:.3f}", f"{part.end:.3f}", part.label,
                 f"{part.confidence:.3f}")
                for part in timeline.segments
            ],
        )  # fmt: skip
    else:
        rows = [
            (clock(part.start), clock(part.end), part.label, f"{part.confidence:.2f}")
            for part in timeline.segments
        ]
        output.table(
            ("start", "end", "action", "confidence"),
            rows,
            title=f"{timeline.name}: {count_in_words(len(rows), 'segment')} in "
            f"{_long(timeline.seconds)}",
        )
        if rows:
            _draw(timeline)
        else:
            output.note(
                "no action of the index is sure enough; --min-confidence 0.1 shows less sure ones"
            )


def _long(seconds: float) -> str:
    """Format a length of time for people."""
    from stars_infer.segmentation.timeline import clock

    return clock(seconds) + (" s" if seconds < 60 else "")


def _draw(timeline: Timeline) -> None:
    """Print the recording as a bar of letters, and the legend."""
    from rich.console import Console

    from stars_infer.segmentation.timeline import timeline_labels

    console = Console()
    labels = timeline_labels([timeline])
    console.print(bar_of(timeline, labels, console.width))
    console.print(legend_of(labels), "")


def bar_of(timeline: Timeline, labels: Sequence[str], width: int) -> Text:
    """Draw a recording as a bar of letters, one for each label, and of dots for background.

    Args:
        timeline: The recording.
        labels: All labels, whose positions decide letters and colors.
        width: Length of the bar, characters.
    """
    from rich.text import Text

    from stars_infer.segmentation.timeline import letter_of

    bar = Text(no_wrap=True)
    for cell in range(width):
        start, end = (timeline.seconds * edge / width for edge in (cell, cell + 1))
        inside = {
            part.label: min(part.end, end) - max(part.start, start)
            for part in timeline.segments
            if part.start < end and part.end > start
        }
        label = max(inside, key=inside.__getitem__, default=None)
        if label is None or inside[label] < (end - start) / 2:
            bar.append("·", style="dim")
        else:
            position = labels.index(label)
            bar.append(letter_of(position), style=_style(position))
    return bar


def legend_of(labels: Sequence[str]) -> Text:
    """Say which letter stands for which label."""
    from rich.text import Text

    from stars_infer.errors import printable
    from stars_infer.segmentation.timeline import letter_of

    legend = Text()
    for position, label in enumerate(labels):
        legend.append(f" {letter_of(position)} ", style=_style(position))
        legend.append(f" {printable(label)}   ")
    return legend


def _style(position: int) -> str:
    """Black on the color that the label has in the picture."""
    import colorsys

    from stars_infer.segmentation.timeline import hue_of

    red, green, blue = colorsys.hls_to_rgb(hue_of(position) / 360, 0.68, 0.65)
    return f"black on rgb({red * 255:.0f},{green * 255:.0f},{blue * 255:.0f})"
