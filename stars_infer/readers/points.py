"""Labeled points, as optical motion capture gives them: joints, or markers on the skin.

If the labels are the names of a layout's joints, the points are these joints. Else joints are
computed from markers by `marker_rules`, in the layout `kinect20`. Hips lie inside the pelvis, by
the regression of Bell, Brand and Pedersen (Human Movement Science 8:3, 1989) from the distance of
the two front markers: 36 % to the side, 30 % down, 22 % back from their middle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import BoolArray, FloatArray
from stars_infer.clips.convention import Convention
from stars_infer.clips.zeros import at_origin, presence_of
from stars_infer.errors import ClipError, NobodyError
from stars_infer.layouts import get_layout, list_joints, match_names
from stars_infer.readers.marker_rules import ASIS, LIMBS, PSIS, TRUNK, Rules
from stars_infer.readers.recording import MOST_BODIES, Recording

LAYOUT = "kinect20"
_NEEDED = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
_ASIDE, _DOWN, _BACK = 0.36, 0.30, 0.22
"""Shares of the width of the pelvis, from the middle of its front markers to a hip."""
_SIDES = {"left": ("l", -1.0), "right": ("r", 1.0)}


def recording_of_points(
    labels: Sequence[str],
    points: FloatArray,
    *,
    source: str,
    stated: Convention,
    default: Convention,
    notes: tuple[str, ...] = (),
) -> Recording:
    """Make a recording of labeled points.

    Args:
        labels: Names (P,); of several people, each with the person's name before a colon.
            A beginning that all share, such as `Anna_`, is left out.
        points: Positions (T, P, 3), NaN or zeros where a point is not seen.
        source: Name of the file for messages.
        stated: What the file says of units, axes and frame rate.
        default: What is usual in its format.
        notes: Remarks of the reader.

    Raises:
        ClipError: If the labels are neither joints of a layout nor markers that give the joints of
            a body; the message says which joints have no marker.
    """
    points[at_origin(points)] = np.nan
    seen: BoolArray = np.asarray(np.isfinite(points).all(axis=2).any(axis=0))
    if not seen.any():
        raise NobodyError(source, "no point is seen in any frame: record it again")
    groups = _people(labels)
    if len(groups) > MOST_BODIES:
        raise ClipError(source, f"points of {len(groups)} people, more than {MOST_BODIES}")
    names = tuple(groups[0])
    alike = all(tuple(group) == names for group in groups[1:])
    if alike and match_names(names) is not None:
        tracks = np.stack([points[:, list(group.values())] for group in groups])
        known = Convention(layout=None)
    else:
        doubled = points.astype(np.float64)
        made = [_Markers(group, doubled, seen) for group in groups]
        whole = [markers for markers in made if not markers.lacking] or made[:1]
        lacking = whole[0].lacking
        if lacking:
            raise ClipError(
                source, f"the labels {list_joints(labels)} are neither joints of a known "
                f"layout nor markers that give {list_joints(lacking)}: name the points after "
                "joints, or describe them in a TOML file (docs/layouts.md)"
            )  # fmt: skip
        tracks = np.stack([markers.joints for markers in whole])
        notes = (*notes, whole[0].in_words())
        names = get_layout(LAYOUT).joints
        known = Convention(layout=LAYOUT)
        if len(whole) == 1:  # a layout of one's own may name the markers themselves
            raw = {name: at for name, at in groups[0].items() if name not in names}
            tracks = np.concatenate([tracks, points[None, :, list(raw.values())]], axis=2)
            names = (*names, *raw)
    return Recording(
        joints=np.ascontiguousarray(tracks, np.float32),
        presence=presence_of(tracks),
        source=source,
        joint_names=names,
        stated=stated.over(known),
        default=default,
        notes=notes,
    )


def _people(labels: Sequence[str]) -> list[dict[str, int]]:
    """For each person, the columns of the points by their bare labels; the first of two counts."""
    groups: dict[str, dict[str, int]] = {}
    for column, label in enumerate(labels):
        person, _, bare = label.strip().rpartition(":")
        if bare and not bare.startswith("*"):
            groups.setdefault(person, {}).setdefault(bare, column)
    largest = max(map(len, groups.values()), default=0)
    for person, group in groups.items():
        shared = _shared_beginning(list(group))
        groups[person] = {name[len(shared) :]: at for name, at in group.items()}
    return [group for group in groups.values() if len(group) > largest // 2] or [{}]


def _shared_beginning(names: Sequence[str]) -> str:
    """The longest beginning up to a `_` that several names share."""
    first = names[0]
    begins = [first[: at + 1] for at, letter in enumerate(first) if letter == "_"]
    shared = [one for one in begins if all(name.startswith(one) for name in names)]
    return shared[-1] if shared and len(names) > 1 else ""


class _Markers:
    """Computes the joints of one person from markers.

    Attributes:
        joints: (T, 20, 3), those of `kinect20`; NaN where a joint has no marker.
        lacking: Joints that are needed and have no marker.
    """

    def __init__(
        self, columns: Mapping[str, int], points: NDArray[np.float64], seen: BoolArray
    ) -> None:
        self.points = points
        self.columns = {_fold(name): at for name, at in columns.items() if seen[at]}
        self.used: set[int] = set()
        self.regressed = False
        found = {joint: self.mean(rules) for joint, rules in TRUNK.items()}
        for side, (letter, _) in _SIDES.items():
            for joint, rules in LIMBS.items():
                found[f"{side} {joint}"] = self.mean(rules, letter)
        self.place_hips(found)
        for middle, joint in (("hip center", "hip"), ("shoulder center", "shoulder")):
            if found[middle] is None:
                found[middle] = _middle(found[f"left {joint}"], found[f"right {joint}"])
        if found["spine"] is None:
            found["spine"] = _middle(found["hip center"], found["shoulder center"])
        self.lacking = [
            f"{side} {joint}" for joint in _NEEDED for side in _SIDES
            if found[f"{side} {joint}"] is None
        ]  # fmt: skip
        names = get_layout(LAYOUT).joints
        nowhere = np.full((len(points), 3), np.nan)
        made = [nowhere if found[name] is None else found[name] for name in names]
        self.joints = np.stack(made, axis=1).astype(np.float32)  # type: ignore[arg-type]

    def mean(self, rules: Rules, letter: str = "") -> NDArray[np.float64] | None:
        """The mean (T, 3) of the first markers that are there; None if there are none."""
        for rule in rules:
            columns = [self.columns.get(name.format(s=letter), -1) for name in rule]
            if min(columns) >= 0:
                self.used.update(columns)
                return np.asarray(self.points[:, columns].mean(axis=1))
        return None

    def place_hips(self, found: dict[str, NDArray[np.float64] | None]) -> None:
        """Add the hips by regression, if markers of the pelvis are there and none of the hips."""
        if found["left hip"] is not None and found["right hip"] is not None:
            return
        left, right = self.mean(ASIS, "l"), self.mean(ASIS, "r")
        back = self.mean(PSIS)
        if left is None or right is None or back is None:
            return
        front, across = (left + right) / 2, right - left
        width = np.linalg.norm(across, axis=1, keepdims=True)
        aside = across / width
        ahead = front - back
        ahead -= (ahead * aside).sum(axis=1, keepdims=True) * aside
        ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
        up = np.cross(aside, ahead)
        for side, (_, sign) in _SIDES.items():
            share = sign * _ASIDE * aside - _DOWN * up - _BACK * ahead
            found[f"{side} hip"] = front + width * share
        self.regressed = True

    def in_words(self) -> str:
        """What was done, as a note."""
        hips = "; hips within the pelvis (Bell et al. 1989)" if self.regressed else ""
        number = len(self.used)
        return f"joints from {number} markers, each the middle of those around it{hips}"


def _middle(
    one: NDArray[np.float64] | None, two: NDArray[np.float64] | None
) -> NDArray[np.float64] | None:
    return None if one is None or two is None else (one + two) / 2


def _fold(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())
