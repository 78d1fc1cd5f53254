"""`stars watch`: name what is going on, live."""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from stars_infer.cli.options import (
    DEFAULT_INDEX,
    DeviceOption,
    IndexOption,
    ModelOption,
    reads_clips,
    ready_index,
)
from stars_infer.cli.output import JsonFlag, Output, QuietFlag
from stars_infer.errors import UsageError

if TYPE_CHECKING:
    from stars_infer.clips.convention import Convention
    from stars_infer.streaming.feed import FrameFeed


@reads_clips
def watch(
    source: Annotated[
        str | None, typer.Argument(help="- for frames as JSON lines on standard input.")
    ] = None,
    *,
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
    convention: Convention,
    index: IndexOption = DEFAULT_INDEX,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Name what is going on in a stream of frames, until it ends, Ctrl-C or SIGTERM.

    A line is {"joints": [[x, y, z], …], "time": seconds}, with "bodies" for a list of several, or
    the list alone, or any other form of .jsonl files. An unknown joint is null.
    """
    from stars_infer.cli.watching import Watching
    from stars_infer.encoder.encoder import Encoder
    from stars_infer.streaming.classifier import StreamClassifier, StreamOptions
    from stars_infer.streaming.frames import FrameReader

    output = Output(json=json, quiet=quiet)
    if source not in (None, "-") or (source is not None) + bool(udp) + bool(unix) != 1:
        raise UsageError("name one source of frames: -, --udp HOST:PORT or --unix PATH")
    how = StreamOptions(interval=interval)
    reader = FrameReader(convention)
    with ExitStack() as stack:
        _end_by_sigterm(stack)
        exemplars = stack.enter_context(ready_index(index, model, output))
        exemplars.calibration()  # refuses an empty index, and makes ready, before frames come
        encoder = Encoder.load(model, device=device)
        watching = Watching(
            output,
            _feed(stack, udp=udp, unix=unix, replay=replay),
            reader,
            lambda layout: StreamClassifier(encoder, exemplars, layout=layout, how=how),
            every_answer=every_answer,
            numbered=source == "-",
        )
        try:
            with watching:
                watching.run()
        except BrokenPipeError:
            # Who read standard output has gone; Python may not complain when it flushes the rest.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        watching.summarize()


def _feed(stack: ExitStack, *, udp: str | None, unix: Path | None, replay: bool) -> FrameFeed:
    """The source that was asked for; what it opens is closed with the stack."""
    from stars_infer.streaming import feed as frame_feed

    if udp is not None:
        lines = frame_feed.lines_of_datagrams(stack.enter_context(frame_feed.udp_socket(udp)))
    elif unix is not None:
        listener = stack.enter_context(frame_feed.unix_socket(unix))
        stack.callback(frame_feed.remove_socket, unix, os.lstat(unix))
        lines = frame_feed.lines_of_connections(listener)
    else:
        # Not sys.stdin itself: Python may not close what a thread is still reading.
        number = sys.stdin.fileno()
        lines = frame_feed.lines_of_file(open(number, "rb", closefd=False))  # noqa: SIM115
        replay = replay or stat.S_ISREG(os.fstat(number).st_mode)
    feed = frame_feed.FrameFeed(lines, wait=replay and udp is None and unix is None)
    stack.callback(feed.close)
    return feed


def _end_by_sigterm(stack: ExitStack) -> None:
    """Let SIGTERM, by which services are stopped, do what Ctrl-C does, for as long as the stack."""
    if threading.current_thread() is not threading.main_thread():
        return  # only there can a signal be handled

    def end(number: int, frame: object) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end) or signal.SIG_DFL  # None: not Python's
    stack.callback(signal.signal, signal.SIGTERM, before)
