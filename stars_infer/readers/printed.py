"""Results of MediaPipe Tasks as Python prints them, one after another in a text file.

`print(landmarker.detect(image))` gives `PoseLandmarkerResult(pose_landmarks=[[NormalizedLandmark(x=
0.5, ...)]], ...)`. The text is parsed, never run.
"""

from __future__ import annotations

import ast
import re
from typing import Any

_RESULT = "PoseLandmarkerResult("
_LONGEST = 1_000_000
"""Characters of one result, at most: a hundred people have less."""
_OBJECT = re.compile(r"<[^<>]*>")
"""What Python prints of an object that has no text of its own, such as a mask."""


def printed_results(text: str) -> list[Any] | None:
    """Read printed results as frames of objects and lists, as JSON has them.

    Returns:
        A frame for each result; None if the text is none, or is cut short.
    """
    starts = [match.start() for match in re.finditer(re.escape(_RESULT), text)]
    if not starts or text[: starts[0]].strip(" \t\r\n[,"):
        return None
    ends = [*starts[1:], len(text)]
    if any(end - start > _LONGEST for start, end in zip(starts, ends, strict=True)):
        return None
    try:
        return [
            _plain(ast.parse(_OBJECT.sub("None", text[start:end]).strip(" \t\r\n,]"), mode="eval")
                   .body)
            for start, end in zip(starts, ends, strict=True)
        ]  # fmt: skip
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _plain(node: ast.expr) -> Any:
    """Turn a call with named arguments into an object, and lists and numbers into themselves.

    Raises:
        ValueError: If it is anything else.
    """
    if isinstance(node, ast.Call):
        return {argument.arg: _plain(argument.value) for argument in node.keywords if argument.arg}
    if isinstance(node, ast.List | ast.Tuple):
        return [_plain(member) for member in node.elts]
    return ast.literal_eval(node)
