"""Put an inspection into words: the lines and rows that the terminal and the web page share."""

from __future__ import annotations

from stars_infer.clips.anatomy import Limb
from stars_infer.inspection.inspect import FASTEST, BodyInspection, Inspection, Span
from stars_infer.layouts import list_joints

_MOST_SPANS = 4
"""Number of spans that a line shows, before it says how many more there are."""


def clip_line(found: Inspection) -> str:
    """Describe layout, duration and bodies of a clip."""
    bodies = f"{len(found.bodies)} bod{'y' if len(found.bodies) == 1 else 'ies'}"
    return (
        f"{found.layout}, {found.joints} joints; {found.frames:,} frames, {found.seconds:.1f} s "
        f"at {found.fps:g} fps; {bodies}"
    )


def clip_notes(found: Inspection) -> list[str]:
    """Say when nobody is seen, and what was filled in or seems odd."""
    gaps = [f"nobody is seen {_spans(found.gaps)}"] if found.gaps else []
    return [*gaps, *found.notes]


def seen_line(body: BodyInspection) -> str:
    """Say which body it is, and when it is seen."""
    role = body.role if body.actor else f"{body.role}, not compared"
    return f"body {body.number}, {role}: seen {_spans(body.seen)} ({100 * body.share:.0f} %)"


def body_lines(body: BodyInspection) -> list[str]:
    """Say where a body stands, faces and goes, and which of its joints look wrong."""
    x, y, z = body.way.center
    way = body.way
    lines = [
        f"stands along {body.up}{_facing(body)}",
        f"center at ({x:.2f}, {y:.2f}, {z:.2f}) m; goes {way.length:.2f} m, at most "
        f"{way.reach:.2f} m away",
    ]
    if body.repeated:
        lines.append(f"{_percent(body.repeated)} of its frames repeat the frame before")
    still = [trouble.joint for trouble in body.troubles if trouble.still]
    jumps = [(t.joint, t.jumps) for t in body.troubles if t.jumps]
    origin = [(t.joint, t.at_origin) for t in body.troubles if t.at_origin]
    if still:
        lines.append(f"never move: {list_joints(still)}")
    if jumps:
        lines.append(f"jump faster than {FASTEST:g} m/s, share of steps: {_shares(jumps)}")
    if origin:
        lines.append(f"at exactly (0, 0, 0), share of frames: {_shares(origin)}")
    return lines


def problems(body: BodyInspection) -> list[str]:
    """List in short all that looks wrong with a body: findings, limbs, jumping joints."""
    limbs = [] if body.unit else [limb for limb in body.limbs if limb.verdict != "ok"]
    jumping = [trouble.joint for trouble in body.troubles if trouble.jumps]
    return [
        *body.findings,
        *(f"{limb.name} {limb.verdict}" for limb in limbs),
        *([f"jumps of {list_joints(jumping)}"] if jumping else []),
    ]


def limb_rows(body: BodyInspection) -> list[tuple[str, str, str, str, str]]:
    """Make a table row for each kind of limb: kind, left, right, a person's, verdict.

    Lengths are in centimeters; that of a limb without sides is on the left. The variation over the
    clip follows ±, and ≈ marks lengths that are estimated.
    """
    kinds: dict[str, list[Limb]] = {}
    for limb in body.limbs:
        kinds.setdefault(limb.kind, []).append(limb)
    rows = []
    for kind, limbs in kinds.items():
        cells = [_length_cell(limb) for limb in limbs] + [""] * (2 - len(limbs))
        least, most = limbs[0].plausible
        verdicts = [limb.verdict for limb in limbs]
        rows.append((kind, cells[0], cells[1], f"{least:.0f}–{most:.0f}", _verdict(verdicts)))
    return rows


def _length_cell(limb: Limb) -> str:
    digits = 1 if limb.centimeters < 1000 else 0
    about = "≈" if limb.estimated else ""
    return f"{about}{limb.centimeters:,.{digits}f} ±{limb.variation:3.0f} %"


def _verdict(verdicts: list[str]) -> str:
    if len(set(verdicts)) == 1:
        return verdicts[0]
    sides = zip(("left", "right"), verdicts, strict=True)
    return ", ".join(f"{side} {verdict}" for side, verdict in sides if verdict != "ok")


def _facing(body: BodyInspection) -> str:
    if body.facing is None or body.turning is None:
        return ""
    quarter = round(body.facing / 90) % 4
    towards = (
        "towards the camera (-z)", "to the camera's left (+x)", "away from the camera (+z)",
        "to the camera's right (-x)",
    )[quarter]  # fmt: skip
    return f", faces {towards} at {body.facing:+.0f}°, turns within {body.turning:.0f}°"


def _spans(spans: tuple[Span, ...]) -> str:
    shown = ", ".join(f"{span.start:.1f}–{span.end:.1f} s" for span in spans[:_MOST_SPANS])
    more = len(spans) - _MOST_SPANS
    return f"{shown} and {more} times more" if more > 0 else shown


def _shares(joints: list[tuple[str, float]]) -> str:
    worst = sorted(joints, key=lambda joint: -joint[1])
    return list_joints([f"{name} {_percent(share)}" for name, share in worst])


def _percent(share: float) -> str:
    percent = 100 * share
    return f"{percent:.1f} %" if percent < 10 else f"{percent:.0f} %"
