"""`stars view`: play one clip, or two in time alignment, and write what is seen into files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stars_infer.cli.options import ModelOption, reads_clips
from stars_infer.cli.output import JsonFlag, Output, QuietFlag
from stars_infer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stars_infer.clips.clip import Clip
    from stars_infer.clips.convention import Convention
    from stars_infer.similarity.alignment import Alignment

_STDOUT = Path("-")
_ENDINGS = (".html", ".htm", ".gif", ".mp4", ".rrd")


@reads_clips
def view(
    clips: Annotated[
        list[Path], typer.Argument(help="One clip, or two to lie over each other in time.")
    ],
    *,
    out: Annotated[
        list[Path] | None,
        typer.Option(
            "--out",
            "-o",
            help="Write a page (.html, or - for stdout), a moving picture (.gif, .mp4) or a "
            "recording for rerun (.rrd); repeat it for several.",
            show_default="a page that opens in the browser",
        ),
    ] = None,
    align: Annotated[
        bool,
        typer.Option("--align/--no-align", help="Lead two clips by what is alike in them."),
    ] = True,
    mirror: Annotated[
        str,
        typer.Option(
            help="Take the first clip as its mirror image: on, off, or auto, if that is more alike."
        ),
    ] = "auto",
    width: Annotated[
        int, typer.Option(min=120, max=1920, help="Of each skeleton's part of a picture, pixels.")
    ] = 400,
    dark: Annotated[bool, typer.Option("--dark", help="Pictures on a dark ground.")] = False,
    convention: Convention,
    model: ModelOption = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Play one clip, or two in time alignment, and say what differs."""
    from stars_infer.atomic import check_output
    from stars_infer.readers.files import read_clip

    output = Output(json=json, quiet=quiet)
    if len(clips) > 2:
        raise UsageError(f"one clip or two can be viewed, not {len(clips)}")
    files = [Path(file) for file in out or ()]
    for file in files:
        if file != _STDOUT:
            check_output(file, "--out", endings=_ENDINGS, inputs=clips)
    if _STDOUT in files and (json or quiet):
        raise UsageError("--out - writes the page to stdout: leave --json and --quiet out")
    _require(files)
    read = [read_clip(path, convention=convention) for path in clips]
    for clip in read:
        output.clip_notes(clip.source, clip.notes)
    alignment = _alignment(read, mirror, model) if align and len(read) == 2 else None
    if not files:
        files = [_passing_page()]
        _open(_write(files, read, alignment, width, dark, output)[0], output)
    else:
        _write(files, read, alignment, width, dark, output)
    _say(read, alignment, [str(file) for file in files], output)
    output.finish()


def _require(files: Sequence[Path]) -> None:
    """Make sure that what writes these files is installed."""
    endings = {file.suffix.lower() for file in files}
    if endings & {".gif", ".mp4"}:
        from stars_infer.inspection.moving import require_pictures

        which = ".mp4" if ".mp4" in endings else ".gif"
        require_pictures(f"--out FILE{which}", video=which == ".mp4")
    if ".rrd" in endings:
        from stars_infer.inspection.rrd import require_rerun

        require_rerun("--out FILE.rrd")


def _alignment(clips: Sequence[Clip], mirror: str, model: str | None) -> Alignment:
    from stars_infer.classification.mirroring import AUTO, ON, check_mirror
    from stars_infer.encoder.model import find_model, read_model_info
    from stars_infer.similarity.alignment import align, align_either

    check_mirror(mirror)
    how = read_model_info(find_model(model)).comparison
    if mirror == AUTO:
        return align_either(clips[0], clips[1], how)
    return align(clips[0], clips[1], how, mirrored=mirror == ON)


def _passing_page() -> Path:
    from tempfile import mkdtemp

    return Path(mkdtemp(prefix="stars-view-")) / "view.html"


def _open(page: Path, output: Output) -> None:
    """Open a page in the browser of somebody who sits at a terminal."""
    import webbrowser

    if sys.stdout.isatty() and webbrowser.open(page.as_uri()):
        return
    output.note(f"open {page} in a browser")


def _write(
    files: Sequence[Path],
    clips: Sequence[Clip],
    alignment: Alignment | None,
    width: int,
    dark: bool,
    output: Output,
) -> Sequence[Path]:
    """Write each file by its ending."""
    from stars_infer.atomic import write_text
    from stars_infer.inspection.view_page import view_page

    for file in files:
        if file == _STDOUT:
            sys.stdout.write(view_page(clips, alignment))
        elif file.suffix.lower() in (".html", ".htm"):
            write_text(file, view_page(clips, alignment))
        else:
            _write_moving(file, clips, alignment, width, dark, output)
    return files


def _write_moving(
    file: Path,
    clips: Sequence[Clip],
    alignment: Alignment | None,
    width: int,
    dark: bool,
    output: Output,
) -> None:
    from stars_infer.inspection.clip_data import clip_data
    from stars_infer.inspection.frames import Look, draw_pictures
    from stars_infer.inspection.moving import (
        GIF_FPS,
        MP4_FPS,
        check_length,
        write_gif,
        write_mp4,
    )
    from stars_infer.inspection.playback import play_back
    from stars_infer.inspection.rrd import write_rrd
    from stars_infer.inspection.view_page import captions_of, shown_clips

    ending = file.suffix.lower()
    playback = play_back(clips, alignment, fps=GIF_FPS if ending == ".gif" else MP4_FPS)
    names = captions_of(clips, alignment)
    drawn = [
        clip_data(clip, name=name)
        for clip, name in zip(shown_clips(clips, alignment), names, strict=True)
    ]
    if ending == ".rrd":
        write_rrd(drawn, playback, file)
        return
    check_length(len(playback.frames), file)
    look = Look(width=width, height=round(0.9 * width), dark=dark)
    pictures = output.progress(
        draw_pictures(drawn, playback, captions=names, look=look),
        f"drawing {file.name}",
        len(playback.frames),
    )
    if ending == ".gif":
        write_gif(pictures, file, colors=look.palette())
    else:
        write_mp4(pictures, file)


def _say(
    clips: Sequence[Clip], alignment: Alignment | None, files: Sequence[str], output: Output
) -> None:
    """Print what differs, and which files were written."""
    if output.json:
        output.record(
            {
                "clips": [clip.source for clip in clips],
                "alignment": None if alignment is None else alignment.to_json(),
                "files": list(files),
            }
        )
        return
    if files == ["-"]:
        return
    if alignment is not None:
        rows = [
            (
                one.limb + (f" of person {one.person}" if one.person else ""),
                f"{one.start:.1f} to {one.end:.1f} s",
                f"{one.amount:.0f}" + (" cm" if one.unit == "cm" else one.unit),
                one.direction,
            )
            for one in alignment.differences
        ]
        mirrored = ", the first one mirrored" if alignment.mirrored else ""
        title = f"similarity {alignment.similarity:.2f}{mirrored}; {alignment.pace_words()}"
        columns = ("what differs in the first clip", "when", "by", "where")
        if rows or output.quiet:
            output.table(columns, rows, title=title)
        else:
            output.paragraph(title, ["nothing to speak of differs"])
    if not output.quiet:
        for file in files:
            output.note(f"wrote {file}")
    elif alignment is None:
        output.table((), [(file,) for file in files])
