"""`stars demo`: teaches and names actions, on clips that are made on the spot."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stars_infer.cli.options import DeviceOption, ModelOption
from stars_infer.cli.output import JsonFlag, Output, QuietFlag
from stars_infer.cli.tables import PathCell
from stars_infer.errors import UsageError

if TYPE_CHECKING:
    from stars_infer.classification.prediction import Prediction
    from stars_infer.embedding.files import EmbeddedFile

_SHOTS = 3


def demo(
    out: Annotated[
        Path | None,
        typer.Option(help="Keep clips and index in this folder.", show_default="a passing one"),
    ] = None,
    performers: Annotated[
        int, typer.Option(min=_SHOTS + 1, help="Recordings of each action; three are examples.")
    ] = 6,
    seed: Annotated[int, typer.Option(help="Of the recordings.")] = 0,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Make recordings of seven actions, learn three of each, name the rest."""
    from stars_infer.atomic import check_folder

    output = Output(json=json, quiet=quiet)
    if out is not None:
        check_folder(out, "--out")
        out.mkdir(parents=True, exist_ok=True)
        _run(out, performers, seed, model, device, output)
        output.note(f"clips in {out}; go on with: stars classify {out}/wave --index {out}/stars.db")
    else:
        with tempfile.TemporaryDirectory(prefix="stars-demo-") as folder:
            _run(Path(folder), performers, seed, model, device, output)
        output.note(
            "your own: stars fewshot add-class FOLDER/wave FOLDER/clap, then stars classify CLIPS; "
            "or see more: stars tour"
        )
    output.finish()


def _own_exemplars(index: Path, folder: Path, model: str | None) -> list[int]:
    """Numbers of the exemplars that an earlier demo has put into the index of a folder.

    Raises:
        UsageError: If the index holds others, which are somebody's work.
        ExemplarIndexError: If it is another model's, or no index.
    """
    from stars_infer.cli.options import existing_index
    from stars_infer.synthetic.actions import ACTIONS

    if not index.exists():
        return []
    with existing_index(index, model) as exemplars:
        kept = exemplars.exemplars()
    folders = {folder.resolve() / action for action in ACTIONS}
    others = [one for one in kept if Path(one.source).resolve().parent not in folders]
    if others:
        raise UsageError(
            f"{index}: an index with examples of your own, such as {others[0].source}; the demo "
            "leaves it alone: name another folder by --out"
        )
    return [one.id for one in kept]


def _run(
    folder: Path, performers: int, seed: int, model: str | None, device: str, output: Output
) -> None:
    from stars_infer.embedding.additions import add_clips
    from stars_infer.embedding.files import embed_files
    from stars_infer.encoder.encoder import Encoder
    from stars_infer.index.index import ExemplarIndex
    from stars_infer.synthetic.actions import ACTIONS
    from stars_infer.synthetic.files import write_recordings

    index = folder / "stars.db"
    own = _own_exemplars(index, folder, model)
    total = performers * len(ACTIONS)
    writing = write_recordings(folder, performers=performers, seed=seed)
    paths = list(output.progress(writing, "recording", total))
    encoder = Encoder.load(model, device=device)
    reading = embed_files(encoder, paths, skip=output.failure, defer_network=True)
    files = list(output.progress(reading, "reading", total))
    taught = {path for start in range(0, total, performers) for path in paths[start:][:_SHOTS]}
    queries = [file for file in files if file.path not in taught]
    with ExemplarIndex.open(index, encoder.info) as exemplars:
        exemplars.remove(ids=own)
        add_clips(exemplars, [file for file in files if file.path in taught], None)
        answers = exemplars.classify([file.features for file in queries])
    _show(list(zip(queries, answers, strict=True)), output)
    right = sum(
        answer.answer == file.path.parent.name
        for file, answer in zip(queries, answers, strict=True)
    )
    output.note(f"{right} of {len(answers)} named right by {encoder.info.name}")


def _show(named: Sequence[tuple[EmbeddedFile, Prediction]], output: Output) -> None:
    """Print the answers, and which of them are right."""
    from rich.text import Text

    rows: list[tuple[object, ...]] = []
    for file, answer in named:
        truth = file.path.parent.name
        source = f"{truth}/{file.path.name}"
        if output.json:
            output.record(
                {
                    "source": source,
                    "truth": truth,
                    "label": answer.answer,
                    "confidence": answer.confidence,
                    "similarity": answer.similarity,
                }
            )
        style = "green" if answer.answer == truth else "red"
        rows.append(
            (
                PathCell(source),
                Text(answer.answer, style=style),
                f"{answer.confidence if answer.known else 1 - answer.chance_known:.2f}",
                f"{answer.similarity:.3f}",
            )
        )
    if not output.json:
        actions = len({file.path.parent for file, _ in named})
        output.table(
            ("clip", "named", "confidence", "similarity"),
            rows,
            title=f"{_SHOTS} examples of each of {actions} actions, the rest named",
        )
