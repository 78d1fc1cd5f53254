"""The recognizer: teach it actions by a few clips each, and ask it what other clips show."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn, Unpack, overload

import numpy as np
from numpy.typing import NDArray

from stars_infer.classification.classifiers import DEFAULT_CLASSIFIER
from stars_infer.classification.mirroring import AUTO as AUTO_MIRROR
from stars_infer.classification.prediction import (
    ClassifyOptions,
    Neighbor,
    Prediction,
    Predictions,
)
from stars_infer.clips.convention import Convention
from stars_infer.clips.people import POOLED
from stars_infer.embedding.additions import Added, add_clips
from stars_infer.embedding.classify import classify_files
from stars_infer.embedding.inputs import (
    RAISE,
    ClipInputs,
    Clips,
    ConventionOptions,
    OneClip,
    PredictOptions,
    ReadingOptions,
    embed_clips,
    is_one,
)
from stars_infer.encoder.encoder import AUTO, Encoder
from stars_infer.errors import StarsWarning, UsageError, check_path
from stars_infer.index.exemplar import check_ids
from stars_infer.index.labels import check_label, normalize_label, warn_of_confusable
from stars_infer.shared.open import open_index
from stars_infer.similarity.features import Features


class Recognizer:
    """Names actions from a few example clips of each.

    A clip is a path (docs/sources.md lists the formats), an array of positions (T, V, 3), or
    (M, T, V, 3) for M bodies, or a `Clip`; a folder stands for the clip files in it. One clip in,
    one answer out; a list or a folder in, a list out.

    Several threads may use one recognizer. A clip with something odd about it, such as its axes, is
    used, and a `StarsWarning` says what is odd.

    Args:
        path: File that keeps the examples, made if there is none, or a shared index, such as
            `milvus://host:19530/collection`. Without it they are kept in memory until `save`.
        model: Name of a shipped encoder, or a model directory; the default encoder if not given.
        device: What runs the network, where it is needed: see `Encoder.load`.
        create: Whether to make the file if there is none.

    Attributes:
        encoder: The model.
        index: The examples.

    Raises:
        ExemplarIndexError: If the file is no index, or another model made it.
        ModelError: If there is no such model.

    Example:
        >>> import numpy as np
        >>> from stars_infer import Recognizer
        >>> from stars_infer.synthetic.actions import perform
        >>> random = np.random.default_rng(0)
        >>> actions = Recognizer()
        >>> actions.add("wave", [perform("wave", random) for _ in range(3)])
        <3 added>
        >>> actions.add("squat", [perform("squat", random) for _ in range(3)])
        <3 added>
        >>> actions
        <Recognizer in memory: 6 clips, 2 actions>
        >>> actions.predict(perform("squat", random)).label
        'squat'
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        model: str | Path | None = None,
        device: str = AUTO,
        create: bool = True,
    ) -> None:
        self.encoder = Encoder.load(model, device=device)
        self.index = open_index(path, self.encoder.info, create=create)

    @classmethod
    def open(
        cls, path: str | os.PathLike[str], *, model: str | Path | None = None, device: str = AUTO
    ) -> Recognizer:
        """Open a file of examples; an `ExemplarIndexError` says if there is none."""
        if path is None:
            raise UsageError("name the file to open; Recognizer() keeps its examples in memory")
        return cls(path, model=model, device=device, create=False)

    def close(self) -> None:
        """Close the file; examples in memory are gone."""
        self.index.close()

    def __enter__(self) -> Recognizer:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def refresh(self) -> None:
        """Answer from now on by nothing older than what the file holds now, not a minute ago."""
        self.index.refresh()

    def __getstate__(self) -> NoReturn:
        """Not to be copied or pickled: what it holds is open."""
        raise UsageError(
            "a Recognizer cannot be pickled or copied: save it, and open the file in the other "
            "process with Recognizer.open(path)"
        )

    def __len__(self) -> int:
        """Examples of all actions."""
        return len(self.index)

    def __repr__(self) -> str:
        if self.index.closed:
            return "<Recognizer, closed>"
        where = "in memory" if self.index.path is None else f"in {self.index.path}"
        return f"<Recognizer {where}: {len(self)} clips, {len(self.labels)} actions>"

    @property
    def labels(self) -> list[str]:
        """The actions, by name."""
        return list(self.counts)

    @property
    def counts(self) -> dict[str, int]:
        """Examples of each action, by name."""
        return self.index.counts()

    def add(
        self,
        label: str | None,
        clips: Clips,
        *,
        layout: str | None = None,
        units: str | float | None = None,
        up: str | None = None,
        handedness: str | None = None,
        fps: float | None = None,
        flat: bool | None = None,
        on_error: str = RAISE,
        workers: int | None = 1,
    ) -> Added:
        """Add clips as examples of an action.

        Args:
            label: The action; None to take the name of the folder in which each file lies.
            clips: One or many.
            layout: Joint layout of arrays, and of files that do not say (`stars layouts` lists
                them); `ntu25` for arrays if not given.
            units: Of the positions: `m`, `cm`, `mm` or `in`, or the meters in a unit; meters for
                arrays if not given.
            up: The axis that points up: `x`, `y`, `z`, `-x`, `-y` or `-z`, or `auto`, which finds
                it from the bodies; y for arrays if not given.
            handedness: Of the axes, `right` or `left`; right for arrays if not given.
            fps: Frames per second; what the file says, else 30, if not given.
            flat: Whether clips are in 2D, or to be taken so.
            on_error: If a clip of several cannot be used, `raise` its error and add nothing; `skip`
                it; or `warn` and skip it. The result lists what was skipped.
            workers: Processes that read files, if there are many; None for one a core. With more
                than one, a script must keep what it does behind `if __name__ == "__main__":`.

        Returns:
            What was added, what was there before, and what was left out.

        Raises:
            ClipError: If a clip cannot be used.
            UsageError: If `clips` is something else, or an option or the label means nothing.
        """
        if label is not None:
            check_label(label)
        convention = Convention(
            layout=layout, units=units, up=up, handedness=handedness, fps=fps, flat=flat
        )
        embedded, failures = embed_clips(
            self.encoder,
            clips,
            convention=convention,
            on_error=on_error,
            workers=workers,
            stacklevel=2,
        )
        if not embedded and not failures:
            raise UsageError("no clips to add: the list is empty")
        additions = add_clips(self.index, embedded, label)
        for one in additions:
            if one.is_contradiction:
                warnings.warn(str(one), StarsWarning, stacklevel=2)
        new = {one.label for one in additions if one.known is None}
        warn_of_confusable(new, self.labels, stacklevel=2)
        return Added(clips=tuple(additions), failures=failures)

    @overload
    def predict(self, clips: OneClip, **options: Unpack[PredictOptions]) -> Prediction: ...  # type: ignore[overload-overlap]

    @overload
    def predict(
        self, clips: Iterable[OneClip], **options: Unpack[PredictOptions]
    ) -> Predictions: ...

    def predict(
        self,
        clips: Clips,
        *,
        people: str = POOLED,
        views: Sequence[str] = (),
        classifier: str = DEFAULT_CLASSIFIER,
        k: int | None = None,
        mirror: str = AUTO_MIRROR,
        false_accept_rate: float | None = None,
        on_error: str = RAISE,
        workers: int | None = 1,
        **reading: Unpack[ConventionOptions],
    ) -> Prediction | Predictions:
        """Name what clips show; many also teach which share of them is unknown.

        Args:
            clips: One or many.
            people: One answer for a clip (`pooled`), or one for each person (`each`) or each two
                that meet (`pairs`).
            views: Changed copies of a clip to compare too (`mirror`, `crops`); the most similar
                one counts.
            classifier: `ridge`; `vote` or `majority` of the k nearest; `prototypes`.
            k: Examples that vote; the size of the smallest action, at most 5, if not given.
            mirror: Whether mirror images of the examples count: `on`, `off`, or `auto`.
            false_accept_rate: Share of clips of unknown actions that may be named, 0 to 1; what the
                index keeps if not given.
            on_error: As in `add`; a single clip that cannot be used always raises its error.
            workers: As in `add`.
            reading: `layout`, `units`, `up`, `handedness`, `fps` and `flat`, as in `add`.

        Returns:
            A `Prediction` for one clip; else `Predictions`, in the order of the clips.

        Raises:
            ClipError: If a clip cannot be used.
            ExemplarIndexError: If there are no examples.
            UsageError: If `clips` is something else, or an option means nothing.
        """
        convention = Convention(**reading)
        inputs = ClipInputs(clips, convention=convention, on_error=on_error)
        answers = classify_files(
            self.index,
            self.encoder,
            inputs.given,
            skip=inputs.skip,
            options=ClassifyOptions(
                classifier=classifier,
                k=k,
                mirror=mirror,
                false_accept_rate=false_accept_rate,
                together=True,
            ),
            convention=convention,
            people=people,
            views=views,
            workers=workers,
        )
        predictions = Predictions(answers, inputs.failures)
        inputs.warn(predictions, stacklevel=2)
        return predictions[0] if is_one(clips) and people == POOLED else predictions

    def predict_proba(
        self,
        clips: Clips,
        *,
        classifier: str = DEFAULT_CLASSIFIER,
        k: int | None = None,
        **options: Unpack[ReadingOptions],
    ) -> NDArray[np.float64]:
        """How likely each action is.

        What is missing to 1 is the chance that a clip shows another action. The options are those
        of `predict`.

        Returns:
            (C,) for one clip, (N, C) for several, in the order of `labels`.

        Raises:
            StarsError: As for `predict`.
        """
        queries = self._queries(clips, **options)
        chances = self.index.predict_proba(queries, ClassifyOptions(classifier=classifier, k=k))
        return chances[0] if is_one(clips) else chances

    def search(
        self, clips: Clips, k: int = 5, **options: Unpack[ReadingOptions]
    ) -> list[Neighbor] | list[list[Neighbor]]:
        """Find the k nearest examples; the options are those of `predict`.

        Returns:
            The neighbors of one clip, nearest first, or a list of them for each of several.

        Raises:
            StarsError: As for `predict`.
        """
        found = self.index.search(self._queries(clips, **options), k)
        return found[0] if is_one(clips) else found

    def remove(self, label: str | None = None, *, ids: Sequence[int] = ()) -> int:
        """Remove an action with all its examples, or single examples.

        Args:
            label: The action.
            ids: Numbers of examples, as `index.exemplars()` has them.

        Returns how many examples were removed.

        Raises:
            UsageError: If there is no such action or example.
        """
        ids = check_ids(ids)
        if label is None and not ids:
            raise UsageError("say what to remove: an action, or ids of examples")
        if label is not None:
            self._check_label(label)
        removed = self.index.remove(label=label, ids=ids)
        if not removed:
            raise UsageError("no such example; `index.exemplars()` lists them")
        return removed

    def rename(self, old: str, new: str) -> int:
        """Give an action another name, or make it one with the action of that name.

        Returns how many examples have a new name.

        Raises:
            UsageError: If there is no such action, or the new name cannot be one.
        """
        self._check_label(old)
        changed = self.index.rename(old, new)
        warn_of_confusable([new], self.labels, stacklevel=2)
        return changed

    def relabel(self, ids: Sequence[int], label: str) -> int:
        """Make single examples those of another action; `index.exemplars()` has their numbers.

        Returns how many have a new label.

        Raises:
            UsageError: If there is none of these examples, or the label cannot be one.
        """
        ids = check_ids(ids)
        changed = self.index.relabel(ids, label)
        if not changed and ids and not {one.id for one in self.index.exemplars()} & set(ids):
            raise UsageError("no such example; `index.exemplars()` lists them")
        warn_of_confusable([label], self.labels, stacklevel=2)
        return changed

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the examples to a file, which `Recognizer.open` opens.

        Raises:
            UsageError: If there is something at that path.
        """
        self.index.save(check_path("path", path))

    def _queries(
        self,
        clips: Clips,
        *,
        views: Sequence[str] = (),
        workers: int | None = 1,
        **convention: Unpack[ConventionOptions],
    ) -> list[Features]:
        """Clips as the index is asked with them, for a public method."""
        embedded, _ = embed_clips(
            self.encoder,
            clips,
            convention=Convention(**convention),
            query=True,
            views=views,
            workers=workers,
            stacklevel=3,
        )
        return [file.features for file in embedded]

    def _check_label(self, label: str) -> None:
        if normalize_label(label) not in self.labels:
            known = ", ".join(self.labels) or "none"
            raise UsageError(f"there is no action {label!r}; known actions: {known}")
