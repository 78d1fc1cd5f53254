"""`stars data`: make training packs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stars_infer.atomic import check_folder
from stars_infer.cli.output import JsonFlag, Output, QuietFlag
from stars_infer.train.datasets.pack import PackWriter
from stars_infer.train.datasets.prepare import prepare_dataset
from stars_infer.train.datasets.sources import Windows, clips_of
from stars_infer.train.datasets.splits import add_split

app = typer.Typer(help="Make training data.", no_args_is_help=True, add_completion=False)


@app.command(
    epilog="Example: stars data pack mocap/cmu.npz mocap/hdm05.npz my-clips/ --out pack --window 4"
)
def pack(
    sources: Annotated[
        list[Path],
        typer.Argument(help="Folders of clips (CLASS/clip), or motion-capture .npz archives."),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder of the pack.")],
    layout: Annotated[
        str | None, typer.Option(help="Joint layout of clips in folders.", show_default="ntu25")
    ] = None,
    window: Annotated[float, typer.Option(help="Seconds of a window; 0 keeps clips whole.")] = 4.0,
    stride: Annotated[float, typer.Option(help="Seconds between windows.")] = 1.0,
    shortest: Annotated[float, typer.Option(help="Shorter clips and rests are left out.")] = 1.0,
    face_camera: Annotated[
        bool,
        typer.Option("--face-camera", help="Turn each window about the vertical to face -z."),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a pack that is there, once this one is made.")
    ] = False,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Pack clips and recordings for training: select and center actors, cut windows."""
    output = Output(json=json, quiet=quiet)
    check_folder(out, "--out")
    windows = Windows(seconds=window, stride=stride, shortest=shortest, face_camera=face_camera)
    facts = {
        "sources": [source.name for source in sources],
        "window": window,
        "stride": stride,
        "face_camera": face_camera,
    }
    with PackWriter(out, force=force, **facts) as writer, output.bar() as bar:
        task = bar.add_task("packing", total=None)
        for source in sources:
            for clip in clips_of(source, layout=layout, windows=windows, skip=output.failure):
                writer.add(clip)
                bar.advance(task)
    clips = writer.clips
    frames = sum(clip.frames for clip in clips)
    if json:
        output.record(
            {"pack": str(out), "clips": len(clips), "frames": frames, "left_out": output.failures}
        )
    else:
        output.table(
            ("pack", "clips", "frames", "labels", "left out"),
            [(out, len(clips), frames, len({clip.label for clip in clips}), output.failures)],
        )
    output.finish()


@app.command(epilog="Example: stars data prepare ntu60 --raw nturgb+d_skeletons/ --out ntu60")
def prepare(
    dataset: Annotated[str, typer.Argument(help="ntu60, ntu120, pku1 or pku2.")],
    raw: Annotated[
        Path, typer.Option("--raw", help="Folder of the official files, PYSKL .pkl or MAMP .npz.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder of the pack.")],
    split: Annotated[
        str | None, typer.Option(help="Of an .npz, which does not say it: xsub, xview or xset.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes.", show_default="cores, 24 at most")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Start anew where a pack, or a beginning, is.")
    ] = False,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Make a pack of NTU RGB+D or PKU-MMD with all official splits; killed, it goes on later."""
    output = Output(json=json, quiet=quiet)
    check_folder(out, "--out")
    so_far = f"what is done of {out} is kept"
    with output.goes_on(lambda: so_far), output.bar() as bar:
        task = bar.add_task(f"preparing {dataset}", total=None)
        made = prepare_dataset(
            dataset,
            raw=raw,
            out=out,
            split=split,
            workers=workers,
            force=force,
            skip=output.failure,
            watch=lambda done, total: bar.update(task, completed=done, total=total),
        )
    left_out = {reason: len(names) for reason, names in made.left_out.items()}
    counts = {"clips": made.clips, "frames": made.frames, "labels": made.labels}
    if json:
        output.record(
            {"pack": str(out), "dataset": dataset, **counts, "splits": made.splits}
            | {"left_out": left_out, "not_found": made.not_found, "resumed": made.resumed}
        )
    else:
        if made.resumed:
            output.note(f"went on behind {made.resumed} units of an earlier run")
        rows = [
            *counts.items(),
            *((f"{s} {part}", n) for s, parts in made.splits.items() for part, n in parts.items()),
            *((f"left out: {reason}", number) for reason, number in left_out.items()),
            *([] if made.not_found is None else [("official, not found", made.not_found)]),
        ]
        output.table((dataset, str(out)), rows)
    output.finish()


@app.command(
    epilog="Example: stars data split pack subjects --train '*/s[1357]_*' --test '*/s[2468]_*'"
)
def split(
    pack: Annotated[Path, typer.Argument(help="Folder of a pack.")],
    name: Annotated[str, typer.Argument(help="Name of the split.")],
    train: Annotated[
        list[str], typer.Option(help="Pattern over sources: these are trained on. Repeatable.")
    ],
    test: Annotated[
        list[str], typer.Option(help="Pattern over sources: these are tested. Repeatable.")
    ],
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Say which clips of a pack are trained on and which tested."""
    output = Output(json=json, quiet=quiet)
    parts = add_split(pack, name, train=train, test=test)
    sizes = {part: len(numbers) for part, numbers in parts.items()}
    if json:
        output.record({"pack": str(pack), "split": name, **sizes})
    else:
        output.table(("split", *sizes), [(name, *sizes.values())])
