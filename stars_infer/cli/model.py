"""`stars model`: list, describe, import, fuse, fetch and publish encoders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stars_infer.cli.extras import EXPORT
from stars_infer.cli.output import JsonFlag, Output, QuietFlag

app = typer.Typer(
    help="Show, import, fuse, fetch and publish encoders.",
    epilog="Example: stars model info stars-mocap-small",
    no_args_is_help=True,
)


@app.command("list", epilog="Example: stars model list")
def list_(json: JsonFlag = False, quiet: QuietFlag = False) -> None:
    """List the shipped encoders."""
    from stars_infer.encoder.model import DEFAULT_MODEL, read_model_info, shipped_models

    output = Output(json=json, quiet=quiet)
    rows = []
    for name, folder in shipped_models().items():
        encoded = read_model_info(folder)
        size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
        default = name == DEFAULT_MODEL
        if json:
            output.record(
                {
                    "name": name,
                    "default": default,
                    "license": encoded.license,
                    "megabytes": round(size, 1),
                    "path": str(folder),
                }
            )
        rows.append((name + (" (default)" if default else ""), encoded.license, f"{size:.1f} MB"))
    if not json:
        output.table(("model", "license", "size"), rows)


@app.command(epilog="Example: stars model info stars-mocap")
def info(
    model: Annotated[
        str | None,
        typer.Argument(
            envvar="STARS_MODEL", help="Name or directory.", show_default="the shipped encoder"
        ),
    ] = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Describe a model: its input, its vectors, its license, its origin."""
    from stars_infer.encoder.model import CARD_FILE, check_fingerprint, find_model, read_model_info

    output = Output(json=json, quiet=quiet)
    folder = find_model(model)
    encoded = read_model_info(folder)
    check_fingerprint(folder, encoded)
    if json:
        output.record({"path": str(folder), **encoded.to_json()})
        return
    rows: list[tuple[str, object]] = [
        ("name", encoded.name),
        ("path", folder),
        ("license", encoded.license),
        ("input", f"{encoded.layout}, {encoded.preprocessing.in_words()}"),
        ("vector", f"{encoded.width} numbers, {encoded.absent_bodies}"),
        *(("stream", part.in_words()) for part in encoded.streams),
        ("comparison", encoded.comparison_in_words()),
        ("fingerprint", encoded.fingerprint[:12]),
        *((name.replace("_", " "), value) for name, value in encoded.facts.items()),
    ]
    output.table(("what", "value"), rows)
    if (folder / CARD_FILE).exists():
        output.note(f"model card: {folder / CARD_FILE}")


@app.command("import", epilog="Example: stars model import mamp_ntu60.pth --out my-model")
def import_(
    checkpoint: Annotated[Path, typer.Argument(help="A public MAMP checkpoint (.pth).")],
    out: Annotated[Path, typer.Option("--out", help="Model directory to make.")],
    heads: Annotated[
        int, typer.Option(help="Number of attention heads, which the file does not state.")
    ] = 8,
    absent_bodies: Annotated[
        str,
        typer.Option(
            help="How the model was trained to treat a missing second body: zeros (MAMP on NTU-60 "
            "and PKU) or present."
        ),
    ] = "zeros",
    crop: Annotated[
        float, typer.Option(help="Share kept by the center crop; MAMP's configurations use 0.95.")
    ] = 0.95,
    license: Annotated[str, typer.Option(help="License of the weights.")] = "unknown",
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Make a model directory from a public MAMP checkpoint, which can also be tuned further."""
    from stars_infer.atomic import check_folder

    output = Output(json=json, quiet=quiet)
    check_folder(out, "--out")
    EXPORT.require("`stars model import`")
    from stars_infer.exporters.directory import import_mamp

    with output.waiting("importing and verifying"):
        encoded = import_mamp(
            checkpoint,
            out,
            heads=heads,
            absent_bodies=absent_bodies,
            crop=crop,
            license=license,
        )
    if json:
        output.record({"path": str(out), **encoded.to_json()})
        return
    output.table(("model", "fingerprint"), [(out, encoded.fingerprint[:12])])
    output.note(
        f"classify with --model {out}; tune with `stars train tune PACK --from {out} --out RUN`"
    )


@app.command(epilog="Example: stars model fuse joint/ motion/ bone/ --out three-stream")
def fuse(
    models: Annotated[list[Path], typer.Argument(help="Model directories, two or more.")],
    out: Annotated[Path, typer.Option("--out", help="Model directory to make.")],
    weight: Annotated[
        list[float] | None,
        typer.Option(
            help="Weight of each model, in order. The cosine of two vectors is the mean of the "
            "models' cosines, weighted by the squares of the weights.",
            show_default="1 for each",
        ),
    ] = None,
    notes: Annotated[
        Path | None, typer.Option(help="Markdown file whose text is put into the model card.")
    ] = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Make one model of several, such as those of the streams joint, motion and bone."""
    output = Output(json=json, quiet=quiet)
    EXPORT.require("`stars model fuse`")
    from stars_infer.atomic import check_folder, refuse_inputs
    from stars_infer.encoder.model import CARD_FILE
    from stars_infer.exporters.fusing import fuse_models

    check_folder(out, "--out")
    if notes is not None:
        refuse_inputs(out / CARD_FILE, "--out", [notes])
    text = notes.read_text(encoding="utf-8") if notes else ""
    with output.waiting("fusing and verifying"):
        encoded = fuse_models(models, out, weights=weight or (), notes=text)
    if json:
        output.record({"path": str(out), **encoded.to_json()})
        return
    rows = [(part.stream, part.model, part.width, part.weight) for part in encoded.streams]
    output.table(("stream", "model", "numbers", "weight"), rows)
    output.note(f"classify with --model {out}")


@app.command(epilog="Example: stars model fetch hf://USER/MODEL@v1")
def fetch(
    model: Annotated[str, typer.Argument(help="Its name on the Hugging Face Hub.")],
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Fetch a model of the Hugging Face Hub, or its newest form if it is here already."""
    from stars_infer.encoder.hub import HubModel
    from stars_infer.encoder.model import fetch_model, read_model_info

    output = Output(json=json, quiet=quiet)
    wanted = HubModel.parse(model)
    with output.waiting(f"fetching {wanted}"):
        folder = fetch_model(wanted, refresh=True)
    encoded = read_model_info(folder)
    if json:
        output.record({"path": str(folder), **encoded.to_json()})
        return
    output.table(("model", "fingerprint"), [(folder, encoded.fingerprint[:12])])
    output.note(f"classify with --model {wanted}")


@app.command(epilog="Example: stars model push my-model USER/MODEL")
def push(
    model: Annotated[str, typer.Argument(help="Name or directory of a model.")],
    name: Annotated[
        str, typer.Argument(metavar="USER/MODEL", help="Its name on the Hugging Face Hub.")
    ],
    public: Annotated[
        bool, typer.Option("--public", help="Show a new model to everybody, not only to you.")
    ] = False,
    revision: Annotated[
        str | None, typer.Option(help="Branch to write to.", show_default="the main one")
    ] = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Copy a model to the Hugging Face Hub, with the account of `hf auth login`."""
    from stars_infer.encoder.encoder import Encoder

    output = Output(json=json, quiet=quiet)
    with output.waiting(f"copying to {name}"):
        url = Encoder.load(model).push_to_hub(name, private=not public, revision=revision)
    if json:
        output.record({"url": url})
        return
    output.table(("model", "commit"), [(model, url)])
