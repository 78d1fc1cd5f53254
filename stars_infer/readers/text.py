"""The text of a file, in UTF-8 or UTF-16."""

from __future__ import annotations

import codecs
from pathlib import Path

from stars_infer.errors import ClipError

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_FIRST = 64
"""Bytes by which UTF-16 without a mark is told: every other one is 0."""


def read_text(path: Path) -> str:
    r"""Read a text file; lines end in `\n`, and a byte order mark is left out.

    Raises:
        ClipError: If it is no text in UTF-8 or UTF-16.
    """
    content = path.read_bytes()
    encoding = "utf-8-sig"
    if content.startswith(_UTF_16):
        encoding = "utf-16"
    elif b"\0" in content[:_FIRST]:
        encoding = "utf-16-le" if content[1:2] == b"\0" else "utf-16-be"
    try:
        return content.decode(encoding).replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ClipError(str(path), f"not UTF-8 text ({error.reason}): save it as UTF-8") from error
