"""`stars export`: a trained encoder as files that run without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stars_infer.cli.output import JsonFlag, Output, QuietFlag
from stars_infer.errors import UsageError
from stars_infer.exporters.directory import ExportConfig, export_directory
from stars_infer.exporters.int8 import FACT, add_int8
from stars_infer.model import find_model
from stars_infer.motion import Comparison
from stars_infer.train.checkpoint import TEACHER, load_checkpoint
from stars_infer.train.options import Weights

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: stars export --onnx runs/stars --out my-model")
def export(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="RUN|MODEL",
            help="Run of `stars train` or a checkpoint file; with --int8 a model directory.",
        ),
    ],
    onnx: Annotated[
        bool, typer.Option("--onnx", help="Make a model directory from a run.")
    ] = False,
    int8: Annotated[
        bool,
        typer.Option(
            "--int8", help="Give a model directory, made before, an int8 graph; --onnx makes one."
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Model directory to make.", show_default="RUN/model"),
    ] = None,
    crop: Annotated[float, typer.Option(help="Share kept by the centre crop at use.")] = 0.9,
    samplings: Annotated[
        int,
        typer.Option(
            help="Uniform samplings of a clip whose vectors are averaged at use; Skeleton2vec's "
            "tests have 10, 1 is the plain clip."
        ),
    ] = 1,
    weights: Weights = TEACHER,
    compare: Annotated[
        str,
        typer.Option(
            help="How an index compares clips: warping (step by step) or vectors (their cosine; "
            "for encoders trained at the papers' scale)."
        ),
    ] = "warping",
    half_weights: Annotated[
        bool,
        typer.Option("--half-weights", help="Store weights in half precision, compute in float32."),
    ] = False,
    licence: Annotated[str, typer.Option(help="Licence of the weights.")] = "unknown",
    notes: Annotated[
        Path | None,
        typer.Option(help="Markdown for the card: data, their licences, limits, scores."),
    ] = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Make a model directory: graph, int8 graph, description and card, verified against torch."""
    output = Output(json=json, quiet=quiet)
    if onnx == int8:
        raise UsageError("say what to make: --onnx of a run, or --int8 of a model directory")
    if int8:
        _add_int8(source, output)
        return
    if not 0 < crop <= 1:
        raise UsageError(f"--crop is a share above 0 and up to 1, not {crop:g}")
    checkpoint = load_checkpoint(source).with_weights(weights, source=str(source))
    folder = out or (source if source.is_dir() else source.parent) / "model"
    info = export_directory(
        checkpoint,
        folder,
        ExportConfig(
            crop=crop,
            samplings=samplings,
            comparison=_comparison(compare),
            half_weights=half_weights,
            licence=licence,
            notes=notes.read_text(encoding="utf-8") if notes else "",
        ),
    )
    if json:
        output.record({"path": str(folder), **info.to_json()})
        return
    error, cosine = info.facts["export_relative_error"], info.facts.get(FACT)
    output.table(
        ("model", "fingerprint", "relative error to torch", "cosine of int8"),
        [(folder, info.fingerprint[:12], f"{error:.1e}", "none" if cosine is None else cosine)],
    )


def _add_int8(model: Path, output: Output) -> None:
    folder = find_model(model)
    cosine = add_int8(folder)
    if output.json:
        output.record({"path": str(folder), FACT: cosine})
    else:
        output.note(f"{folder}: int8 graph written, smallest cosine to float32 {cosine:.6f}")


def _comparison(compare: str) -> Comparison | None:
    """What `--compare` asks for."""
    if compare not in ("vectors", "warping"):
        raise UsageError(f"--compare is vectors or warping, not {compare!r}")
    return Comparison() if compare == "warping" else None
