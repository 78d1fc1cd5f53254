"""`stars export`: a trained encoder as files that run without torch, and forms of it for GPUs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stars_infer.atomic import refuse_inputs
from stars_infer.cli.output import JsonFlag, Output, QuietFlag
from stars_infer.encoder.model import CARD_FILE, INFO_FILE, shipped_models
from stars_infer.errors import UsageError
from stars_infer.exporters.directory import HALF_COSINE, INT8_COSINE, ExportConfig, export_directory
from stars_infer.exporters.gpu.tensorrt import COSINE as ENGINE_COSINE
from stars_infer.exporters.gpu.tensorrt import EngineConfig, add_engine
from stars_infer.exporters.precision import add_half, add_int8
from stars_infer.runtimes.gpu.tensorrt import tensorrt as tensorrt_package
from stars_infer.similarity.sequence import SequenceConfig
from stars_infer.train.checkpoint import TEACHER, load_checkpoint
from stars_infer.train.options import Weights

app = typer.Typer(add_completion=False)


@app.command(
    epilog="Example: stars export --onnx runs/stars --out my-model, "
    "or stars export --tensorrt stars-mocap --out my-engine"
)
def export(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="RUN|MODEL",
            help="Run of `stars train` or a checkpoint file; with --int8, --fp16 or --tensorrt a "
            "model directory or a shipped name as well.",
        ),
    ],
    onnx: Annotated[
        bool, typer.Option("--onnx", help="Write an ONNX graph, and its int8 form for CPUs.")
    ] = False,
    int8: Annotated[
        bool,
        typer.Option("--int8", help="Add the int8 graph to a model made without, for cpu:int8."),
    ] = False,
    fp16: Annotated[
        bool,
        typer.Option("--fp16", help="Add the graph in half precision, for --device cuda:fp16."),
    ] = False,
    tensorrt: Annotated[
        bool,
        typer.Option(
            "--tensorrt", help="Add an engine for this machine's GPU, for --device tensorrt."
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Model directory to make.", show_default="RUN/model, or the model itself"
        ),
    ] = None,
    batches: Annotated[
        str, typer.Option(help="Bodies at once in an engine: least, usual, most.")
    ] = "1,8,64",
    workspace: Annotated[
        int | None,
        typer.Option(help="Most memory of an engine's kernels, MiB.", show_default="all there is"),
    ] = None,
    optimization_level: Annotated[
        int, typer.Option(help="How long TensorRT looks for fast kernels, 0 to 5.")
    ] = 3,
    timing_cache: Annotated[
        Path | None,
        typer.Option(help="File of measured kernels, so that TensorRT builds quicker next time."),
    ] = None,
    crop: Annotated[float, typer.Option(help="Share kept by the center crop at use.")] = 0.9,
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
    license: Annotated[str, typer.Option(help="License of the weights.")] = "unknown",
    notes: Annotated[
        Path | None,
        typer.Option(help="Markdown for the card: data, their licenses, limits, scores."),
    ] = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Make a model directory: graph, description and card, verified against torch.

    --int8, --fp16 and --tensorrt add forms of the graph for CPUs and GPUs, verified against
    float32.
    """
    output = Output(json=json, quiet=quiet)
    if not (onnx or int8 or fp16 or tensorrt):
        raise UsageError("say what to export to: --onnx, --int8, --fp16 or --tensorrt")
    if not 0 < crop <= 1:
        raise UsageError(f"--crop is a share above 0 and up to 1, not {crop:g}")
    engine = EngineConfig(
        batches=_batches(batches),
        workspace=workspace,
        level=optimization_level,
        timing_cache=timing_cache,
    )
    if tensorrt:
        tensorrt_package()  # before a training run is exported for nothing
    model = None if onnx else _model(source)
    folder = out or model or (source if source.is_dir() else source.parent) / "model"
    if notes is not None:
        refuse_inputs(folder / CARD_FILE, "--out", [notes])
    if timing_cache is not None:
        refuse_inputs(timing_cache, "--timing-cache", _files(source, folder, notes))
    how = ExportConfig(
        crop=crop,
        samplings=samplings,
        comparison=_comparison(compare),
        half_weights=half_weights,
        license=license,
        notes=notes.read_text(encoding="utf-8") if notes else "",
    )
    if model is None:
        checkpoint = load_checkpoint(source).with_weights(weights, source=str(source))
        info = export_directory(checkpoint, folder, how)
    elif (how, weights) != (ExportConfig(comparison=SequenceConfig()), TEACHER):
        raise UsageError(
            f"{source}: is a model already, which keeps how it sees clips; --crop, --samplings, "
            "--weights, --compare, --half-weights, --license and --notes are for a run"
        )
    if int8:
        info = add_int8(model or folder, folder)
        model = folder
    if fp16 or tensorrt:
        info = add_half(model or folder, folder)
    if tensorrt:
        info = add_engine(folder, engine)
    if json:
        output.record({"path": str(folder), **info.to_json()})
        return
    told = {name: info.facts[key] for key, name in _MEASURED.items() if key in info.facts}
    output.table(("model", "fingerprint", *told), [(folder, info.fingerprint[:12], *told.values())])


_MEASURED = {
    "export_relative_error": "relative error to torch",
    INT8_COSINE: "least cosine of int8",
    HALF_COSINE: "of fp16",
    ENGINE_COSINE: "of the engine",
}
"""Facts that are shown, and what they are called."""


def _model(source: Path) -> Path | None:
    """The model directory that is named; None if something else is."""
    if (source / INFO_FILE).exists():
        return source
    return shipped_models().get(str(source))


def _files(*named: Path | None) -> list[Path]:
    """Files that are named, and those of folders that are."""
    there = [path for path in named if path is not None]
    return [file for path in there for file in (path.iterdir() if path.is_dir() else [path])]


def _batches(text: str) -> tuple[int, int, int]:
    """What `--batches` asks for."""
    try:
        least, usual, most = map(int, text.split(","))
    except ValueError as error:
        raise UsageError(f"--batches is least, usual and most, as 1,8,64, not {text!r}") from error
    return least, usual, most


def _comparison(compare: str) -> SequenceConfig | None:
    """What `--compare` asks for."""
    if compare not in ("vectors", "warping"):
        raise UsageError(f"--compare is vectors or warping, not {compare!r}")
    return SequenceConfig() if compare == "warping" else None
