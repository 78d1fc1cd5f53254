"""`stars fewshot`: keep labelled examples, and measure how far they go."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated

import typer

from stars_infer.cli.options import (
    DEFAULT_INDEX,
    DeviceOption,
    IndexOption,
    LayoutOption,
    ModelOption,
)
from stars_infer.cli.output import JsonFlag, Output, QuietFlag
from stars_infer.errors import UsageError

app = typer.Typer(
    help="Keep labelled examples per action, and measure how far they go.", no_args_is_help=True
)


@app.command("add-class", epilog="Example: stars fewshot add-class clap/*.npy")
def add_class(
    clips: Annotated[list[Path], typer.Argument(help="Clip files, or folders of them.")],
    label: Annotated[
        str | None, typer.Option(help="Their action.", show_default="the folder of each clip")
    ] = None,
    layout: LayoutOption = None,
    index: IndexOption = DEFAULT_INDEX,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Add clips as examples of an action; the first call makes the index."""
    from stars_infer.encoder import Encoder
    from stars_infer.files import clip_files, embed_files
    from stars_infer.index import ExemplarIndex, NewExemplar

    output = Output(json=json, quiet=quiet)
    paths = clip_files(clips)
    encoder = Encoder.load(model, device=device)
    embedded = embed_files(encoder, paths, layout=layout, skip=output.failure)
    new = [
        NewExemplar(
            label=label if label is not None else file.path.resolve().parent.name,
            vector=file.vector,
            source=str(file.path),
            content_hash=file.content_hash,
        )
        for file in output.progress(embedded, "adding", len(paths))
    ]
    if new:
        with ExemplarIndex.open(index, encoder.info) as exemplars:
            known = exemplars.add(new)
        rows = []
        for exemplar, there in zip(new, known, strict=True):
            if json:
                output.record(
                    {
                        "source": exemplar.source,
                        "label": there.label if there else exemplar.label.strip(),
                        "added": there is None,
                    }
                )
            elif there:
                other = "" if there.label == exemplar.label.strip() else f" as {there.label!r}"
                same = "" if there.source == exemplar.source else f", from {there.source}"
                output.note(
                    f"{exemplar.source}: already in the index{other}{same}; nothing changed"
                )
            rows.append((there.label if there else exemplar.label.strip(), there is None))
        if not json:
            labels = sorted({name for name, _ in rows})
            output.table(
                ("action", "added", "already there"),
                [(name, rows.count((name, True)), rows.count((name, False))) for name in labels],
            )
    output.finish()


