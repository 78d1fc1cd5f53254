"""`stars fewshot`: keep labeled examples, and measure how far they go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from stars_infer.cli.acceptance import info, threshold
from stars_infer.cli.cluster import Cluster, add_on_cluster, reads_clips_anywhere
from stars_infer.cli.copying import copy
from stars_infer.cli.curate import check, suggest
from stars_infer.cli.evaluate import evaluate
from stars_infer.cli.expectation import confirm, deny, expect
from stars_infer.cli.labels import note_folders, refuse_label
from stars_infer.cli.options import (
    DEFAULT_INDEX,
    DeviceOption,
    IndexOption,
    ModelOption,
    WorkersOption,
    existing_index,
    make_ready,
)
from stars_infer.cli.output import INTERRUPTED, JsonFlag, Output, QuietFlag
from stars_infer.cli.relabel import no_example, note_confusable, relabel, rename
from stars_infer.cli.salvage import repair, verify
from stars_infer.cli.tables import PathCell
from stars_infer.errors import UsageError

if TYPE_CHECKING:
    from stars_infer.clips.convention import Convention
    from stars_infer.embedding.additions import Addition


class _Commands(TyperGroup):
    """Commands that are also suggested by their beginning: `add-class` for `add`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        wanted = args[0] if args else ""
        longer = [name for name in self.commands if wanted and name.startswith(f"{wanted}-")]
        if wanted not in self.commands and longer:
            ctx.fail(f"No such command {wanted!r}. Did you mean {longer[0]!r}?")
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_Commands,
    help="Keep labeled examples per action, and measure how far they go.",
    epilog="Example: stars fewshot add-class wave/ clap/ squat/",
    no_args_is_help=True,
)


