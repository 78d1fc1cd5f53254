"""The exemplar index: labeled clips in one SQLite file, and how they name others."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from stars_infer.arrays import FloatArray
from stars_infer.classification.calibration import Calibration
from stars_infer.classification.mirroring import AUTO, Mirroring
from stars_infer.classification.prediction import ClassifyOptions, Neighbor, Prediction
from stars_infer.encoder.encoder import Encoder
from stars_infer.encoder.model import ModelInfo
from stars_infer.errors import ExemplarIndexError, UsageError, check_path, check_range
from stars_infer.index.checksums import ABOUT, check_about, check_tally, checksum_of
from stars_infer.index.exemplar import Exemplar as Exemplar
from stars_infer.index.exemplar import NewExemplar as NewExemplar
from stars_infer.index.exemplar import check_features, check_ids, encode_exemplars, insert
from stars_infer.index.file import WAIT, IndexFile
from stars_infer.index.kept_features import features_of
from stars_infer.index.labels import check_label, normalize_label
from stars_infer.index.network_inputs import make_vectors, read_inputs
from stars_infer.index.restoring import RestorableIndex
from stars_infer.index.rows import count_of, counts_of
from stars_infer.index.state import IndexState, no_progress
from stars_infer.parallel import ReportProgress
from stars_infer.similarity.features import Features
from stars_infer.similarity.nearest import EXHAUSTIVE_LIMIT


class ExemplarIndex(RestorableIndex):
    """Labeled clips as one model describes them.

    The SQLite file (WAL mode) is the truth: a kill loses nothing that was added, several processes
    can add at once, and the threads of one process can share an index. Every answer is that of one
    state of the file; what is searched is built from it when it is first asked, and again after a
    change. `refresh` says how new that state is.

    Attributes:
        path: The file; None for an index in memory.
        model: Its model.

    Example:
        >>> import numpy as np
        >>> from stars_infer import Clip, Encoder, ExemplarIndex
        >>> from stars_infer.index.index import NewExemplar
        >>> from stars_infer.synthetic.actions import perform
        >>> encoder, random = Encoder.load(), np.random.default_rng(0)
        >>> clips = [Clip.from_array(perform(label, random)) for label in ("wave", "squat", "kick")]
        >>> index = ExemplarIndex.in_memory(encoder.info)
        >>> wave, squat, kick = (
        ...     NewExemplar(label=label, features=one, source="", content_hash=clip.content_hash)
        ...     for label, clip, one in zip(
        ...         ("wave", "squat", "kick"), clips, encoder.encode(clips, defer_network=True)
        ...     )
        ... )
        >>> index.add([wave, squat, kick])
        [None, None, None]
        >>> query = Clip.from_array(perform("squat", random))
        >>> (prediction,) = index.classify(encoder.encode([query], query=True))
        >>> prediction.label
        'squat'
    """

    def __init__(self, file: IndexFile, model: ModelInfo) -> None:
        super().__init__(file)
        self.path = file.path
        self.model = model
        self._state = IndexState(file, model)

    @classmethod
    def open(
        cls, path: str | Path | None, model: ModelInfo, *, create: bool = True, wait: float = WAIT
    ) -> ExemplarIndex:
        """Open the index of a model.

        Args:
            path: The SQLite file; None for an index in memory.
            model: The model whose exemplars it holds or is to hold.
            create: Make the file if there is none.
            wait: Seconds for which a change waits until other programs have finished theirs.

        Raises:
            ExemplarIndexError: If the file is missing, no index, or made by another model.
        """
        path = None if path is None else check_path("path", path)
        if path is not None and not path.exists() and not create:
            raise ExemplarIndexError(
                f"{path}: no index of examples here; add clips with "
                "`stars fewshot add-class CLASS/*.npy`, or name one with --index"
            )
        return cls(IndexFile(path, model, wait=wait), model)

    @classmethod
    def in_memory(cls, model: ModelInfo) -> ExemplarIndex:
        """Make an empty index that `save` can write to a file."""
        return cls.open(None, model)

    def save(self, path: str | Path) -> None:
        """Write the index as it is now to a new file; this index stays where it is.

        Raises:
            UsageError: If another file is there.
            ExemplarIndexError: If it cannot be written.
            OSError: If there is no such folder.
        """
        self._file.save(check_path("path", path))

    def close(self) -> None:
        """Close the file."""
        self._state.close()
        self._file.close()

    def refresh(self) -> None:
        """Answer from now on by nothing older than what the file holds now.

        What this process changes is in its next answer anyway; where it takes longer than 0.2 s to
        take in what others change, answers may be up to a minute behind.
        """
        self._state.refresh()

    @property
    def closed(self) -> bool:
        """Whether the index was closed."""
        return self._file.closed

    def __enter__(self) -> ExemplarIndex:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __len__(self) -> int:
        with self._file.reading() as connection:
            return count_of(connection)

    def add(self, exemplars: Sequence[NewExemplar]) -> list[Exemplar | None]:
        """Add exemplars, all of them or, where an error is raised, none.

        Returns:
            For each, the exemplar that already holds the same clip, which then stays as it is,
            or None where it was added.

        Raises:
            UsageError: If a label cannot be one, or features do not fit the model.
            ExemplarIndexError: If the file cannot be written, or others write for too long; or if
                exemplars in 2D would be mixed with others.
        """
        encoded = encode_exemplars(exemplars, self.model)
        with self._file.writing("nothing was added") as connection:
            self._keep_flat(connection, [one.features for one in exemplars])
            return insert(connection, encoded)

    def remove(self, *, label: str | None = None, ids: Sequence[int] = ()) -> int:
        """Remove all exemplars of a label, and those with the given ids.

        Returns:
            How many were removed.

        Raises:
            UsageError: If an id is no whole number above 0.
            ExemplarIndexError: If the file cannot be written, or others write for too long.
        """
        ids = check_ids(ids)
        with self._file.writing("nothing was removed") as connection:
            removed = 0
            if label is not None:
                removed = connection.execute(
                    "DELETE FROM exemplars WHERE label = ?", (normalize_label(label),)
                ).rowcount
            for id_ in ids:
                removed += connection.execute("DELETE FROM exemplars WHERE id = ?", (id_,)).rowcount
        return removed

    def rename(self, old: str, new: str) -> int:
        """Give all exemplars of a label another one; if others have that, they become one action.

        Returns:
            How many exemplars have a new label; 0 if none had the old one.

        Raises:
            UsageError: If the new label cannot be one.
            ExemplarIndexError: If the file cannot be written, or others write for too long.
        """
        old, new = normalize_label(old), check_label(new)
        with self._file.writing("nothing was renamed") as connection:
            return connection.execute(
                "UPDATE exemplars SET label = ?1, label_checksum = ?3 "
                "WHERE label = ?2 AND label <> ?1",
                (new, old, checksum_of(new)),
            ).rowcount

    def relabel(self, ids: Sequence[int], label: str) -> int:
        """Give single exemplars another label.

        Args:
            ids: Their numbers.
            label: The action that they show.

        Returns:
            How many have a new label; those that had it already do not count.

        Raises:
            UsageError: If the label cannot be one, or an id is no whole number above 0.
            ExemplarIndexError: If the file cannot be written, or others write for too long.
        """
        label, ids = check_label(label), check_ids(ids)
        with self._file.writing("nothing was relabeled") as connection:
            return sum(
                connection.execute(
                    "UPDATE exemplars SET label = ?1, label_checksum = ?3 "
                    "WHERE id = ?2 AND label <> ?1",
                    (label, id_, checksum_of(label)),
                ).rowcount
                for id_ in ids
            )

    def exemplars(self, label: str | None = None) -> list[Exemplar]:
        """All exemplars, or those of a label, by label and then by age."""
        wanted = None if label is None else normalize_label(label)
        with self._file.reading() as connection:
            rows = connection.execute(
                f"SELECT {ABOUT} FROM exemplars WHERE ?1 IS NULL OR label = ?1 ORDER BY label, id",
                (wanted,),
            ).fetchall()
            check_about(rows)
            if wanted is None:
                check_tally(connection, "labels", [row[6] for row in rows])
        return [Exemplar.of_row(row) for row in rows]

    def features(
        self, encoder: Encoder | None = None, *, progress: ReportProgress = no_progress
    ) -> list[tuple[Exemplar, Features]]:
        """All exemplars with what is kept of them, by label and then by age.

        Args:
            encoder: Makes the vectors of exemplars that were added without one, which are then
                kept; without an encoder these have no vector.
            progress: Called with how many vectors were made, and of how many.

        Raises:
            UsageError: If the encoder is another model's.
        """
        if encoder is not None:
            with suppress(ExemplarIndexError):  # of a file that cannot be written: see below
                make_vectors(self._file, encoder, self.model, progress)
        with self._file.reading() as connection:
            kept = features_of(connection, self.model)
            inputs = {} if encoder is None else read_inputs(connection, self.model)
        if encoder is None or not inputs:
            return kept
        made = encoder.embed_prepared(list(inputs.values()))
        vectors = dict(zip(inputs, made, strict=True))
        return [
            (one, replace(item, vector=vectors[one.id]) if one.id in vectors else item)
            for one, item in kept
        ]

    def counts(self) -> dict[str, int]:
        """Exemplars per label, by label."""
        with self._file.reading() as connection:
            return counts_of(connection)

    @property
    def labels(self) -> list[str]:
        """Actions that have an exemplar, sorted: the columns of `predict_proba`."""
        return list(self.counts())

    def search(self, queries: Sequence[Features], k: int) -> list[list[Neighbor]]:
        """The k nearest exemplars of each clip, nearest first.

        Args:
            queries: From `Encoder.encode`.
            k: How many.

        Raises:
            ExemplarIndexError: If the index is empty.
            UsageError: If features do not fit the model, or `k` is no number of neighbors.
        """
        check_range("k", k, at_least=1, whole=True)
        self._check_queries(queries)
        with self._state.gallery() as gallery:
            return gallery.nearest(queries, k)

    def classify(
        self, queries: Sequence[Features], options: ClassifyOptions | None = None
    ) -> list[Prediction]:
        """Name clips by their nearest exemplars, and say how sure that is.

        Args:
            queries: From `Encoder.encode`, with or without `query=True`.
            options: How; by the default classifier and the index's own threshold if not given.

        Raises:
            ExemplarIndexError: If the index is empty.
            UsageError: If features do not fit the model.
        """
        self._check_queries(queries)
        with self._state.gallery() as gallery:
            if not queries:
                return []
            return gallery.classify(queries, gallery.options if options is None else options)

    def predict_proba(
        self, queries: Sequence[Features], options: ClassifyOptions | None = None
    ) -> NDArray[np.float64]:
        """The calibrated chance of every action for each clip.

        A row sums to `Prediction.chance_known`; what is missing to 1 is the chance that the index
        does not hold the clip's action. The action that `classify` names has the chance
        `Prediction.confidence`, and the others divide the rest by a softmax of their scores. Where
        that answer is unsure, another action may have a higher chance.

        Args:
            queries: As in `classify`.
            options: As in `classify`.

        Returns:
            (N, C), the columns in the order of `labels`.

        Raises:
            ExemplarIndexError: If the index is empty.
            UsageError: If features do not fit the model.
        """
        self._check_queries(queries)
        with self._state.gallery() as gallery:
            return gallery.predict_proba(queries, gallery.options if options is None else options)

    def calibration(self) -> Calibration:
        """How well the exemplars tell clips of known actions from others.

        Raises:
            ExemplarIndexError: If the index is empty.
        """
        with self._state.gallery() as gallery:
            return gallery.open_set(gallery.options).calibration

    def mirroring(self, choice: str = AUTO) -> Mirroring:
        """Whether mirror images of clips count where they are named, and why.

        Args:
            choice: As `ClassifyOptions.mirror`.

        Raises:
            ExemplarIndexError: If the index is empty.
        """
        with self._state.gallery() as gallery:
            return gallery.mirroring(choice)

    def prepare(self, progress: ReportProgress = no_progress) -> None:
        """Do now what naming the first clip would have to do.

        A small index compares its exemplars with each other, which takes at most some seconds and
        is kept in the file. A large one makes what it is searched by, or extends it; that is kept
        beside the file, in the folder `INDEX.cache`.

        Args:
            progress: Called with how much is done, and of how much.

        Raises:
            ExemplarIndexError: If the index is empty.
        """
        with self._state.gallery(progress) as gallery:
            if gallery.similarity is not None:
                gallery.similarity.matrix(progress)

    def compare_exemplars(self, progress: ReportProgress = no_progress) -> FloatArray:
        """Similarity of all exemplars to each other (E, E), in the order of their ids.

        Args:
            progress: Called with how many were compared, and of how many.

        Raises:
            ExemplarIndexError: If the index is empty.
            UsageError: If there are more than `EXHAUSTIVE_LIMIT`, of which not all are compared.
        """
        with self._state.gallery() as gallery:
            if gallery.similarity is None:
                raise UsageError(
                    f"{self._file}: {gallery.sizes[0]:,} examples are too many to compare each "
                    f"with each, at most {EXHAUSTIVE_LIMIT:,}"
                )
            return gallery.similarity.matrix(progress)

    def _check_queries(self, queries: Sequence[Features]) -> None:
        for query in queries:
            check_features(query, self.model, "query")
        with self._file.reading() as connection:
            self._check_flat(connection, queries)
