"""`stars export`: a trained encoder as files that run without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stars_infer.cli.output import JsonFlag, Output, QuietFlag
from stars_infer.errors import UsageError
from stars_infer.exporters.directory import ExportConfig, export_directory
from stars_infer.motion import Comparison
from stars_infer.train.checkpoint import TEACHER, load_checkpoint
from stars_infer.train.options import Weights

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: stars export --onnx runs/stars --out my-model")
def export(
    run: Annotated[Path, typer.Argument(help="Run of `stars train`, or a checkpoint file.")],
    onnx: Annotated[bool, typer.Option("--onnx", help="Write an ONNX graph.")] = False,
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
    """Make a model directory: graph, description and card, verified against torch."""
    output = Output(json=json, quiet=quiet)
    if not onnx:
        raise UsageError("say what to export to: --onnx")
    if not 0 < crop <= 1:
        raise UsageError(f"--crop is a share above 0 and up to 1, not {crop:g}")
    checkpoint = load_checkpoint(run).with_weights(weights, source=str(run))
    folder = out or (run if run.is_dir() else run.parent) / "model"
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
    error = info.facts["export_relative_error"]
    output.table(
        ("model", "fingerprint", "relative error to torch"),
        [(folder, info.fingerprint[:12], f"{error:.1e}")],
    )


def _comparison(compare: str) -> Comparison | None:
    """What `--compare` asks for."""
    if compare not in ("vectors", "warping"):
        raise UsageError(f"--compare is vectors or warping, not {compare!r}")
    return Comparison() if compare == "warping" else None
