"""Lets mkdocstrings show the sessions in docstrings as code: it knows them as `Examples:` only."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object


class Sessions(Extension):
    """Calls the sections `Example:` of docstrings `Examples:`."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Change the docstring of an object that was loaded."""
        if obj.docstring:
            obj.docstring.value = re.sub(
                r"^(\s*)Example:$", r"\1Examples:", obj.docstring.value, flags=re.MULTILINE
            )