@app.command("add-class", epilog="Example: stars fewshot add-class clap/*.npy")
@reads_clips_anywhere
def add_class(
    clips: Annotated[
        list[str],
        typer.Argument(help="Clip files, or folders of them; with --engine ray also s3://…"),
    ],
    *,
    label: Annotated[
        str | None,
        typer.Option(
            help="The action that all of them show.",
            show_default="the name of the folder in which each clip lies",
        ),
    ] = None,
    convention: Convention,
    cluster: Cluster,
    index: IndexOption = DEFAULT_INDEX,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    workers: WorkersOption = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Add clips as examples of an action; the first call makes the index."""
    from stars_infer.embedding.additions import BatchAdder, label_of
    from stars_infer.embedding.files import embed_files
    from stars_infer.encoder.encoder import Encoder
    from stars_infer.readers.files import clip_files
    from stars_infer.shared.open import index_exists, open_index

    output = Output(json=json, quiet=quiet)
    if cluster.is_ray:
        from stars_infer.cluster.work import How

        how = How(model=model, device=device, convention=convention)
        _summarize(
            *add_on_cluster(
                clips,
                label=label,
                index=index,
                how=how,
                cluster=cluster,
                workers=workers,
                output=output,
                tell=_tell,
            ),
            output,
            label=label,
        )
        output.finish()
        return
    refuse_label(clips, label)
    paths = clip_files(map(Path, clips), skip=output.failure, note=output.note)
    for path in paths:
        label_of(path, label)  # says what is wrong before the clips are read
    encoder = Encoder.load(model, device=device)
    embedded = embed_files(
        encoder,
        paths,
        convention=convention,
        skip=output.failure,
        defer_network=True,
        workers=workers,
    )
    with ExitStack() as stack:
        adder = BatchAdder(lambda: stack.enter_context(open_index(index, encoder.info)), label)
        before = adder.open().labels if index_exists(index) else []
        stopped = False
        try:
            for file in output.progress(embedded, "adding", len(paths)):
                adder.add(file)
                _tell(adder.news(), output)
            adder.flush()
            _tell(adder.news(), output)
            if adder.index is not None and adder.added:
                make_ready(adder.index, output)
        except KeyboardInterrupt:
            stopped = True
            adder.flush()
            _tell(adder.news(), output)
    _summarize(adder.done, before, output, label=label)
    if stopped:
        output.count_alike()
        output.error(_how_far(adder.added, len(adder.done), len(paths)))
        raise typer.Exit(INTERRUPTED)
    output.finish()


def _how_far(added: int, done: int, total: int) -> str:
    """What Ctrl-C has left."""
    there = f" ({done - added} were there already)" if done > added else ""
    if done >= total:
        return (
            f"stopped: all clips are in the index, {added} of them new{there}; they are compared "
            "when the first clip is named"
        )
    return (
        f"stopped: {added} of {total} clips were added{there}; run the same command again to go on"
    )


def _tell(additions: Iterable[Addition], output: Output) -> None:
    """Say of each clip whether it was added, or was there before."""
    for one in additions:
        output.clip_notes(one.source, one.notes)
        if output.json:
            output.record(
                {
                    "source": one.source,
                    "label": one.known.label if one.known else one.label,
                    "added": one.known is None,
                    "notes": one.notes,
                }
            )
        elif one.known and (one.is_contradiction or one.known.source != one.source):
            output.note(str(one))  # of the same file as the same action the table says it


def _summarize(
    done: Sequence[Addition], before: Sequence[str], output: Output, *, label: str | None
) -> None:
    """Count what was added, and say where its labels come from, and which look like others."""
    rows = [(one.known.label if one.known else one.label, one.known is None) for one in done]
    labels = sorted({name for name, _ in rows})
    if done and not output.json:
        output.table(
            ("action", "added", "already there"),
            [(name, rows.count((name, True)), rows.count((name, False))) for name in labels],
        )
    if label is None:
        note_folders(sorted({name for name, added in rows if added}), before, output)
    note_confusable([name for name in labels if name not in before], before, output)


@app.command("list", epilog="Example: stars fewshot list clap")
def list_(
    label: Annotated[str | None, typer.Argument(help="Only this action's examples.")] = None,
    index: IndexOption = DEFAULT_INDEX,
    model: ModelOption = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """List the examples."""
    output = Output(json=json, quiet=quiet)
    with existing_index(index, model) as opened:
        exemplars, labels = opened.exemplars(label), opened.labels
    if label is not None and not exemplars:
        raise no_example(index, label, labels)
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
        [(e.id, e.label, PathCell(e.source), e.added.removesuffix("+00:00")) for e in exemplars],
    )


@app.command(epilog="Example: stars fewshot remove --id 12")
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
    from stars_infer.encoder.model import find_model, read_model_info
    from stars_infer.shared.open import open_index

    output = Output(json=json, quiet=quiet)
    if (label is None) == (not ids):
        raise UsageError(
            "say what to remove: an action, all examples of which go, or single ones by --id NUMBER"
        )
    with open_index(index, read_model_info(find_model(model)), create=False) as opened:
        removed = opened.remove(label=label, ids=ids or ())
        left, labels = len(opened), opened.labels
    if not removed and label is not None and not ids:
        raise no_example(index, label, labels)
    if not removed:
        raise UsageError(f"{index}: no such example; `stars fewshot list` shows all")
    if json:
        output.record({"removed": removed, "left": left})
    else:
        output.table(("removed", "left"), [(removed, left)])


app.command(
    "eval",
    epilog="Example: stars fewshot eval clips/ --shots 1 --shots 5 --exemplars '*/s[1357]_*' "
    "--queries '*/s[2468]_*'",
)(evaluate)

app.command(epilog="Example: stars fewshot info")(info)
app.command(epilog="Example: stars fewshot threshold --false-accept 5")(threshold)
app.command(epilog="Example: stars fewshot expect --unknown 10")(expect)
app.command(epilog="Example: stars fewshot confirm clips/monday/")(confirm)
app.command(epilog="Example: stars fewshot deny clips/monday/7.npy")(deny)
app.command(epilog="Example: stars fewshot suggest clips/ -n 10")(suggest)
app.command(epilog="Example: stars fewshot check --strict")(check)
app.command(epilog="Example: stars fewshot verify")(verify)
app.command(epilog="Example: stars fewshot repair --out saved.db")(repair)
app.command(epilog="Example: stars fewshot copy stars.db milvus://127.0.0.1:19530/stars")(copy)
app.command(epilog="Example: stars fewshot rename wave 'wave right hand'")(rename)
app.command(epilog="Example: stars fewshot relabel clap wave/3.npy")(relabel)
