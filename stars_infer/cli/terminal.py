"""Printing on terminals that know few characters, such as those of code pages 437 and 932."""

from __future__ import annotations

import codecs
import sys
from io import TextIOWrapper

_PLAIN = {
    "✓": "v", "✗": "x", "…": "...", "–": "-", "—": "-", "≈": "~", "±": "+-", "°": " deg", "·": ".",
    "×": "x", "→": "->", "≤": "<=", "≥": ">=", "µ": "u", "’": "'", "“": '"', "”": '"', "•": "*",
}  # fmt: skip
"""What stands for the characters that commands print, where a terminal has not got them."""
_HANDLER = "stars-plain"


def print_plainly() -> None:
    """Let standard output and error write what they can of each character.

    Lines, boxes and signs become plain ones, and any other character a question mark.
    """
    codecs.register_error(_HANDLER, _replace)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.errors in ("strict", "backslashreplace"):
            stream.reconfigure(errors=_HANDLER)


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    plain = "".join(_PLAIN.get(letter, _line(letter)) for letter in text)
    return plain, error.end


def _line(letter: str) -> str:
    """The plain form of a line that frames a table; a question mark for any other character."""
    if not "\u2500" <= letter <= "\u257f":
        return "?"
    if letter in "─━═╌╍":
        return "-"
    return "|" if letter in "│┃║" else "+"
