"""How tools spell the names of joints, and what is the same in all spellings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

NAMESPACE = re.compile(r"^(?:.*[:|])?(?:mixamorig\d*[_ ]?|J_Bip_(?:C_)?)?")
"""What tools put before the names of a character's joints, such as `mixamorig:`; VRoid's `J_Bip_C_`
stands before those in the middle."""
BODY = re.compile(r"^(?:body|pose|skeleton)[ _.-]", re.IGNORECASE)
"""What stands before the joints of a body where a file also has those of hands and face."""
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
"""The words of a name in camel case or with separators: `RShoulder`, `HANDTIP_LEFT`, `hand.L`."""
_SIDES = {"left": "left", "l": "left", "right": "right", "r": "right"}
_PARTS = (
    "ankle", "arm", "bigtoe", "collar", "clavicle", "ear", "elbow", "eye", "foot", "forearm",
    "hand", "heel", "hip", "knee", "leg", "shin", "shoulder", "smalltoe", "thigh", "thumb", "toe",
    "upperarm", "wrist",
)  # fmt: skip
"""Parts of which a person has two; in lower case, `l` or `r` may stand before them: `rwrist`."""
_MOST = 0.6
"""Share of the names that begin with what a tool puts before them; fewer are of one side."""
_NUMBERED = re.compile(r"(?P<stem>[^\d]*?)[ _.:-]?(?P<number>\d+)")


def fold(name: str) -> str:
    """Reduce a name to its letters and digits, in lower case."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


@lru_cache(maxsize=4096)
def canonical(name: str) -> str:
    """Spell a name as its side and its other words in lower case, without separators.

    `ShoulderLeft`, `SHOULDER_LEFT`, `left shoulder`, `LShoulder` and `shoulder.L` become the same.
    """
    side, rest = "", []
    for word in _WORDS.findall(name):
        word = word.lower()
        if word in _SIDES and not side:
            side = _SIDES[word]
        elif word not in ("joint", "jnt"):
            rest.append(word)
    text = "".join(rest)
    if not side:
        if text[1:] in _PARTS and text[:1] in ("l", "r"):
            side, text = _SIDES[text[0]], text[1:]
        for word in ("left", "right"):
            if not side and text != word and (text.startswith(word) or text.endswith(word)):
                side, text = word, text.removeprefix(word).removesuffix(word)
    return f"{side} {text}" if side else text or fold(name)


def shared_start(names: Sequence[str]) -> int:
    """Count the letters with which all names begin."""
    columns = enumerate(zip(*names, strict=False))
    shortest = min(map(len, names), default=0)
    return next((place for place, letters in columns if len(set(letters)) > 1), shortest)


def usual_prefix(names: Sequence[str]) -> str:
    """Find the longest beginning up to a separator that most names have, such as `Bip01 `."""
    times = Counter(
        name[:place]
        for name in names
        for place, letter in enumerate(name, start=1)
        if letter in "_ .-/" and place < len(name)
    )
    usual = [prefix for prefix, count in times.items() if count > _MOST * len(names)]
    return max(usual, key=len, default="")


def numbers_in(names: Sequence[str]) -> tuple[int, ...] | None:
    """Read names that only number the joints, such as `landmark_0` or `joint12`.

    Returns:
        The number of each joint from 0; None unless all names are the same word and a number each,
        and the numbers run from 0 or 1 without a gap.
    """
    found = [_NUMBERED.fullmatch(name) for name in names]
    if not found or any(match is None for match in found):
        return None
    if len({match["stem"].lower() for match in found if match}) > 1:
        return None
    numbers = [int(match["number"]) for match in found if match]
    first = min(numbers)
    if first > 1 or sorted(numbers) != list(range(first, first + len(numbers))):
        return None
    return tuple(number - first for number in numbers)
