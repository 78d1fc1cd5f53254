"""`stars export`: a trained encoder as files that run without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stars_infer.cli.output import JsonFlag, Output, QuietFlag
from stars_infer.errors import UsageError
from stars_infer.exporters.directory import ExportConfig, export_directory
from stars_infer.motion import STEPS, Comparison
from stars_infer.train.checkpoint import Checkpoint, load_checkpoint
from stars_infer.train.run import RunConfig

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
    compare: Annotated[
        str | None,
        typer.Option(
            help="How an index compares clips: vectors (their cosine) or warping (step by step).",
            show_default="warping if the run normalises clips, else vectors",
        ),
    ] = None,
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
    checkpoint = load_checkpoint(run)
    folder = out or (run if run.is_dir() else run.parent) / "model"
    info = export_directory(
        checkpoint,
        folder,
        ExportConfig(
            crop=crop,
            comparison=_comparison(compare, checkpoint),
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


def _comparison(compare: str | None, checkpoint: Checkpoint) -> Comparison | None:
    """What `--compare` asks for, or what suits a run."""
    views = RunConfig.from_json(checkpoint.config, source="checkpoint").views
    if compare is None:
        compare = "warping" if views.standard_body and views.pace else "vectors"
    if compare not in ("vectors", "warping"):
        raise UsageError(f"--compare is vectors or warping, not {compare!r}")
    if compare == "vectors":
        return None
    steps = next(n for n in range(min(STEPS, views.frames), 0, -1) if not views.frames % n)
    return Comparison(steps=steps)
