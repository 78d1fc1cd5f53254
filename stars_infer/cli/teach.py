"""`stars teach`: take examples of an action from a camera or a video, and add them."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stars_infer.cli.options import (
    DEFAULT_INDEX,
    DeviceOption,
    IndexOption,
    ModelOption,
    PoseModelOption,
    make_ready,
)
from stars_infer.cli.output import JsonFlag, Output, QuietFlag, count_in_words
from stars_infer.cli.window import CameraOption, Window, WindowFlag, open_window
from stars_infer.errors import UsageError

if TYPE_CHECKING:
    from stars_infer.clips.clip import Clip
    from stars_infer.pose.people import SeenFrame
    from stars_infer.streaming.takes import Moment

_COUNTDOWN = 3.0
"""Seconds between the examples from a camera, in which it counts down."""
_USUAL = 5
"""Examples that are taken from a camera if the user does not say."""


def teach(
    label: Annotated[str, typer.Argument(help="The action.")],
    video: Annotated[
        Path | None, typer.Argument(help="A video in which it is done again and again.")
    ] = None,
    *,
    camera: CameraOption = None,
    length: Annotated[
        float, typer.Option("--length", min=0.3, max=60, help="Length of an example, seconds.")
    ] = 3.0,
    every: Annotated[
        float | None,
        typer.Option(
            "--every",
            help="Seconds from the start of one example to that of the next.",
            show_default="--length; 3 s more for a camera, which counts down",
        ),
    ] = None,
    examples: Annotated[
        int | None,
        typer.Option(
            "--examples", min=1, help="Number of examples.", show_default="all of a video, 5 else"
        ),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option("--save", help="Also write each example as a .npz clip into this folder."),
    ] = None,
    window: WindowFlag = True,
    pose_model: PoseModelOption = None,
    index: IndexOption = DEFAULT_INDEX,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Take examples of an action from a camera, with a countdown, or from a video, and add them.

    From a camera, do the action once in each example.
    """
    from stars_infer.atomic import check_folder
    from stars_infer.embedding.additions import BatchAdder
    from stars_infer.embedding.files import embed_files
    from stars_infer.encoder.encoder import Encoder
    from stars_infer.errors import ClipError
    from stars_infer.index.labels import check_label
    from stars_infer.pose.estimator import MediaPipePose
    from stars_infer.pose.model_file import find_pose_model
    from stars_infer.pose.people import people_in
    from stars_infer.pose.pictures import Pictures, check_video
    from stars_infer.shared.open import open_index
    from stars_infer.streaming.takes import Schedule, record_takes

    output = Output(json=json, quiet=quiet)
    check_label(label)
    if (video is None) == (camera is None):
        raise UsageError("name one source: a video file, or --camera N")
    live = video is None
    pause = _COUNTDOWN if live else 0.0
    period = length + pause if every is None else every
    schedule = Schedule(
        length=length,
        every=period,
        first=period - length if live else 0.0,
        count=_USUAL if live and examples is None else examples,
    )
    check_folder(save, "--save")
    if video is not None:
        check_video(video)
    if save is not None:
        save.mkdir(parents=True, exist_ok=True)
    file = find_pose_model(pose_model)
    encoder = Encoder.load(model, device=device)
    source: Path | int = camera if video is None else video  # type: ignore[assignment]
    with ExitStack() as stack:
        adder = BatchAdder(lambda: stack.enter_context(open_index(index, encoder.info)), label)
        seer = MediaPipePose(file)
        stack.callback(seer.close)
        pictures = stack.enter_context(Pictures(source))
        shown = stack.enter_context(open_window(output, wanted=window and live))
        teller = _Teller(output, label, seer.layout, shown, live=live)
        name = f"{pictures.name} on {time.strftime('%Y-%m-%d %H:%M:%S')}" if live else str(video)
        takes = record_takes(
            people_in(pictures, seer),
            schedule,
            layout=seer.layout,
            source=name,
            follow=teller.follow,
        )
        try:
            for take in takes:
                if isinstance(take, ClipError):
                    output.failure(take)
                    continue
                clip = take if save is None else _saved(take, save)
                output.clip_notes(clip.source, clip.notes)
                for one in embed_files(encoder, [clip], skip=output.failure, defer_network=True):
                    adder.add(one)
        except KeyboardInterrupt:
            output.note("stopped: the examples taken so far are kept")
        adder.flush()
        if adder.index is not None and adder.added:
            make_ready(adder.index, output)
            held = adder.index.counts()
            output.note(
                f"{count_in_words(adder.added, 'example')} of {label!r} added; the index holds "
                f"{count_in_words(len(held), 'action')}"
            )
    for addition in adder.done:
        if json:
            added = addition.known is None
            output.record({"source": addition.source, "label": label, "added": added})
        elif quiet:
            output.table((), [(addition.source, label)])
    output.finish()


class _Teller:
    """Tells the user when an example begins, in the window and the terminal."""

    def __init__(
        self, output: Output, label: str, layout: str, window: Window | None, *, live: bool
    ) -> None:
        self._output, self._label, self._layout = output, label, layout
        self._window, self._live = window, live
        self._told: tuple[int, bool, int] | None = None

    def follow(self, frame: SeenFrame, moment: Moment) -> None:
        """Take a frame of the source; see `record_takes`."""
        if not self._live:
            return
        seconds = max(1, round(moment.left + 0.5))
        example = f"example {moment.number + 1}"
        if moment.recording:
            words = [f"{example}: {self._label}!", f"{seconds} s left"]
        else:
            words = [f"{example} in {seconds} …", "nobody is seen" if not frame.people else ""]
        told = moment.number, moment.recording, 0 if moment.recording else seconds
        if told != self._told:
            self._output.note(words[0])
            self._told = told
        if self._window is not None:
            self._window.show(frame, layout=self._layout, words=words)


def _saved(clip: Clip, folder: Path) -> Clip:
    """Write an example into a folder, and call it by its file."""
    from dataclasses import replace

    import numpy as np

    stamp = time.strftime("%Y%m%d-%H%M%S")
    number = 1
    while (path := folder / f"{stamp}-{number}.npz").exists():
        number += 1
    joints = np.where(clip.presence[:, :, None, None], clip.bodies, np.float32(np.nan))
    np.savez(path, joints=joints, layout=clip.layout, fps=clip.fps)
    return replace(clip, source=str(path))
