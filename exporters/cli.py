"""`stars export`: write a trained encoder as a model directory, and add forms of its graph."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from stars_infer.atomic import check_folder, check_output, refuse_inputs
from stars_infer.cli.output import JsonFlag, Output, QuietFlag
from stars_infer.encoder.model import CARD_FILE, INFO_FILE, read_model_info, shipped_models
from stars_infer.errors import UsageError, check_range
from stars_infer.evaluation.folder import find_labeled_files
from stars_infer.exporters.directory import HALF_COSINE, INT8_COSINE, ExportConfig, export_directory
from stars_infer.exporters.gpu.tensorrt import COSINE as ENGINE_COSINE
from stars_infer.exporters.gpu.tensorrt import EngineConfig, add_engine, check_tensorrt
from stars_infer.exporters.precision import add_half, add_int8
from stars_infer.exporters.triton import TritonConfig, write_repository
from stars_infer.exporters.weighing import NOT_MEASURED, weigh_model
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.train.checkpoint import TEACHER, load_checkpoint
from stars_infer.train.options import Weights

AUTO = "auto"
app = typer.Typer(add_completion=False)


@app.command(
    epilog="Example: stars export --onnx runs/stars --out my-model, "
    "or stars export --tensorrt stars-mocap --out my-engine, "
    "or stars export --triton repository stars-mocap"
)
def export(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="RUN|MODEL",
            help="A run of `stars train` or a checkpoint file; --int8, --fp16, --tensorrt and "
            "--triton also take a model directory or the name of a shipped model.",
        ),
    ],
    onnx: Annotated[
        bool, typer.Option("--onnx", help="Write an ONNX graph, and its int8 form for CPUs.")
    ] = False,
    int8: Annotated[
        bool,
        typer.Option(
            "--int8", help="Add the int8 graph, for --device cpu:int8, to a model that lacks it."
        ),
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
    triton: Annotated[
        Path | None,
        typer.Option(
            "--triton",
            metavar="DIR",
            help="Add the model to this model repository of Triton Inference Server, for --device "
            "triton://HOST:8001/MODEL.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Model directory to write.", show_default="RUN/model, or the model itself"
        ),
    ] = None,
    batches: Annotated[
        str,
        typer.Option(
            help="Bodies at once in an engine: minimum, optimum, maximum; for --triton, the last."
        ),
    ] = "1,8,64",
    workspace: Annotated[
        int | None,
        typer.Option(help="Memory limit of an engine's kernels, MiB.", show_default="no limit"),
    ] = None,
    optimization_level: Annotated[
        int, typer.Option(help="Effort TensorRT spends on finding fast kernels, 0 to 5.")
    ] = 3,
    timing_cache: Annotated[
        Path | None,
        typer.Option(
            help="File with measured times of kernels, which makes the next build faster."
        ),
    ] = None,
    crop: Annotated[
        float, typer.Option(help="Fraction of a clip kept by the center crop at inference.")
    ] = 0.9,
    samplings: Annotated[
        int,
        typer.Option(
            help="Uniform samplings of a clip whose vectors are averaged at inference; "
            "Skeleton2vec uses 10, 1 is the plain clip."
        ),
    ] = 1,
    weights: Weights = TEACHER,
    compare: Annotated[
        str,
        typer.Option(
            help="How an index compares clips: sequences (time warping), vectors (cosine), or "
            "auto: sequences, and vectors with the weight that they earn on the clips of "
            "--weigh-on."
        ),
    ] = AUTO,
    weigh_on: Annotated[
        list[Path] | None,
        typer.Option(
            "--weigh-on",
            help="Folder of CLASS/clip files that the encoder was not trained on, by which vectors "
            "are weighed; may be given several times. Also for a model that was exported already.",
        ),
    ] = None,
    half_weights: Annotated[
        bool,
        typer.Option("--half-weights", help="Store weights in half precision, compute in float32."),
    ] = False,
    license: Annotated[str, typer.Option(help="License of the weights.")] = "unknown",
    notes: Annotated[
        Path | None,
        typer.Option(
            help="Markdown file for the card: data, licenses of the data, limits, scores."
        ),
    ] = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Write a model directory: graph, description and card, verified against torch.

    --int8, --fp16 and --tensorrt add forms of the graph for CPUs and GPUs, verified against
    float32. --weigh-on measures how much the vectors should count beside the sequences.
    """
    output = Output(json=json, quiet=quiet)
    if not (onnx or int8 or fp16 or tensorrt or triton or weigh_on):
        raise UsageError("name a format: --onnx, --int8, --fp16, --tensorrt or --triton DIR")
    if weigh_on and compare != AUTO:
        raise UsageError(f"--weigh-on is for --compare {AUTO}: leave one of the two out")
    check_folder(out, "--out")
    check_folder(triton, "--triton")
    check_output(timing_cache, "--timing-cache", make_folder=True)
    sets = [find_labeled_files(folder) for folder in weigh_on or ()]
    check_range("--crop", crop, above=0, at_most=1)
    engine = EngineConfig(
        batches=_parse_batches(batches),
        workspace=workspace,
        level=optimization_level,
        timing_cache=timing_cache,
    )
    if tensorrt:
        check_tensorrt()
    model = None if onnx else _find_model(source)
    folder = out or model or (source if source.is_dir() else source.parent) / "model"
    if notes is not None:
        refuse_inputs(folder / CARD_FILE, "--out", [notes])
    if timing_cache is not None:
        refuse_inputs(timing_cache, "--timing-cache", _list_files(source, folder, notes))
    config = ExportConfig(
        crop=crop,
        samplings=samplings,
        comparison=_parse_comparison(compare),
        half_weights=half_weights,
        license=license,
        notes=notes.read_text(encoding="utf-8") if notes else "",
    )
    if model is None:
        checkpoint = load_checkpoint(source).with_weights(weights, source=str(source))
        if compare == AUTO:
            config = replace(config, facts=NOT_MEASURED)
        with output.waiting("exporting and verifying"):
            info = export_directory(checkpoint, folder, config)
        if compare == AUTO and not sets:
            output.note(
                "vectors do not count where clips are compared: name labeled clips by --weigh-on "
                "to measure whether they should"
            )
    elif (config, weights) != (ExportConfig(comparison=SequenceConfig()), TEACHER):
        raise UsageError(
            f"{source}: is a model already, and keeps its settings; --crop, --samplings, "
            "--weights, --compare, --half-weights, --license and --notes are for a run"
        )
    if sets:
        with output.counter("weighing vectors") as progress:
            info = weigh_model(
                model or folder, folder, sets, skip=output.failure, progress=progress
            )
        model = folder
    if int8:
        with output.waiting("rounding to int8 and verifying"):
            info = add_int8(model or folder, folder)
        model = folder
    if fp16 or tensorrt:
        with output.waiting("halving the precision and verifying"):
            info = add_half(model or folder, folder)
        model = folder
    if tensorrt:
        with output.waiting("building the engine"):
            info = add_engine(folder, engine)
        model = folder
    if triton is not None:
        info = read_model_info(model or folder)
        served = write_repository(model or folder, triton, TritonConfig(batch=engine.batches[2]))
    if json:
        repository = {"triton": [str(one) for one in served]} if triton is not None else {}
        output.record({"path": str(model or folder), **repository, **info.to_json()})
        output.finish()
        return
    shown = {name: info.facts[key] for key, name in _MEASURED.items() if key in info.facts}
    cells = (model or folder, info.fingerprint[:12], *shown.values())
    output.table(("model", "fingerprint", *shown), [cells])
    if triton is not None:
        output.note(
            f"served by `tritonserver --model-repository={triton}`: "
            f"{', '.join(one.name for one in served)}"
        )
    output.finish()


