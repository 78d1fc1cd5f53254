"""What the columns of a table hold, by their names.

Positions are `hip_x`, `hip.x`, `x_hip`, `HipX`, `Hip Position X (mm)`, or numbered `x0`; a
confidence is `hip_likelihood` or any other word of `confidence`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from stars_infer.errors import ClipError
from stars_infer.readers.confidence import WORDS, rank
from stars_infer.readers.recording import MOST_JOINTS
from stars_infer.readers.timing import unit_in

FRAME = ("frame", "frame_id", "frame_number", "frame_no", "frame_idx", "frame_index", "frame_num",
         "framenumber", "frameid", "frames", "fnum")  # fmt: skip
BODY = ("body", "person", "person_id", "body_id", "bodyid", "subject", "subject_id", "track_id",
        "tracking_id", "trackingid", "user_id", "userid", "skeleton_id", "individual",
        "individuals", "person_index", "body_index")  # fmt: skip
JOINT = ("joint", "joint_name", "jointname", "joint_type", "jointtype", "joint_id", "jointid",
         "keypoint", "keypoint_name", "landmark", "landmark_name", "landmark_id",
         "landmark_index", "bodypart", "body_part", "bone", "segment", "marker")  # fmt: skip

_SURE = "|".join(sorted(WORDS, key=len, reverse=True))
_AFTER = re.compile(rf"(?P<joint>.+?)[ _.:-](?P<part>[xyz]|{_SURE})", re.IGNORECASE)
_GLUED = re.compile(r"(?P<joint>.*[a-z0-9])(?P<part>[XYZ])")
_BEFORE = re.compile(
    rf"(?P<part>[xyz]|{_SURE})(?:[ _.:-](?P<joint>.+)|(?P<number>\d+))", re.IGNORECASE
)
_POSITION = re.compile(r"[ _.:-]+(?:position|positions|pos|translation|location)$", re.IGNORECASE)
_UNIT = re.compile(r"[ _]*[\[(](?P<unit>\w+)[\])]$")
_LENGTHS = {
    word: unit
    for unit, words in {
        "m": ("m", "meter", "meters", "metre", "metres"),
        "cm": ("cm", "centimeter", "centimeters", "centimetre", "centimetres"),
        "mm": ("mm", "millimeter", "millimeters", "millimetre", "millimetres"),
        "in": ("in", "inch", "inches"),
    }.items()
    for word in words
}
_AXIS = re.compile(
    r"(?:(?:pos|position|camera|world|global)[ _.]?)?(?P<axis>[xyz])(?:[ _.](?:pos|position))?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class JointColumns:
    """The columns of joints in a wide table.

    Attributes:
        joints: For each joint, in the order of the table, the columns of `x`, `y` and `z`, and
            perhaps `c`, its confidence.
        left: Columns that hold nothing of a joint.
        flat: Joints of a table that has no column z for any, with their columns `x` and `y`.
        lacking: For joints that have only two of the columns, the one they lack.
    """

    joints: Mapping[str, Mapping[str, str]]
    left: Sequence[str]
    flat: Mapping[str, Mapping[str, str]]
    lacking: Mapping[str, str]


def plain(column: str) -> str:
    """Spell a column's name in lower case, with underscores and without its unit."""
    return re.sub(r"[\s-]+", "_", _UNIT.sub("", column.strip()).lower())


def column_named(columns: Iterable[str], names: Sequence[str]) -> str | None:
    """Find the first column with one of these names, in any case."""
    return next((column for column in columns if plain(column) in names), None)


def axis_columns(columns: Iterable[str]) -> dict[str, str] | None:
    """Find the columns x, y and z of a long table; None unless there is one of each."""
    found: dict[str, str] = {}
    for column in columns:
        if match := _AXIS.fullmatch(_UNIT.sub("", column.strip())):
            found.setdefault(match["axis"].lower(), column)
    return found if len(found) == 3 else None


def sure_column(columns: Iterable[str]) -> str | None:
    """Find the column of confidence in a long table."""
    ranked = [(at, column) for column in columns if (at := rank(plain(column))) is not None]
    return min(ranked, default=(0, None))[1]


def unit_of(word: str) -> str | None:
    """Read a unit of length as a convention spells it; None if a text is none."""
    return _LENGTHS.get(word.strip().lower())


def unit_of_columns(columns: Iterable[str]) -> str | None:
    """Read the unit of positions from the names of their columns, such as `hip_x (mm)`."""
    units = {
        unit_of(match["unit"])
        for column in columns
        if (match := _UNIT.search(column.strip())) and _part_of(column) is not None
    }
    return units.pop() if len(units) == 1 else None


def joint_columns(columns: Sequence[str], *, source: str) -> JointColumns:
    """Find the columns of each joint.

    Raises:
        ClipError: If two columns hold the same, or there are too many joints.
    """
    joints: dict[str, dict[str, str]] = {}
    sure: dict[str, list[tuple[int, str]]] = {}
    left = []
    for column in columns:
        if plain(column) in (*FRAME, *BODY) or unit_in(column) is not None:
            continue
        found = _part_of(column)
        if found is None:
            left.append(column)
            continue
        joint, part = found
        parts = joints.setdefault(joint, {})
        if part not in "xyz":
            sure.setdefault(joint, []).append((rank(part) or 0, column))
        elif parts.setdefault(part, column) != column:
            raise ClipError(source, f"columns {column!r} and {parts[part]!r} are the same")
    whole = {name: parts for name, parts in joints.items() if set("xyz") <= parts.keys()}
    lacking = {
        name: axis
        for name, parts in joints.items()
        for axis in "xyz"
        if len(parts) == 2 and axis not in parts
    }
    flat = {}
    if not whole and set(lacking.values()) == {"z"}:
        flat = {name: joints[name] for name in lacking}
        lacking = {}
    for name, parts in joints.items():
        ranked = sorted(sure.get(name, []))
        if name not in whole and name not in flat:
            left += [*parts.values(), *(column for _, column in ranked)]
        elif ranked:
            parts["c"] = ranked[0][1]
    if len(whole) > MOST_JOINTS:
        raise ClipError(source, f"{len(whole)} joints, more than the {MOST_JOINTS} of a body")
    return JointColumns(joints=whole, left=left, flat=flat, lacking=lacking)


def _part_of(column: str) -> tuple[str, str] | None:
    """Read the joint of a column, and which of its numbers it holds."""
    column = _UNIT.sub("", column.strip())
    match = _AFTER.fullmatch(column) or _BEFORE.fullmatch(column) or _GLUED.fullmatch(column)
    if match is None:
        return None
    groups = match.groupdict()
    joint = groups["joint"] or groups["number"]
    return _POSITION.sub("", joint), match["part"].lower()