@app.command("list", epilog="Example: stars fewshot list clap")
def list_(
    label: Annotated[str | None, typer.Argument(help="Only this action's examples.")] = None,
    index: IndexOption = DEFAULT_INDEX,
    model: ModelOption = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """List the examples."""
    from stars_infer.index import ExemplarIndex
    from stars_infer.model import find_model, read_model_info

    output = Output(json=json, quiet=quiet)
    with ExemplarIndex.open(index, read_model_info(find_model(model)), create=False) as opened:
        exemplars = opened.exemplars(label)
    if label is not None and not exemplars:
        raise UsageError(f"{index}: no example of {label!r}; `stars fewshot list` shows all")
    if json:
        for exemplar in exemplars:
            output.record(
                {
                    "id": exemplar.id,
                    "label": exemplar.label,
                    "source": exemplar.source,
                    "added": exemplar.added,
                }
            )
        return
    output.table(
        ("id", "action", "source", "added (UTC)"),
        [(e.id, e.label, e.source, e.added.removesuffix("+00:00")) for e in exemplars],
    )


@app.command(epilog="Example: stars fewshot remove clap --id 12")
def remove(
    label: Annotated[str | None, typer.Argument(help="Remove all examples of this action.")] = None,
    ids: Annotated[
        list[int] | None, typer.Option("--id", help="Remove the example of this number.")
    ] = None,
    index: IndexOption = DEFAULT_INDEX,
    model: ModelOption = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Remove an action, or single examples by the number that `list` shows."""
    from stars_infer.index import ExemplarIndex
    from stars_infer.model import find_model, read_model_info

    output = Output(json=json, quiet=quiet)
    if label is None and not ids:
        raise UsageError("say what to remove: an action, or --id NUMBER")
    with ExemplarIndex.open(index, read_model_info(find_model(model)), create=False) as opened:
        removed = opened.remove(label=label, ids=ids or ())
        left = len(opened)
    if not removed:
        raise UsageError(f"{index}: no such example; `stars fewshot list` shows all")
    if json:
        output.record({"removed": removed, "left": left})
    else:
        output.table(("removed", "left"), [(removed, left)])


@app.command(epilog="Example: stars fewshot info")
def info(
    index: IndexOption = DEFAULT_INDEX,
    model: ModelOption = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Show what the index holds, and which model made it."""
    from stars_infer.index import ExemplarIndex
    from stars_infer.model import find_model, read_model_info

    output = Output(json=json, quiet=quiet)
    described = read_model_info(find_model(model))
    with ExemplarIndex.open(index, described, create=False) as opened:
        counts = opened.counts()
    if json:
        output.record(
            {
                "index": str(index),
                "model": described.name,
                "fingerprint": described.fingerprint,
                "exemplars": sum(counts.values()),
                "classes": counts,
            }
        )
        return
    size = index.stat().st_size / 1024
    output.note(
        f"{index}: {sum(counts.values())} examples of {len(counts)} actions, {size:,.0f} KiB, "
        f"model {described.name} ({described.fingerprint[:12]})"
    )
    output.table(("action", "examples"), list(counts.items()))


@app.command(
    "eval",
    epilog="Example: stars fewshot eval clips/ --shots 1 --shots 5 --exemplars '*/s[1357]_*' "
    "--queries '*/s[2468]_*'",
)
def evaluate(
    root: Annotated[Path, typer.Argument(help="Folder of ROOT/CLASS/clip files.")],
    shots: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Examples per class.", show_default="1, 2 and 5"),
    ] = None,
    draws: Annotated[int, typer.Option(min=1, help="Random draws of examples.")] = 10,
    exemplars: Annotated[
        str, typer.Option(help="Which clips may be examples: a pattern over CLASS/clip.")
    ] = "*",
    queries: Annotated[
        str, typer.Option(help="Which clips are named: a pattern over CLASS/clip.")
    ] = "*",
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    layout: LayoutOption = None,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Measure few-shot accuracy on a folder of labelled clips."""
    import numpy as np

    from stars_infer.encoder import Encoder
    from stars_infer.fewshot import LabelledVectors
    from stars_infer.fewshot import evaluate as measure
    from stars_infer.files import clip_files, embed_files

    output = Output(json=json, quiet=quiet)
    if not root.is_dir():
        raise UsageError(f"{root}: not a folder of CLASS/clip files")
    named = {path: path.relative_to(root).as_posix() for path in clip_files([root])}
    used = [
        path
        for path, name in named.items()
        if name.count("/") == 1 and (fnmatch(name, exemplars) or fnmatch(name, queries))
    ]
    if not used:
        raise UsageError(f"{root}: no CLASS/clip file matches --exemplars or --queries")
    encoder = Encoder.load(model, device=device)
    embedded = embed_files(encoder, used, layout=layout, skip=output.failure)
    files = list(output.progress(embedded, "embedding", len(used)))
    if not files:
        raise UsageError(f"{root}: no clip could be used")
    names = [named[file.path] for file in files]
    clips = LabelledVectors(
        vectors=np.stack([file.vector for file in files]),
        labels=[file.path.parent.name for file in files],
        exemplar=np.array([fnmatch(name, exemplars) for name in names]),
        query=np.array([fnmatch(name, queries) for name in names]),
    )
    results = measure(clips, shots=sorted(set(shots or (1, 2, 5))), draws=draws, seed=seed)
    summary = {
        "model": encoder.info.name,
        "classes": len(set(clips.labels)),
        "queries": int(clips.query.sum()),
        "shots": {
            str(n): {"mean": round(score.mean, 2), "std": round(score.std, 2)}
            for n, score in results.items()
        },
    }
    if json:
        output.record(summary)
    else:
        output.note(
            f"{summary['model']}: {summary['classes']} classes, {summary['queries']} queries, "
            f"{draws} draws"
        )
        output.table(
            ("shots", "accuracy %", "deviation"),
            [(n, f"{score.mean:.1f}", f"{score.std:.1f}") for n, score in results.items()],
        )
    output.finish()
