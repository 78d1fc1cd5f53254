"""Every error that stars-infer raises on purpose.

Each message names what happened, in which file or argument, and what to do next; the command line
prints it as it is, without a traceback.
"""

from __future__ import annotations


class StarsError(Exception):
    """Base of all known failures."""


class UsageError(StarsError, ValueError):
    """The call itself is wrong: an unknown name, an impossible combination."""


class ClipError(StarsError):
    """A clip cannot be read or used; the message opens with its source."""

    def __init__(self, source: str, problem: str) -> None:
        super().__init__(f"{source}: {problem}")
        self.source = source
        self.problem = problem

    def __reduce__(self) -> tuple[type[ClipError], tuple[str, str]]:
        """Errors of clips that another process reads come back as they are."""
        return type(self), (self.source, self.problem)


class NobodyError(ClipError):
    """Nobody is seen in any frame of a clip."""


class ModelError(StarsError):
    """A model directory or checkpoint is missing, damaged or does not fit."""


class ProviderError(StarsError):
    """The execution provider that was asked for does not run here."""


class ExemplarIndexError(StarsError):
    """An exemplar index cannot be used: another model made it, or it is not an index."""


class CollectionError(StarsError):
    """A file of embedded clips cannot be searched: damaged, no collection, or another model's."""


class MissingExtraError(StarsError):
    """A command needs packages that an optional extra of stars-infer brings."""

    def __init__(self, what: str, extra: str, missing: str) -> None:
        super().__init__(
            f"{what} needs {missing}, which is not installed: pip install 'stars-infer[{extra}]'"
        )
        self.named = what, extra, missing

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str, str]]:
        """As for `ClipError`."""
        return type(self), self.named


class ExportError(StarsError):
    """An exported graph failed its verification; nothing was kept."""


class StarsWarning(UserWarning):
    """Something that was asked for or kept earlier is left aside; what happens instead is said."""
