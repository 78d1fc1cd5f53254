"""`stars watch`: name what is going on, live."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

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
from stars_infer.cli.output import JsonFlag, Output, QuietFlag
from stars_infer.cli.window import CameraOption, WindowFlag, open_window, show_answers
from stars_infer.errors import UsageError

if TYPE_CHECKING:
    from stars_infer.clips.convention import Convention


@reads_clips
def watch(
    source: Annotated[
        str | None,
        typer.Argument(help="A file of frames, a video, or - for JSON lines on standard input."),
    ] = None,
    *,
    camera: CameraOption = None,
    udp: Annotated[
        str | None, typer.Option("--udp", metavar="HOST:PORT", help="Listen for datagrams.")
    ] = None,
    unix: Annotated[
        Path | None, typer.Option("--unix", metavar="PATH", help="Listen at a unix socket.")
    ] = None,
    interval: Annotated[
        float, typer.Option("--interval", min=0.01, help="Seconds from one answer to the next.")
    ] = 0.2,
    replay: Annotated[
        bool,
        typer.Option("--replay", help="Drop nothing: - is a recorded stream, piped in."),
    ] = False,
    every_answer: Annotated[
        bool, typer.Option("--every-answer", help="With --json: every answer, not only changes.")
    ] = False,
    window: WindowFlag = True,
    people: PeopleOption = DEFAULT_PEOPLE,
    mirror: MirrorOption = DEFAULT_MIRROR,
    convention: Convention,
    index: IndexOption = DEFAULT_INDEX,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Name what is going on in a stream of frames, until it ends, Ctrl-C or SIGTERM.

    A line is {"joints": [[x, y, z], …], "time": seconds}, with "bodies" for a list of several, or
    the list alone, or any other form of .jsonl files. An unknown joint is null. A clip file of any
    other format is played as a stream. Of a camera or a video, a window shows the picture, the
    people in it and their action; q closes it.
    """
    from stars_infer.cli.watching import Watching
    from stars_infer.clips.convention import AUTO, Convention
    from stars_infer.encoder.encoder import Encoder
    from stars_infer.streaming.classifier import StreamClassifier
    from stars_infer.streaming.feed import open_feed
    from stars_infer.streaming.frames import FrameReader
    from stars_infer.streaming.options import StreamOptions
    from stars_infer.streaming.recorded import RecordedStream, read_as_stream
    from stars_infer.streaming.session import StreamSession
    from stars_infer.streaming.video import View, is_video, open_video_feed

    output = Output(json=json, quiet=quiet)
    if (source is not None) + (camera is not None) + bool(udp) + bool(unix) != 1:
        raise UsageError(
            "name one source of frames: FILE, -, --camera N, --udp HOST:PORT or --unix PATH"
        )
    video: Path | int | None = camera
    if source is not None and is_video(source):
        video = Path(source)
    recorded: RecordedStream | None = None
    if source is not None and source != "-" and video is None:
        recorded = read_as_stream(Path(source), convention)
        output.clip_notes(source, recorded.notes)
        convention = recorded.convention
    how = StreamOptions(interval=interval, mirror=mirror, people=people)
    if convention.flat and convention.up is None:
        convention = replace(convention, up=AUTO)
    reader = FrameReader(convention)
    # The reader brings frames to standard axes, unless these are still to be found.
    axes = convention if convention.up == AUTO else Convention(flat=convention.flat)
    with ExitStack() as stack:
        _end_by_sigterm(stack)
        exemplars = stack.enter_context(ready_index(index, model, output))
        exemplars.calibration()  # refuses an empty index, and makes ready, before frames come
        encoder = Encoder.load(model, device=device)
        view = View()
        if video is not None:
            feed = stack.enter_context(open_video_feed(video, view=view))
        else:
            lines = None if recorded is None else recorded.lines
            feed = stack.enter_context(open_feed(recorded=lines, udp=udp, unix=unix, replay=replay))
        how = replace(how, live=feed.live)  # of a recording, no answer is skipped
        session = StreamSession(
            feed,
            reader,
            lambda layout: StreamClassifier(
                encoder,
                exemplars,
                layout=layout,
                up=axes.up or "y",
                handedness=axes.handedness or "right",
                flat=bool(axes.flat),
                how=how,
            ),
            even=source is not None,
        )
        shown = stack.enter_context(open_window(output, wanted=window and video is not None))
        follow = None if shown is None else show_answers(shown, view)
        watching = Watching(output, session, every_answer=every_answer, follow=follow)
        try:
            with watching:
                watching.run()
        except BrokenPipeError:
            # Whoever read standard output has gone; Python must not complain when it flushes.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        watching.summarize()


def _end_by_sigterm(stack: ExitStack) -> None:
    """Let SIGTERM, which stops services, do what Ctrl-C does, until the stack is closed."""
    if threading.current_thread() is not threading.main_thread():
        return  # signals are handled in the main thread only

    def end(number: int, frame: object) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end) or signal.SIG_DFL  # None: not Python's
    stack.callback(signal.signal, signal.SIGTERM, before)
