"""`stars pose`: see the people in a video or before a camera, and write them as a clip."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stars_infer.cli.options import PoseModelOption
from stars_infer.cli.output import JsonFlag, Output, QuietFlag
from stars_infer.cli.window import CameraOption
from stars_infer.errors import UsageError

if TYPE_CHECKING:
    from stars_infer.pose.people import SeenFrame


def pose(
    video: Annotated[Path | None, typer.Argument(help="A video file.")] = None,
    *,
    camera: CameraOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="The clip to write, .json or .jsonl.")
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            "--seconds", min=0.1, help="Length to look at.", show_default="to the end, or Ctrl-C"
        ),
    ] = None,
    most_people: Annotated[
        int, typer.Option("--most-people", min=1, max=20, help="Most people to look for.")
    ] = 2,
    pose_model: PoseModelOption = None,
    download: Annotated[
        bool,
        typer.Option(
            "--download",
            help="Fetch the model that --pose-model names (lite, full or heavy; else full) from "
            "Google, once, and check its SHA-256.",
        ),
    ] = False,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """See the people in a video or before a camera by MediaPipe, and write them as a clip.

    A clip is read much faster than a video, by every command. Nothing is fetched without
    --download, and nothing is sent.
    """
    from stars_infer.atomic import check_output
    from stars_infer.errors import ClipError
    from stars_infer.pose.estimator import MediaPipePose
    from stars_infer.pose.model_file import find_pose_model
    from stars_infer.pose.people import people_in
    from stars_infer.pose.pictures import Pictures, check_video
    from stars_infer.pose.writing import CLIP_ENDINGS, write_poses

    output = Output(json=json, quiet=quiet)
    if download:
        _download(pose_model, output)
        if video is None and camera is None:
            return
    if (video is None) == (camera is None):
        raise UsageError("name one source: a video file, or --camera N")
    if out is None:
        raise UsageError("name the clip to write with --out clip.json")
    check_output(out, "--out", endings=CLIP_ENDINGS, inputs=[] if video is None else [video])
    if video is not None:
        check_video(video)
    model = find_pose_model(pose_model)
    source: Path | int = camera if video is None else video  # type: ignore[assignment]
    seer = MediaPipePose(model, most_people=most_people)
    try:
        with Pictures(source) as pictures, output.bar() as bar:
            task = bar.add_task(pictures.name, total=pictures.count)

            def shown() -> Iterator[SeenFrame]:
                for frame in _until(people_in(pictures, seer), seconds):
                    yield frame
                    bar.update(task, completed=pictures.read)

            seen = write_poses(shown(), out, layout=seer.layout, source=pictures.name)
            damage = None if seconds else pictures.damage
    finally:
        seer.close()
    if damage is not None:
        output.failure(ClipError(pictures.name, f"{damage}; what could be read was written"))
    row = {
        "source": pictures.name,
        "clip": str(out),
        "seconds": round(seen.seconds, 3),
        "pictures": seen.pictures,
        "seen": seen.with_somebody,
        "people": seen.people,
    }
    if json:
        output.record(row)
    else:
        output.table(tuple(row), [tuple(row.values())])
    output.finish()


def _until(frames: Iterator[SeenFrame], seconds: float | None) -> Iterator[SeenFrame]:
    """The frames of the first so many seconds."""
    first: list[float] = []

    def within(frame: SeenFrame) -> bool:
        first.append(frame.time)
        return seconds is None or frame.time - first[0] < seconds

    return takewhile(within, frames)


def _download(name: str | None, output: Output) -> None:
    from stars_infer.pose.model_file import DEFAULT, LICENSE, download_pose_model

    with output.counter("fetching the pose model") as progress:
        path = download_pose_model(name or DEFAULT, progress=progress)
    output.note(f"{path} ({LICENSE})")
