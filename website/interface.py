"""The reference of the Python interface, which mkdocstrings makes of the code's docstrings."""

from __future__ import annotations

from pathlib import Path

import stars_infer

BESIDE = {
    "client": ("stars_infer.client.Client", "the calls of `Recognizer`, answered by a server"),
    "sklearn": ("stars_infer.sklearn.SkeletonClassifier", "a scikit-learn estimator"),
    "segmentation": (
        "stars_infer.segmentation.segment.segment_file",
        "the actions of a long recording",
    ),
    "errors": ("stars_infer.errors", "what is raised on purpose"),
}
"""Pages of objects that are not imported from `stars_infer` itself: each object, and what it is."""


def write_interface(folder: Path) -> list[str]:
    """Write a page for each public name.

    Returns:
        The names of the pages, the first of which lists the others.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows, pages = [], ["index.md"]
    for name in stars_infer.__all__:
        value = getattr(stars_infer, name)
        summary = (value.__doc__ or "").strip().splitlines()[0]
        _write(folder / f"{name}.md", name, f"{value.__module__}.{name}", f"stars_infer.{name}")
        rows.append(f"| [`{name}`]({name}.md) | {summary} |\n")
        pages.append(f"{name}.md")
    beside = []
    for page, (path, what) in BESIDE.items():
        _write(folder / f"{page}.md", path.rpartition(".")[2], path, path)
        beside.append(f"| [`{path}`]({page}.md) | {what} |\n")
        pages.append(f"{page}.md")
    index = (
        "# Python\n\nWhat `from stars_infer import …` gives, made of the code's own docstrings.\n\n"
        "| name | is |\n| --- | --- |\n"
        + "".join(rows)
        + "\nModules of their own:\n\n| name | is |\n| --- | --- |\n"
        + "".join(beside)
    )
    (folder / "index.md").write_text(index, encoding="utf-8")
    return pages


def _write(path: Path, title: str, where: str, imported: str) -> None:
    module, _, name = imported.rpartition(".")
    line = f"from {module} import {name}" if name != "errors" else "from stars_infer import errors"
    path.write_text(f"# {title}\n\n```python\n{line}\n```\n\n::: {where}\n", encoding="utf-8")
