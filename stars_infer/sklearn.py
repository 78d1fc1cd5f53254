"""The recognizer as a scikit-learn classifier."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stars_infer.classification.classifiers import DEFAULT_CLASSIFIER
from stars_infer.classification.mirroring import AUTO as AUTO_MIRROR
from stars_infer.classification.prediction import UNKNOWN, ClassifyOptions
from stars_infer.clips.clip import Clip
from stars_infer.clips.convention import Convention
from stars_infer.embedding.inputs import embed_clips, is_one
from stars_infer.encoder.encoder import AUTO, Encoder
from stars_infer.errors import MissingExtraError, UsageError
from stars_infer.index.index import ExemplarIndex, NewExemplar
from stars_infer.similarity.features import Features

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils import check_consistent_length, column_or_1d
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted
except ImportError as error:
    raise MissingExtraError("stars_infer.sklearn", "sklearn", "scikit-learn") from error

_WANTED = (
    "X must be a list of clips (paths, arrays of positions, Clips), or an array (N, T, V, 3) or "
    "(N, M, T, V, 3)"
)
_AHEAD = 1e-12
"""How far the chance of an answer is ahead of others, relative to them; rounding is finer."""


class SkeletonClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Names clips by a few labeled ones, as an estimator of scikit-learn.

    It fits into `cross_val_score`, `GridSearchCV` and pipelines, can be cloned and pickled, and
    names every clip with one of the classes it was fitted with, unless `reject_unknown` is set.

    Args:
        classifier: `ridge`; `vote` or `majority` of the k nearest; `prototypes`.
        k: Examples that vote; the size of the smallest class, at most 5, if None.
        reject_unknown: Answer `unknown_label` to clips whose action is likely none of the classes.
        unknown_label: That answer.
        false_accept_rate: Share of clips of unknown actions that may be named, 0 to 1; None for
            "more likely known than not".
        mirror: Whether mirror images of examples count: `on`, `off`, or `auto`.
        views: Also compare changed copies; the most similar one counts: `mirror`, `crops`.
        model: Name of a shipped encoder, or a model directory; the default encoder if None.
        device: What runs the network, where it is needed: see `Encoder.load`.
        layout: Joint layout of arrays, and of files that do not say; `ntu25` for arrays if None.
        units: Of the positions: `m`, `cm`, `mm` or `in`, or the meters in a unit; meters for
            arrays if None.
        up: The axis that points up: `x`, `y`, `z`, `-x`, `-y` or `-z`, or `auto`; y for arrays if
            None.
        handedness: Of the axes, `right` or `left`; right for arrays if None.
        fps: Frames per second; what a file says, else 30, if None.
        flat: Whether clips are in 2D, or to be taken so.
        workers: Processes that read files, if there are many; None for one a core.

    Attributes:
        classes_: The classes, sorted, (C,).
        exemplars_: The clips that it was fitted with, as the index holds them.

    Example:
        >>> import numpy as np
        >>> from stars_infer.sklearn import SkeletonClassifier
        >>> from stars_infer.synthetic.actions import perform
        >>> random = np.random.default_rng(0)
        >>> labels = ["wave", "squat", "kick"] * 3
        >>> clips = [perform(label, random) for label in labels]
        >>> fitted = SkeletonClassifier().fit(clips, labels)
        >>> fitted.predict([perform("squat", random), perform("wave", random)]).tolist()
        ['squat', 'wave']
    """

    def __init__(
        self,
        *,
        classifier: str = DEFAULT_CLASSIFIER,
        k: int | None = None,
        reject_unknown: bool = False,
        unknown_label: Any = UNKNOWN,
        false_accept_rate: float | None = None,
        mirror: str = AUTO_MIRROR,
        views: Sequence[str] = (),
        model: str | Path | None = None,
        device: str = AUTO,
        layout: str | None = None,
        units: str | float | None = None,
        up: str | None = None,
        handedness: str | None = None,
        fps: float | None = None,
        flat: bool | None = None,
        workers: int | None = 1,
    ) -> None:
        self.classifier = classifier
        self.k = k
        self.reject_unknown = reject_unknown
        self.unknown_label = unknown_label
        self.false_accept_rate = false_accept_rate
        self.mirror = mirror
        self.views = views
        self.model = model
        self.device = device
        self.layout = layout
        self.units = units
        self.up = up
        self.handedness = handedness
        self.fps = fps
        self.flat = flat
        self.workers = workers

    def fit(self, X: Any, y: ArrayLike) -> SkeletonClassifier:  # noqa: N803 - scikit-learn's name
        """Learn the classes from labeled clips.

        Args:
            X: A list of N clips: paths, arrays (T, V, 3) or (M, T, V, 3), or `Clip`s; or an array
                (N, T, V, 3) or (N, M, T, V, 3).
            y: Their labels, (N,), of any type that sorts.

        Returns:
            Itself.

        Raises:
            ClipError: If a clip cannot be used.
            UsageError: If `X` is something else, or a parameter means nothing.
        """
        clips = self._clips(X, fitting=True)
        if y is None:
            raise ValueError("this classifier requires y to be passed, but the target y is None")
        labels = column_or_1d(y, warn=True)
        check_consistent_length(clips, labels)
        check_classification_targets(labels)
        self._options()
        encoder = Encoder.load(self.model, device=self.device)
        features = self._features(clips, encoder, query=False)
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        self.exemplars_ = [
            # Clips that come twice count twice, so it is the place that tells them apart.
            NewExemplar(label=f"{number:08}", features=one, source=str(at), content_hash=str(at))
            for at, (number, one) in enumerate(zip(numbers.tolist(), features, strict=True))
        ]
        self._ready = self._make_ready(encoder)
        return self

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """Name clips.

        Args:
            X: As in `fit`.

        Returns:
            A class for each clip, (N,); with `reject_unknown`, `unknown_label` for some.

        Raises:
            ClipError: If a clip cannot be used.
            NotFittedError: If it was not fitted.
            UsageError: If `X` is something else.
        """
        encoder, index = self._index()
        features = self._features(self._clips(X), encoder, query=True)
        answers = index.classify(features, self._options())
        labels = self.classes_[[int(answer.label) for answer in answers]]
        if not self.reject_unknown:
            return np.asarray(labels)
        known = np.array([answer.known for answer in answers], np.bool_)
        if isinstance(self.unknown_label, str) != (labels.dtype.kind == "U"):
            labels = labels.astype(object)
        return np.where(known, labels, self.unknown_label)

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """How likely each class is, given that a clip shows one of them.

        Args:
            X: As in `fit`.

        Returns:
            (N, C), in the order of `classes_`. Rows sum to 1, and the class that fits best, which
            `predict` names, has the highest chance.

        Raises:
            ClipError: If a clip cannot be used.
            NotFittedError: If it was not fitted.
            UsageError: If `X` is something else.
        """
        encoder, index = self._index()
        features = self._features(self._clips(X), encoder, query=True)
        chances = np.asarray(index.predict_proba(features, self._options()), np.float64)
        answers = [int(answer.label) for answer in index.classify(features, self._options())]
        # Where the index is unsure of its answer, it may give others a chance that is higher.
        best = chances.max(axis=1) * (1 + _AHEAD)
        chances[np.arange(len(chances)), answers] = best
        return np.asarray(chances / chances.sum(axis=1, keepdims=True))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = tags.input_tags.string = True  # paths
        tags.input_tags.allow_nan = True  # joints that are missing
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """Without the index and the encoder, which are made again when they are needed."""
        state: dict[str, Any] = dict(super().__getstate__())
        state.pop("_ready", None)
        return state

    def _clips(self, X: Any, *, fitting: bool = False) -> list[Any]:  # noqa: N803
        """X as a list of single clips.

        Raises:
            UsageError: If it is something else.
        """
        if hasattr(X, "__array__") and getattr(X, "ndim", 1) != 1:
            array = np.asanyarray(X)  # with its mask
            if array.ndim not in (4, 5) or array.shape[-1] != 3 or array.dtype.kind not in "fiu":
                raise UsageError(f"{_WANTED}, not an array of {array.dtype} {array.shape}")
            clips = list(array)
        elif isinstance(X, str | bytes | os.PathLike | Clip) or not isinstance(X, Iterable):
            raise UsageError(f"{_WANTED}, not a {type(X).__name__}")
        else:
            clips = list(X)
        if fitting and not clips:
            raise UsageError(f"{_WANTED}, of at least one clip")
        for number, clip in enumerate(clips):
            if isinstance(clip, str | os.PathLike) and not is_one(clip):
                raise UsageError(f"X[{number}] holds many clips: {clip}")
        return clips

    def _features(self, clips: list[Any], encoder: Encoder, *, query: bool) -> list[Features]:
        """What the index compares of clips; for a public method."""
        convention = Convention(
            layout=self.layout,
            units=self.units,
            up=self.up,
            handedness=self.handedness,
            fps=self.fps,
            flat=self.flat,
        )
        embedded, _ = embed_clips(
            encoder,
            clips,
            convention=convention,
            query=query,
            views=self.views if query else (),
            workers=self.workers,
            stacklevel=3,
        )
        return [file.features for file in embedded]

    def _options(self) -> ClassifyOptions:
        return ClassifyOptions(
            classifier=self.classifier,
            k=self.k,
            mirror=self.mirror,
            false_accept_rate=self.false_accept_rate,
        )

    def _index(self) -> tuple[Encoder, ExemplarIndex]:
        """The encoder, and the index of what it was fitted with.

        Raises:
            NotFittedError: If it was not fitted.
        """
        check_is_fitted(self)
        if "_ready" not in self.__dict__:  # it was pickled
            self._ready = self._make_ready(Encoder.load(self.model, device=self.device))
        return self._ready

    def _make_ready(self, encoder: Encoder) -> tuple[Encoder, ExemplarIndex]:
        index = ExemplarIndex.in_memory(encoder.info)
        index.add(self.exemplars_)
        return encoder, index
