"""The report of an evaluation: of what `stars fewshot eval --json` printed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from stars_infer.errors import UsageError
from stars_infer.reporting import accuracy_charts
from stars_infer.reporting.charts import Line, Share, share_chart
from stars_infer.reporting.page import Report, Section, html_table
from stars_infer.reporting.words import confused_words

_OPEN = ("auroc", "fpr_at_95", "unknown_named", "known_named", "right_of_named")
_COLUMNS = ("shots", "AUROC", "FPR@95", "unknown named %", "known named %", "right of named %")


def read_records(text: str, source: str) -> list[dict[str, Any]]:
    """Read JSON lines of an evaluation.

    Raises:
        UsageError: If these are none.
    """
    records = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UsageError(
                f"{source}: line {number} is no JSON: give the file of `stars fewshot eval --json`"
            ) from error
        if not isinstance(record, dict) or "shots" not in record:
            raise UsageError(
                f"{source}: line {number} is no evaluation: give the file of "
                "`stars fewshot eval --json`"
            )
        records.append(record)
    if not records:
        raise UsageError(f"{source}: it is empty: give the file of `stars fewshot eval --json`")
    return records


def evaluation_report(records: Sequence[dict[str, Any]], *, name: str) -> Report:
    """Put an evaluation on a page.

    Args:
        records: From `read_records`.
        name: What the evaluation is called.

    Raises:
        UsageError: If values are missing or are none.
    """
    try:
        if isinstance(records[0]["shots"], dict):
            return _closed(records[0], name)
        return _open(records, name)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise UsageError(
            f"{name}: not as `stars fewshot eval --json` writes it ({error}): run it again"
        ) from error


def _closed(record: dict[str, Any], name: str) -> Report:
    shots = {int(n): values for n, values in record["shots"].items()}
    rows, shares = [], []
    for n, values in sorted(shots.items()):
        mean = float(values["mean"])
        low, high = (float(values.get(end, mean)) for end in ("low", "high"))
        told = f"{mean:.1f} %"
        within = f"{low:.1f} to {high:.1f}" if "low" in values else "–"
        rows.append((str(n), told, within, f"{float(values['std']):.1f}"))
        shares.append(
            Share(name=_shots(n), share=mean / 100, low=low / 100, high=high / 100, said=told)
        )
    most = max(shots)
    facts = [
        (f"named rightly by {_shots(most)}", f"{float(shots[most]['mean']):.1f} %"),
        ("actions", f"{int(record['classes']):,}"),
        ("clips named", f"{int(record['queries']):,}"),
        ("model", str(record["model"])),
    ]
    lead = (
        "Clips are named by a few examples of each action, drawn at random again and again. The "
        "interval of 95 % tells how far chance in the choice of clips moves the figure (bootstrap "
        "over clips); the deviation is that between draws of examples."
    )
    columns = ("examples of each action", "named rightly", "interval of 95 %", "deviation")
    said = ", ".join(f"{one.name}: {one.said}" for one in shares)
    chart = share_chart(shares, title="Accuracy by number of examples", said=said)
    sections = [Section(title="Accuracy", lead=lead, body=chart + html_table(columns, rows))]
    advice: list[str] = []
    confusion, labels = record.get("confusion", {}).get(str(most)), record.get("labels")
    if confusion is not None and labels is not None:
        section, advice = _confusion(np.array(confusion, np.intp), [str(x) for x in labels], most)
        sections.append(section)
    return Report(title=f"Evaluation {name}", facts=facts, advice=advice, sections=sections)


def _confusion(table: Any, labels: Sequence[str], shots: int) -> tuple[Section, list[str]]:
    if table.shape != (len(labels),) * 2:
        raise ValueError(f"a confusion matrix of {table.shape} for {len(labels)} actions")
    nothing = "no clip is named as another action"
    chart = accuracy_charts.confusion(table, labels, nothing=nothing)
    lead = (
        f"With {_shots(shots)}, over all draws. Rows are the actions, columns what their clips "
        "were named; the darker, the larger the share of the row." + accuracy_charts.left_out(table)
    )
    section = Section(title="What is taken for what", lead=lead, body=chart)
    return section, confused_words(table, labels)


def _open(records: Sequence[dict[str, Any]], name: str) -> Report:
    records = sorted(records, key=lambda one: int(one["shots"]))
    last = records[-1]
    shots = int(last["shots"])
    facts = [
        (f"AUROC, {_shots(shots)}", f"{float(last['auroc']):.1f} %"),
        ("known clips named", f"{float(last['known_named']):.1f} %"),
        ("unknown clips named", f"{float(last['unknown_named']):.1f} %"),
        ("model", str(last["model"])),
    ]
    rows = [
        (str(int(one["shots"])), *(f"{float(one[key]):.1f}" for key in _OPEN)) for one in records
    ]
    lead = (
        "Some actions are kept out of the index, and their clips are unknown. AUROC is the chance "
        "that a known clip is rated above an unknown one; FPR@95 is the share of unknown clips "
        "that are named where 95 % of the known ones are."
    )
    curves = [
        Line(
            name=_shots(int(one["shots"])),
            points=[(float(x), float(y)) for x, y in one["curve"]],
            marks=False,
        )
        for one in records
        if one.get("curve")
    ]
    body = html_table(_COLUMNS, rows)
    if curves:
        said = ", ".join(f"{_shots(int(r['shots']))}: AUROC {r['auroc']} %" for r in records)
        body += accuracy_charts.unknown_actions(curves, said=said)
    sections = [Section(title="Unknown actions", lead=lead, body=body)]
    if any(one.get("reliability") for one in records):
        sections.append(_reliability(records))
    return Report(title=f"Evaluation {name}", facts=facts, sections=sections)


def _reliability(records: Sequence[dict[str, Any]]) -> Section:
    lines = []
    for one in records:
        curve = one.get("reliability") or {}
        points = [
            (float(x), float(y))
            for x, y, count in zip(
                curve.get("confidence", ()),
                curve.get("right", ()),
                curve.get("count", ()),
                strict=True,
            )
            if count
        ]
        lines.append(Line(name=_shots(int(one["shots"])), points=points))
    said = "; ".join(
        f"{line.name}: " + ", ".join(f"{x:.0%} sure, {y:.0%} right" for x, y in line.points)
        for line in lines
    )
    chart = accuracy_charts.reliability(lines, said=said)
    lead = (
        "Whether confidence keeps its word: of answers that are 80 % sure, 80 % should be right, "
        "and points lie on the dotted line. Unknown clips are among them, whose answers are wrong."
    )
    return Section(title="Confidence", lead=lead, body=chart)


def _shots(number: int) -> str:
    return "1 example" if number == 1 else f"{number} examples"
