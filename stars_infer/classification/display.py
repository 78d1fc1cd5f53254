"""Predictions as tables, as HTML for notebooks, and as figures.

These functions take predictions as `Prediction.to_dict` gives them.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from html import escape
from importlib.util import find_spec
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from stars_infer.errors import MissingExtraError
from stars_infer.inspection.style import HATCHES, OTHER, PALE, RIGHT_ANSWER, UNKNOWN, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = Mapping[str, Any]

DATAFRAMES = ("polars", "pandas")
"""Packages that make tables, the preferred one first."""
_COLUMNS = (
    "source", "answer", "confidence", "label", "known", "chance_known", "second", "similarity",
    "margin", "nearest", "nearest_source", "nearest_similarity", "bodies", "frames", "notes",
)  # fmt: skip
_LONGEST = 26
"""Letters of a name in a figure; of a longer one the end is shown."""


def dataframe_of(predictions: Sequence[Row]) -> Any:
    """A table of predictions; see `Predictions.to_dataframe`.

    Raises:
        MissingExtraError: If no package that makes tables is installed.
    """
    rows = [_row(prediction) for prediction in predictions]
    columns = {name: [row[name] for row in rows] for name in _COLUMNS}
    ready = [name for name in DATAFRAMES if name in sys.modules]
    for name in (*ready, *DATAFRAMES):
        if name in sys.modules or find_spec(name) is not None:
            return importlib.import_module(name).DataFrame(columns)
    raise MissingExtraError("to_dataframe", None, " or ".join(DATAFRAMES))


def _row(prediction: Row) -> Row:
    nearest: Row = next(iter(prediction["neighbors"]), {})
    return {
        **prediction,
        "nearest": nearest.get("label"),
        "nearest_source": nearest.get("source"),
        "nearest_similarity": nearest.get("similarity"),
        "notes": "; ".join(prediction["notes"]),
    }


def html_of(predictions: Sequence[Row]) -> str:
    """A small table for notebooks; of an unknown clip, it shows the chance that it is unknown."""
    head = "".join(f"<th>{name}</th>" for name in ("clip", "action", "confidence", "nearest"))
    rows = "".join(_html_row(prediction) for prediction in predictions)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _html_row(prediction: Row) -> str:
    near = ", ".join(f"{n['label']} {n['similarity']:.2f}" for n in prediction["neighbors"][:3])
    notes = "".join(f"<br><small>{escape(note)}</small>" for note in prediction["notes"])
    answer, chance = f"<b>{escape(prediction['answer'])}</b>", prediction["confidence"]
    if not prediction["known"]:
        chance = 1 - prediction["chance_known"]
        answer = f"<i>{escape(prediction['answer'])}</i>, or {escape(prediction['label'])}"
    cells = (
        escape(prediction["source"]) + notes,
        answer,
        f"{chance:.2f}",
        escape(near),
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def figure_of(prediction: Row, title: str) -> Figure:
    """A figure of a prediction; see `Prediction.plot`.

    Raises:
        MissingExtraError: If Matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise MissingExtraError("Prediction.plot", "plots", "matplotlib")
    return _draw(prediction, title)


@styled()
def _draw(prediction: Row, title: str) -> Figure:
    from matplotlib.figure import Figure

    near, label = prediction["neighbors"], prediction["label"]
    answers = [(one["label"], one["chance"]) for one in prediction["likeliest"]]
    answers = answers or [(label, prediction["confidence"])]
    others = prediction["chance_known"] - sum(chance for _, chance in answers)
    bars = [(name, chance, RIGHT_ANSWER if name == label else OTHER) for name, chance in answers]
    if others > 0.005:
        bars.append(("other known actions", others, OTHER))
    bars.append(("unknown action", 1 - prediction["chance_known"], UNKNOWN))
    sizes = len(bars), max(1, len(near))
    figure = Figure(figsize=(7.2, 1.9 + 0.34 * sum(sizes)), layout="constrained")
    chances, neighbors = figure.subplots(2, 1, height_ratios=sizes, sharex=True)
    named = f": {_short(prediction['source'])}" if prediction["source"] else ""
    figure.suptitle(f"{title}{named}", fontsize=12, fontweight="bold", parse_math=False)
    _bars(chances, "Likeliest actions", bars)
    _bars(
        neighbors,
        "Similarity of the nearest examples",
        [
            (
                f"{n['label']}  {_short(n['source'])}",
                n["similarity"],
                RIGHT_ANSWER if n["label"] == label else PALE,
            )
            for n in near
        ],
    )
    return figure


def _bars(axes: Axes, title: str, bars: Sequence[tuple[str, float, str]]) -> None:
    """Horizontal bars from 0 to 1, the first at the top, each with its value."""
    axes.set_title(title, loc="left", fontsize=10)
    places = range(len(bars))
    axes.barh(
        places,
        [value for _, value, _ in bars],
        color=[color for *_, color in bars],
        hatch=[HATCHES[color] for *_, color in bars],
    )
    axes.set_yticks(places, [name for name, _, _ in bars], parse_math=False)
    for place, (_, value, _) in zip(places, bars, strict=True):
        axes.text(max(value, 0) + 0.01, place, f"{value:.2f}", va="center", fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.1)
    axes.set_xticks([])
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(left=False)


def _short(source: str) -> str:
    """The last parts of a path that fit in a figure."""
    name = str(PurePath(*PurePath(source).parts[-2:])) if source else ""
    return name if len(name) <= _LONGEST else "…" + name[1 - _LONGEST :]
