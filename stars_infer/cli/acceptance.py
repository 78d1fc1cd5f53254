"""`stars fewshot info` and `threshold`: what the index holds, and how sure it must be to name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from stars_infer.cli.expectation import expected_in_words, expected_record
from stars_infer.cli.options import (
    DEFAULT_INDEX,
    IndexOption,
    ModelOption,
    existing_index,
    make_ready,
)
from stars_infer.cli.output import JsonFlag, Output, QuietFlag, count_in_words
from stars_infer.errors import check_range

if TYPE_CHECKING:
    from stars_infer.classification.calibration import Calibration


def info(
    index: IndexOption = DEFAULT_INDEX,
    model: ModelOption = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Show what the index holds, which model made it, and what it calls unknown."""
    output = Output(json=json, quiet=quiet)
    with existing_index(index, model) as opened:
        encoded, counts, limit = opened.model, opened.counts(), opened.options().false_accept_rate
        share = opened.unknown_share()
        calibration = opened.calibration() if counts else None
        mirroring = opened.mirroring() if counts else None
    value = None if calibration is None else calibration.threshold(limit, share.expected)
    if json:
        output.record(
            {
                "index": str(index),
                "model": encoded.name,
                "fingerprint": encoded.fingerprint,
                "exemplars": sum(counts.values()),
                "classes": counts,
                "false_accept": limit,
                "threshold": value,
                "mirror_weight": None if mirroring is None else mirroring.weight,
                "mirror_reason": None if mirroring is None else mirroring.reason,
                **_acceptance(calibration, value, share.expected),
                **expected_record(share),
            }
        )
        return
    size = f"{index.stat().st_size / 1024:,.0f} KiB" if index.exists() else "shared"
    output.note(
        f"{index}: {count_in_words(sum(counts.values()), 'example')} of "
        f"{count_in_words(len(counts), 'action')}, {size}, "
        f"model {encoded.name} ({encoded.fingerprint[:12]})"
    )
    output.table(("action", "examples"), list(counts.items()))
    if calibration is not None and value is not None:
        output.note(_threshold_in_words(limit, calibration, value, share.expected))
        note_unmeasurable(limit, calibration, output)
        note_few(len(counts), output)
    output.note(expected_in_words(share))
    if mirroring is not None:
        output.note(mirroring.in_words())


def threshold(
    false_accept: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=100,
            help="Name at most so many per cent of clips of unknown actions.",
            show_default="name what is more likely known than not",
        ),
    ] = None,
    index: IndexOption = DEFAULT_INDEX,
    model: ModelOption = None,
    json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Set how sure it must be to name a clip; without options, restore the default."""
    output = Output(json=json, quiet=quiet)
    check_range("--false-accept", false_accept, above=0, below=100)
    with existing_index(index, model) as opened:
        opened.set_false_accept_rate(None if false_accept is None else false_accept / 100)
        make_ready(opened, output)
        limit, calibration = opened.options().false_accept_rate, opened.calibration()
        share, actions = opened.unknown_share().expected, len(opened.labels)
    value = calibration.threshold(limit, share)
    if json:
        output.record(
            {
                "false_accept": limit,
                "threshold": value,
                **_acceptance(calibration, value, share),
            }
        )
    elif quiet:
        output.table(("threshold",), [(f"{value:.4f}",)])
    output.note(_threshold_in_words(limit, calibration, value, share))
    note_unmeasurable(limit, calibration, output)
    note_few(actions, output)


def note_few(actions: int, output: Output) -> None:
    """Say what an index cannot tell that holds too few actions to simulate unknown clips."""
    from stars_infer.classification.leave_out import FEWEST_CLASSES

    if 0 < actions < FEWEST_CLASSES:
        names = "its name" if actions == 1 else "one of their names"
        output.note(
            f"the index holds {count_in_words(actions, 'action')}: clips of anything else may get "
            f"{names}, since so few cannot show what an unknown clip looks like; add others, at "
            f"least {FEWEST_CLASSES} in all"
        )


def note_unmeasurable(limit: float | None, calibration: Calibration, output: Output) -> None:
    """Say what can be promised instead of a limit that is finer than the actions can measure."""
    finest = calibration.finest
    if limit is not None and finest is not None and limit < finest:
        output.note(
            f"{limit:.1%} cannot be promised with {calibration.classes} actions: at best "
            f"{finest:.0%}, since the next action may well resemble one of them more than they "
            "resemble each other; beyond that the model's experience with other data decides"
        )


def _acceptance(
    calibration: Calibration | None, threshold: float | None, share: float
) -> dict[str, float | None]:
    """What a threshold lets pass, of the exemplars themselves, and the finest limit."""
    if calibration is None or threshold is None:
        return {"unknown_named": None, "known_named": None, "finest_false_accept": None}
    false_accept, known = calibration.acceptance_rates(threshold, share)
    return {
        "unknown_named": false_accept,
        "known_named": known,
        "finest_false_accept": calibration.finest,
    }


def _threshold_in_words(
    limit: float | None, calibration: Calibration, threshold: float, share: float
) -> str:
    false_accept, known = calibration.acceptance_rates(threshold, share)
    rule = (
        "more likely known than not" if limit is None else f"at most {limit:.0%} of unknown clips"
    )
    measured = (
        "too few classes to measure what that lets pass"
        if false_accept is None
        else f"tested on your own examples: {false_accept:.0%} get a wrong name if their action is "
        "removed" + ("" if known is None else f", {known:.0%} are named if it is kept")
    )
    return f"named: {rule} (chance of being known above {threshold:.2f}); {measured}"
