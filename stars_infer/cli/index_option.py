"""The option that names an index, and the index that it names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stars_infer.shared.place import IndexPath

if TYPE_CHECKING:
    from stars_infer.index.index import ExemplarIndex

IndexOption = Annotated[
    Path,
    typer.Option(
        "--index",
        envvar="STARS_INDEX",
        parser=IndexPath,
        metavar="PATH",
        help="The file that holds the examples, or milvus://HOST:PORT/COLLECTION or "
        "qdrant://HOST:PORT/COLLECTION, which several machines share.",
    ),
]
DEFAULT_INDEX = Path("stars.db")


def existing_index(index: Path, model: str | None) -> ExemplarIndex:
    """Open the index that the options name.

    Raises:
        StarsError: If there is no such model or index, or another model made the index.
    """
    from stars_infer.encoder.model import find_model, read_model_info
    from stars_infer.shared.open import open_index

    return open_index(index, read_model_info(find_model(model)), create=False)