_MEASURED = {
    "export_relative_error": "relative error to torch",
    INT8_COSINE: "smallest cosine of int8",
    HALF_COSINE: "of fp16",
    ENGINE_COSINE: "of the engine",
    "vector_weight": "weight of vectors",
}
"""Facts in the output, and their column titles."""


def _find_model(source: Path) -> Path | None:
    """The model directory that `source` names; None if it names a run or checkpoint."""
    if (source / INFO_FILE).exists():
        return source
    return shipped_models().get(str(source))


def _list_files(*named: Path | None) -> list[Path]:
    """The named files, and the files in the named folders."""
    there = [path for path in named if path is not None]
    return [file for path in there for file in (path.iterdir() if path.is_dir() else [path])]


def _parse_batches(text: str) -> tuple[int, int, int]:
    """Value of `--batches`."""
    try:
        low, best, high = map(int, text.split(","))
    except ValueError as error:
        raise UsageError(
            f"--batches {text}: expected minimum, optimum and maximum, as in 1,8,64"
        ) from error
    return low, best, high


def _parse_comparison(compare: str) -> SequenceConfig | None:
    """Value of `--compare`; the weight of vectors is measured later."""
    if compare not in (AUTO, "sequences", "vectors"):
        raise UsageError(f"--compare {compare}: expected {AUTO}, sequences or vectors")
    return None if compare == "vectors" else SequenceConfig()
