"""Every error that stars-infer raises on purpose.

Each message names what happened, in which file or argument, and what to do next; the command line
prints it as it is, without a traceback.
"""

from __future__ import annotations

import errno
import math
import operator
import os
import re
from numbers import Integral, Real
from pathlib import Path


class StarsError(Exception):
    """Base of all known failures: what is raised on purpose is one of its subclasses.

    Example:
        >>> from stars_infer import StarsError, read_clip
        >>> try:
        ...     read_clip("nowhere.npy")
        ... except StarsError as error:
        ...     print(error)
        nowhere.npy: no such file
    """

    def __str__(self) -> str:
        """The message in one line that a terminal shows as it is, whatever a file is called."""
        return printable(super().__str__())


class UsageError(StarsError, ValueError):
    """The call itself is wrong: an unknown name, an impossible combination."""


def check_range(
    name: str,
    *values: float | None,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
    whole: bool = False,
) -> None:
    """Refuse numbers that lie outside a range, or are not finite.

    Args:
        name: What the numbers are, for the message: the argument or option, with its unit if any.
        values: The numbers; None, for an option that was not given, passes.
        above: Bound that a number must exceed.
        at_least: Bound that a number may reach from above.
        below: Bound that a number must stay under.
        at_most: Bound that a number may reach from below.
        whole: Whether the numbers must be integers.

    Raises:
        UsageError: With one sentence, such as "window must be above 0 and at most 60, not 75".
    """
    bounds = (
        ("above", above, operator.gt),
        ("at least", at_least, operator.ge),
        ("below", below, operator.lt),
        ("at most", at_most, operator.le),
    )
    given = [(words, bound, holds) for words, bound, holds in bounds if bound is not None]
    for value in values:
        if value is None:
            continue
        number: object = value  # callers without a type checker may give anything
        fits = isinstance(number, Integral if whole else Real) and not isinstance(number, bool)
        if fits and math.isfinite(value) and all(holds(value, bound) for _, bound, holds in given):
            continue
        kind = ["a whole number" if whole else "a finite number"] if not given or whole else []
        wanted = " and ".join(kind + [f"{words} {bound:g}" for words, bound, _ in given])
        raise UsageError(f"{name} must be {wanted}, not {value!r}")


def check_path(name: str, value: str | os.PathLike[str]) -> Path:
    """Make a path of what a caller gave for one.

    Args:
        name: The argument, for the message.
        value: A path; whether something is there does not matter.

    Raises:
        UsageError: If it is no path.
    """
    given: object = value  # callers without a type checker may give anything
    text = os.fspath(given) if isinstance(given, os.PathLike) else given
    if not isinstance(text, str):
        raise UsageError(f"{name} must be a path, not {value!r}")
    return Path(text)


_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Characters that end lines, steer a terminal or turn its text around, and halves of characters."""


def printable(text: str) -> str:
    r"""A text in which characters that are not to be shown are spelled out, such as `\x1b`."""
    return _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], text)


def escape_unprintable(text: str) -> str:
    """A JSON text in which the same characters are escaped as JSON has it."""
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def brief(error: BaseException) -> str:
    """The first line of an error of another package, cut to a length that a message can hold."""
    if isinstance(error, OSError) and error.strerror and type(error).__module__ == "builtins":
        return error.strerror.lower()  # its number and file say nothing more
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def count_of(number: int) -> str:
    """A count for messages, its thousands apart; of one with very many digits, only that."""
    return f"{number:,}" if abs(number) < _VERY_MANY else "very many"


_VERY_MANY = 10**15
"""Nobody has so many of anything: a damaged file says so."""
_REASONS = {
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "your share of the disk is used up: free some space",
    errno.EACCES: "this user may not do that there: change its permissions, or name another place",
    errno.EPERM: "this user may not do that there: change its permissions, or name another place",
    errno.EROFS: "nothing can be written to that disk: name another place",
    errno.ENOTDIR: "a part of this path is a file, not a folder: name another place",
    errno.EISDIR: "is a folder: name a file in it",
    errno.ENOENT: "nothing of that name is there, or can be made there: name another place",
    errno.EEXIST: "is there already: name another place",
    errno.ENOTEMPTY: "is a folder with something in it: name another place",
    errno.ENAMETOOLONG: "the name is too long: give a shorter one",
    errno.ELOOP: "is a link that leads back to itself: name another place",
    errno.EMFILE: "too many files are open: raise the limit (`ulimit -n`)",
    errno.EIO: "the disk fails to read or write: check it, or name another place",
}


def reason_of(error: OSError) -> str:
    """Why the system refused something, and what helps, in words."""
    return _REASONS.get(error.errno or 0) or error.strerror or str(error)


def in_words(error: OSError) -> str:
    """One sentence on what the system refused: the file, why, and what helps."""
    if error.errno not in _REASONS:
        return str(error)
    named = [one for one in (error.filename2, error.filename) if one is not None]
    return f"{os.fsdecode(named[0])}: {reason_of(error)}" if named else reason_of(error)


class ClipError(StarsError):
    """A clip cannot be read or used; the message opens with its source."""

    def __init__(self, source: str, problem: str) -> None:
        super().__init__(f"{source}: {problem}")
        self.source = source
        self.problem = problem

    def __reduce__(self) -> tuple[type[ClipError], tuple[str, str]]:
        """Errors of clips that another process reads come back as they are."""
        return type(self), (self.source, self.problem)


class FlatError(ClipError):
    """A clip is in 2D, and nobody said that it is to be taken so."""


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
    """A package is missing that not everybody needs.

    Args:
        what: What needs it.
        extra: The extra of stars-infer that brings it; None if no extra does.
        missing: Its name, or the names of several of which one will do, the best first.
    """

    def __init__(self, what: str, extra: str | None, missing: str) -> None:
        wanted = missing.split()[0] if extra is None else f"'stars-infer[{extra}]'"
        verb = "are" if ", " in missing else "is"
        super().__init__(
            f"{what} needs {missing}, which {verb} not installed: pip install {wanted}"
        )
        self.named = what, extra, missing

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str | None, str]]:
        """As for `ClipError`."""
        return type(self), self.named


class ExportError(StarsError):
    """An exported graph failed its verification; nothing was kept."""


class ServerError(StarsError):
    """A server does not answer a request: it is full, forbids it, or something in it is wrong.

    Args:
        status: The status of HTTP.
        problem: One sentence.
        retry_after: Whole seconds after which the request may be answered, if that helps.
    """

    def __init__(self, status: int, problem: str, *, retry_after: int | None = None) -> None:
        super().__init__(problem)
        self.status = status
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[type[ServerError], tuple[int, str], dict[str, int | None]]:
        """As for `ClipError`."""
        return type(self), (self.status, str(self)), {"retry_after": self.retry_after}


class StarsWarning(UserWarning):
    """Something that was asked for or kept earlier is left aside; what happens instead is said."""
