"""Results in the form of COCO's keypoints: an object a person in a picture, whatever tool wrote it.

`[{"image_id": "12.jpg", "keypoints": [x, y, score, ...], "score": 2.7, "idx": 1}, ...]` is what
AlphaPose and many estimators write, COCO's own files have such objects as `annotations`, and
OpenPifPaf `{"frame": 12, "predictions": [{"keypoints": [...]}]}` a picture. People of one picture
are one frame here; pictures in which nobody is seen are frames without a body.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from math import gcd
from typing import Any

from stars_infer.clips.clip import check_frame_count
from stars_infer.errors import ClipError

HEADER = {"layout": "coco17"}
"""What is known of such a file."""
_BODY = 17
_MORE = frozenset((26, 133, 136))
"""Numbers of keypoints of Halpe and COCO-WholeBody, which begin with those of the body."""
_POINTS, _PICTURES = "keypoints", ("image_id", "frame", "frame_id")
_IDENTITY = ("idx", "track_id", "tracking_id", "id_")
_PARTS = 3
_ENDING = re.compile(r"\.[a-zA-Z][a-zA-Z0-9]{0,4}$")


def frames_of(content: Any, source: str) -> list[Any] | None:
    """The frames of results, as bodies with `keypoints`, `keypoint_scores` and perhaps an `id`.

    Args:
        content: What a JSON file holds, or the values of its lines.
        source: Name of the file for messages.

    Returns:
        The frames in the order of the pictures; None if the content is of another form.

    Raises:
        ClipError: If pictures are not numbered, two have one number, or the numbers span too many
            frames.
    """
    people = list(_people(content))
    if not people or None in people:
        return None
    seen: dict[int, list[dict[str, Any]]] = {}
    pictures: dict[int, Any] = {}
    for picture, person in people:  # type: ignore[misc]
        number = _number(picture, source)
        if (other := pictures.setdefault(number, picture)) != picture:
            both = f"{str(other)[:40]!r} and {str(picture)[:40]!r}"
            raise ClipError(source, f"the pictures {both} are both number {number}: give each "
                            "recording a file of its own")  # fmt: skip
        seen.setdefault(number, []).append(person)
    numbers = sorted(seen)
    step = gcd(*(after - before for before, after in pairwise(numbers))) or 1
    count = (numbers[-1] - numbers[0]) // step + 1
    check_frame_count(count, source=source, recording=True)
    named = all(_are_apart(bodies) for bodies in seen.values())
    return [
        {"instances": [_body(person, named) for person in seen.get(numbers[0] + at * step, ())]}
        for at in range(count)
    ]


def _people(content: Any) -> Iterator[tuple[Any, dict[str, Any]] | None]:
    """The people of all pictures, each with the name of the picture; None for what is no person."""
    if isinstance(content, dict):
        content = content.get("annotations")
    if not isinstance(content, list):
        return
    for one in content:
        if not isinstance(one, dict):
            yield None
            return
        picture = next((one[key] for key in _PICTURES if key in one), None)
        inside = one.get("predictions", [one])
        if picture is None or not isinstance(inside, list):
            yield None
            return
        for person in inside:
            if not _is_person(person):
                yield None
                return
            yield picture, person


def _is_person(person: Any) -> bool:
    points = person.get(_POINTS) if isinstance(person, dict) else None
    return (
        isinstance(points, list)
        and len(points) >= _PARTS * 3
        and len(points) % _PARTS == 0
        and all(isinstance(value, int | float) for value in points)
    )


def _number(picture: Any, source: str) -> int:
    """The number of a picture: itself, or the last one in its name."""
    if isinstance(picture, int):
        return picture
    if isinstance(picture, float) and picture.is_integer():
        return int(picture)
    found = re.findall(r"\d{1,12}", _ENDING.sub("", str(picture)))
    if not found:
        raise ClipError(source, f"the picture {str(picture)[:40]!r} has no number, which gives the "
                        "order of the frames: number the pictures")  # fmt: skip
    return int(found[-1])


def _identity(person: Mapping[str, Any]) -> str | None:
    value = next((person[key] for key in _IDENTITY if key in person), None)
    value = value[0] if isinstance(value, list) and len(value) == 1 else value
    return str(value)[:64] if isinstance(value, int | float | str) else None


def _are_apart(people: list[dict[str, Any]]) -> bool:
    """Whether the people of a picture are told apart."""
    names = [_identity(person) for person in people]
    return None not in names and len(set(names)) == len(names)


def _body(person: Mapping[str, Any], named: bool) -> dict[str, Any]:
    values = person[_POINTS]
    points = [values[at : at + _PARTS] for at in range(0, len(values), _PARTS)]
    if len(points) in _MORE:
        points = points[:_BODY]
    # A point without confidence is at (0, 0), or anywhere.
    body: dict[str, Any] = {
        "keypoints": [[x, y] if sure else [None, None] for x, y, sure in points],
        "keypoint_scores": [min(sure, 1) for _, _, sure in points],  # 2 is visible, 1 hidden
    }
    return {**body, "id": _identity(person)} if named else body
