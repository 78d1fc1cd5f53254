"""The report of an index: what its own examples tell of its accuracy."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from stars_infer.classification.unknown_share import EXPECTED_UNKNOWN
from stars_infer.encoder.model import ModelInfo
from stars_infer.errors import UsageError
from stars_infer.evaluation.intervals import accept_curve, wilson
from stars_infer.evaluation.leave_one_out import LeaveOneOut, leave_one_out
from stars_infer.evaluation.open_set import auroc
from stars_infer.reporting import accuracy_charts
from stars_infer.reporting.charts import Line, Share, map_chart, share_chart
from stars_infer.reporting.hardest import HARDEST, Held, ReadClip, hardest_clips
from stars_infer.reporting.page import Report, Section, html_table
from stars_infer.reporting.plane import places_of
from stars_infer.reporting.words import confused_words, in_percent, share_words

MOST_EXAMPLES = 1000
"""Of more examples, as many are drawn at random: every one is compared with every other."""
_BINS = 10


def index_report(
    held: Sequence[Held],
    model: ModelInfo,
    *,
    name: str,
    advice: Sequence[str] = (),
    read: ReadClip | None = None,
    hardest: int = HARDEST,
    progress: Callable[[], None] | None = None,
) -> Report:
    """Measure an index by its own examples.

    Args:
        held: The examples and their features, from `ExemplarIndex.features`.
        model: The model of the index.
        name: What the index is called.
        advice: What to do about findings, in words.
        read: Reads the clip of an example; gives None where it is not there any more.
        hardest: How many hard examples are shown as players.
        progress: Called after each example that was compared.

    Raises:
        UsageError: If the index is empty.
    """
    if not held:
        raise UsageError(f"{name}: it holds no example, so that there is nothing to report")
    kept = _sample(held)
    labels = [one.label for one, _ in kept]
    facts = [
        ("examples", f"{len(held):,}"),
        ("actions", f"{len({one.label for one, _ in held}):,}"),
        ("model", model.name),
    ]
    try:
        found = leave_one_out(
            [features for _, features in kept],
            labels,
            how=model.comparison,
            prior=model.calibration.ridge,
            progress=progress,
        )
    except UsageError as error:
        section = Section(title="Accuracy", lead=f"It cannot be told yet: {error}.")
        return Report(title=f"Report of {name}", facts=facts, advice=advice, sections=[section])
    hits, asked = int(found.right.sum()), int(found.asked.sum())
    facts[:0] = [("named rightly, without themselves", share_words(hits, asked))]
    drawn = ""
    if len(kept) < len(held):
        drawn = f" Of {len(held):,} examples, {len(kept):,} were drawn at random for this report."
    pairs, section = hardest_clips(kept, found, model.comparison, read, hardest)
    return Report(
        title=f"Report of {name}",
        facts=facts,
        advice=[*confused_words(found.confusion(), found.labels), *advice],
        sections=[
            _accuracy(found, drawn),
            _confusion(found),
            _reliability(found),
            _open_set(found),
            _map(found),
            section,
        ],
        pairs=pairs,
    )


def _sample(held: Sequence[Held]) -> list[Held]:
    if len(held) <= MOST_EXAMPLES:
        return list(held)
    drawn = np.random.default_rng(0).choice(len(held), MOST_EXAMPLES, replace=False)
    return [held[int(at)] for at in np.sort(drawn)]


def _accuracy(found: LeaveOneOut, drawn: str) -> Section:
    table = found.confusion()
    shares = []
    for number in accuracy_charts.shown_actions(table).tolist():
        count, hits = int(table[number].sum()), int(table[number, number])
        low, high = wilson(hits, count)
        shares.append(
            Share(
                name=found.labels[number],
                share=hits / count if count else 0.0,
                low=low,
                high=high,
                said=f"{hits} of {count}" if count else "alone",
            )
        )
    shares.sort(key=lambda one: one.share)
    alone = int((~found.asked).sum())
    lead = (
        "Each example was named by all others, as if it were not there (leave-one-out). Lines are "
        "intervals of 95 %, by Wilson's formula. The people who made the examples are on both "
        "sides: expect less of new people, which only clips of new people can tell "
        "(stars fewshot eval)." + drawn + accuracy_charts.left_out(table)
    )
    if alone:
        lead += f" {alone} example(s) are alone in their action and could not be asked."
    said = ", ".join(f"{one.name} {one.said}" for one in shares[:12])
    chart = share_chart(shares, title="Share of each action's examples named rightly", said=said)
    return Section(title="Accuracy by action", lead=lead, body=chart)


def _confusion(found: LeaveOneOut) -> Section:
    table = found.confusion()
    wrong = int(table.sum() - np.trace(table))
    nothing = "No example is named as another action"
    chart = accuracy_charts.confusion(table, found.labels, nothing=nothing)
    lead = (
        "Rows are the actions, columns what their examples were named; the darker, the larger the "
        f"share of the row. {wrong} of {int(table.sum())} lie beside the diagonal."
    ) + accuracy_charts.left_out(table)
    return Section(title="What is taken for what", lead=lead, body=chart)


def _reliability(found: LeaveOneOut) -> Section:
    """Confidence and accuracy of known and unknown clips, weighted as they are expected."""
    asked = found.asked
    there = np.isfinite(found.unknown_confidence)
    share = EXPECTED_UNKNOWN if there.any() else 0.0
    confidence = np.concatenate((found.confidence[asked], found.unknown_confidence[there]))
    right = np.concatenate((found.right[asked], np.zeros(int(there.sum()), np.bool_)))
    weights = np.concatenate(
        (
            np.full(int(asked.sum()), (1 - share) / max(1, asked.sum())),
            np.full(int(there.sum()), share / max(1, there.sum())),
        )
    )
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    total = np.bincount(bins, weights, _BINS)
    with np.errstate(invalid="ignore"):
        points = np.stack(
            (
                np.bincount(bins, weights * confidence, _BINS) / total,
                np.bincount(bins, weights * right, _BINS) / total,
            ),
            axis=1,
        )
    error = float(np.nansum(np.abs(points[:, 0] - points[:, 1]) * total))
    shown = [(float(x), float(y)) for x, y in points[total > 0]]
    said = ", ".join(f"{x:.0%} sure: {y:.0%} right" for x, y in shown)
    chart = accuracy_charts.reliability([Line(name="examples", points=shown)], said=said)
    with_unknown = (
        " Examples without their whole action stand for clips of unknown actions, a third of all "
        "that are asked."
        if share
        else ""
    )
    lead = (
        "Whether confidence keeps its word: of answers that are 80 % sure, 80 % should be right, "
        f"and points lie on the dotted line. The mean gap is {in_percent(error)}.{with_unknown} "
        "The curves were fitted to these examples, so that new clips may lie farther off."
    )
    return Section(title="Confidence", lead=lead, body=chart)


def _open_set(found: LeaveOneOut) -> Section:
    there = np.isfinite(found.unknown_rating)
    if not there.any():
        lead = (
            "From three actions on, an index can tell what it does not know: each action is left "
            "out in turn, and its examples are asked. There are too few yet."
        )
        return Section(title="Unknown actions", lead=lead)
    known, unknown = found.known_rating[found.asked], found.unknown_rating[there]
    curve = accept_curve(known, unknown)
    area = auroc(known, unknown)
    rows = [
        (in_percent(limit), in_percent(max((k for u, k in curve if u <= limit), default=0.0)))
        for limit in (0.01, 0.05, 0.1, 0.2)
    ]
    chart = accuracy_charts.unknown_actions(
        [Line(name="examples", points=curve, marks=False)],
        said=f"The area under the curve is {area:.3f}",
    )
    lead = (
        "Each action was left out in turn, so that its examples are clips of an unknown action. A "
        "known clip is rated above an unknown one in "
        f"{in_percent(area)} of all cases (AUROC). stars fewshot threshold chooses a place on the "
        "curve."
    )
    columns = ("unknown clips named, at most", "known clips named")
    return Section(title="Unknown actions", lead=lead, body=chart + html_table(columns, rows))


def _map(found: LeaveOneOut) -> Section:
    places, way = places_of(found.similarity)
    wrong = found.asked & ~found.right
    chart = map_chart(
        places,
        found.classes,
        found.labels,
        np.asarray(wrong),
        title="Map of the examples",
        said=f"{len(places)} examples of {len(found.labels)} actions; {int(wrong.sum())} are "
        "named wrongly",
    )
    lead = (
        "Examples that the model finds similar lie together. Rings mark those that are named "
        f"wrongly without themselves. Made by {way} of the similarity that names clips; distances "
        "between groups mean little."
    )
    return Section(title="Map", lead=lead, body=chart)
