"""The tutorials: notebooks as pages of the site, and run from beginning to end.

`python -m website.notebooks` runs all of them and keeps what they print.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from website.pages import REPOSITORY, for_site

NOTEBOOKS = REPOSITORY / "examples/notebooks"


def write_notebooks(folder: Path) -> None:
    """Write each notebook as a page, with the output that it was saved with."""
    from nbconvert import MarkdownExporter

    folder.mkdir(parents=True, exist_ok=True)
    exporter = MarkdownExporter()
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        text, more = exporter.from_filename(str(path))
        place = f"tutorials/{path.stem}.md"
        for name, content in more["outputs"].items():
            (folder / f"{path.stem}-{name}").write_bytes(content)
            text = text.replace(f"]({name})", f"]({path.stem}-{name})")
        source = path.relative_to(REPOSITORY).as_posix()
        (folder / path.with_suffix(".md").name).write_text(
            for_site(text, source, place), encoding="utf-8"
        )


def run_notebook(
    path: Path,
    folder: Path,
    *,
    save: bool = False,
    change: Callable[[str], str] = str,
) -> str:
    """Run all cells of a notebook, and return what they print.

    Args:
        path: The notebook.
        folder: Where it runs, and writes what it writes.
        save: Keep the output in the notebook itself.
        change: Changes the source of each cell of code before it runs, such as its sizes.

    Raises:
        nbclient.exceptions.CellExecutionError: If a cell fails.
    """
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = change(cell.source)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    NotebookClient(
        notebook,
        timeout=600,
        startup_timeout=600,
        iopub_timeout=600,  # a busy machine would lose what a cell prints
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
    ).execute()
    if save:
        for number, cell in enumerate(notebook.cells):
            cell["id"] = f"cell-{number}"
        notebook.metadata = {"language_info": {"name": "python"}}
        nbformat.write(notebook, path)
    return "".join(
        output.get("text", "")
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output.get("name") == "stdout"
    )


def main() -> None:
    """Run notebooks, each in a passing folder, and keep their output: those named, or all."""
    for path in map(Path, sys.argv[1:] or sorted(NOTEBOOKS.glob("*.ipynb"))):
        with tempfile.TemporaryDirectory() as folder:
            print(run_notebook(path, Path(folder), save=True))


if __name__ == "__main__":
    main()
