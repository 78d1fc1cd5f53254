"""Clips in whatever form a caller has them: paths, folders, arrays, clips, and lists of these."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias, TypedDict

import numpy as np
from numpy.typing import NDArray

from stars_infer.classification.prediction import Prediction
from stars_infer.clips.clip import Clip
from stars_infer.clips.convention import STANDARD, Convention
from stars_infer.embedding.files import EmbeddedFile, embed_files
from stars_infer.encoder.encoder import Encoder
from stars_infer.errors import ClipError, StarsWarning, UsageError, check_path
from stars_infer.readers.files import clip_files, holds_many

OneClip: TypeAlias = str | os.PathLike[str] | Clip | NDArray[Any]
"""A file, a folder, an array of positions (T, V, 3) or (M, T, V, 3), or a clip."""
Clips: TypeAlias = OneClip | Iterable[OneClip]

RAISE, SKIP, WARN = "raise", "skip", "warn"
ON_ERROR = (RAISE, SKIP, WARN)
"""If a clip of several cannot be used: raise its error, leave it out, or leave it out and warn."""

_FEWEST_COLUMNS = 20
"""Of a two-dimensional array whose rows are frames; ten joints in 2D have as many."""
MANY_BODIES = 6
"""As many as a Kinect follows; an array of more may be one of many clips."""

_WANTED = (
    "pass a path, a folder, an array of positions (T, V, 3) or (M, T, V, 3), a Clip, or a list of "
    "these"
)


class ConventionOptions(TypedDict, total=False):
    """What a caller says of clips, as in `Convention`."""

    layout: str | None
    units: str | float | None
    up: str | None
    handedness: str | None
    fps: float | None
    flat: bool | None


class ReadingOptions(ConventionOptions, total=False):
    """How clips are read; see `Recognizer.predict`."""

    views: Sequence[str]
    workers: int | None


class PredictOptions(ReadingOptions, total=False):
    """How clips are read and named; see `Recognizer.predict`."""

    classifier: str
    k: int | None
    mirror: str
    false_accept_rate: float | None
    people: str
    on_error: str


def is_one(clips: Clips) -> bool:
    """Whether there is one answer to it: no list, no folder, no file that may hold many clips."""
    if isinstance(clips, str | os.PathLike):
        path = check_path("a clip's path", clips)
        named = "#" in path.name and not path.exists()  # one clip of a file of many
        return named or not (path.is_dir() or holds_many(path))
    return isinstance(clips, Clip) or _is_array(clips)


class ClipInputs:
    """Clips in any form, as `embed_files` takes them.

    Args:
        clips: One or many; a folder stands for the clip files in it, at any depth.
        convention: What is known of arrays.
        on_error: What becomes of a clip of several that cannot be used: one of `ON_ERROR`. A single
            one always raises its error.

    Attributes:
        given: Files, and clips that need no reading, in order.
        failures: Errors of the clips that were left out so far.

    Raises:
        ClipError: If a clip cannot be used.
        UsageError: If something else was passed, or `on_error` means nothing.
    """

    def __init__(self, clips: Clips, *, convention: Convention, on_error: str = RAISE) -> None:
        if on_error not in ON_ERROR:
            raise UsageError(f"on_error {on_error!r}: choose {', '.join(ON_ERROR)}")
        self.given: list[Path | Clip] = []
        self.failures: list[ClipError] = []
        self._raises = on_error == RAISE or is_one(clips)
        self._warns = on_error == WARN
        single = _is_single(clips)
        for number, one in enumerate([clips] if single else _as_list(clips)):
            try:
                self.given += _files_or_clip(
                    one, "array" if single else f"array {number}", convention
                )
            except ClipError as error:
                self.skip(error)

    def skip(self, error: ClipError) -> None:
        """Leave a clip out, or raise its error."""
        if self._raises:
            raise error
        self.failures.append(error)

    def warn(self, used: Iterable[EmbeddedFile | Prediction], *, stacklevel: int = 1) -> None:
        """Warn of the clips with something odd about them, and of those left out if it is wanted.

        Args:
            used: The clips that were used, or the answers to them.
            stacklevel: 1 for the caller's line, 2 for that of the caller's caller.
        """
        odd = {one.source: "; ".join(one.notes) for one in used if one.notes}
        said = [f"{source}: {notes}" for source, notes in odd.items()]
        if self._warns:
            said += [f"{failure}; left out" for failure in self.failures]
        for text in said:
            warnings.warn(text, StarsWarning, stacklevel=stacklevel + 1)


def embed_clips(
    encoder: Encoder,
    clips: Clips,
    *,
    convention: Convention,
    on_error: str = RAISE,
    query: bool = False,
    views: Sequence[str] = (),
    workers: int | None = 1,
    stacklevel: int = 1,
) -> tuple[list[EmbeddedFile], tuple[ClipError, ...]]:
    """Embed clips in any form, and warn of those with something odd about them.

    Args:
        encoder: The model.
        clips: As in `ClipInputs`.
        convention: What is known of files, where they do not say, and of arrays. A `Clip` is what
            it is.
        on_error: As in `ClipInputs`.
        query: The clips are to be searched for; else they go into an index, which runs the network
            only when somebody asks for vectors.
        views: As in `embed_files`.
        workers: As in `embed_files`.
        stacklevel: Of the warnings, as in `ClipInputs.warn`.

    Returns:
        The clips, in order, and the errors of those that were left out.

    Raises:
        StarsError: As for `ClipInputs` and `embed_files`.
    """
    inputs = ClipInputs(clips, convention=convention, on_error=on_error)
    embedded = list(
        embed_files(
            encoder,
            inputs.given,
            convention=convention,
            skip=inputs.skip,
            query=query,
            defer_network=not query,
            views=views,
            workers=workers,
        )
    )
    inputs.warn(embedded, stacklevel=stacklevel + 1)
    return embedded, tuple(inputs.failures)


def clip_of_array(joints: NDArray[Any], convention: Convention, *, source: str = "array") -> Clip:
    """Make a clip of an array by a convention; see `Clip.from_array`.

    Raises:
        ClipError: As for `Clip.from_array`.
        UsageError: As for `Clip.from_array`.
    """
    known = convention.over(STANDARD)
    return Clip.from_array(
        joints,
        layout=known.layout or "ntu25",
        units=known.units or "m",
        up=convention.up,
        handedness=known.handedness or "right",
        fps=known.fps or 30.0,
        flat=bool(known.flat),
        source=source,
    )


def _is_single(clips: Any) -> bool:
    return isinstance(clips, str | os.PathLike | Clip) or _is_array(clips)


def _is_array(value: Any) -> bool:
    """Whether it is an array of NumPy, or of another library that NumPy can read."""
    return hasattr(value, "__array__") and hasattr(value, "shape")


def _as_list(clips: Any) -> list[Any]:
    """The members of a list, tuple or other series.

    Raises:
        UsageError: If it is none.
    """
    if isinstance(clips, bytes | Mapping | Set) or not isinstance(clips, Iterable):
        raise UsageError(f"{_type_in_words(clips)} is no clip: {_WANTED}")
    return list(clips)


def _files_or_clip(one: Any, source: str, convention: Convention) -> list[Path | Clip]:
    """The files or the clip that one member of a list stands for; an array has the source."""
    if isinstance(one, Clip):
        return [one]
    if isinstance(one, str | os.PathLike):
        if not os.fspath(one):  # which would be the folder that the program runs in
            raise UsageError(f"an empty path is no clip: {_WANTED}")
        return list(clip_files([check_path("a clip's path", one)]))
    if not _is_array(one):
        raise UsageError(f"{_type_in_words(one)} is no clip: {_WANTED}")
    try:
        joints = np.asanyarray(one)  # with its mask
    except (TypeError, RuntimeError) as error:  # as of a tensor that another device holds
        raise ClipError(source, f"NumPy cannot read it: {error}") from error
    rows = joints.ndim == 2 and joints.shape[1] >= _FEWEST_COLUMNS
    if joints.dtype.kind not in "fiu" or not (rows or joints.ndim in (3, 4)):
        raise UsageError(
            f"an array of {joints.dtype} {joints.shape} is no clip: {_WANTED}; of an array of many "
            "clips, pass list(array)"
        )
    clip = clip_of_array(joints, convention, source=source)
    if (bodies := len(clip.bodies)) > MANY_BODIES:
        note = (
            f"taken for one clip of {bodies} bodies: if it holds {bodies} clips, pass list(array)"
        )
        clip = replace(clip, notes=(*clip.notes, note))
    return [clip]


def _type_in_words(value: Any) -> str:
    """A value for a message: what it is, and itself if it is short."""
    if value is None:
        return "None"
    text = repr(value)
    kind = type(value).__name__
    return f"{kind} {text}" if len(text) <= 24 else f"a {kind}"
