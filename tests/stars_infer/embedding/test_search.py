"""The most similar clips are found in an index, a collection and a folder alike."""

import numpy as np
import pytest

from stars_infer import Recognizer
from stars_infer.embedding.collection import embed_collection
from stars_infer.embedding.search import search_files
from stars_infer.errors import ClipError, CollectionError, ExemplarIndexError
from stars_infer.readers.files import clip_files


@pytest.fixture(scope="module")
def recognizer(recordings):
    recognizer = Recognizer(device="cpu")
    for action in ("wave", "walk"):
        recognizer.add(action, recordings / action)
    return recognizer


@pytest.fixture(scope="module")
def places(recognizer, recordings, tmp_path_factory):
    """The same eight clips as an index and as a collection."""
    folder = tmp_path_factory.mktemp("searched")
    recognizer.save(folder / "stars.db")
    paths = clip_files([recordings / "wave", recordings / "walk"])
    embed_collection(recognizer.encoder, paths, skip=pytest.fail, out=folder / "clips.npz")
    return folder


@pytest.mark.parametrize("by", [None, "sequence", "vector"])
def test_an_index_a_collection_and_a_folder_give_the_same_hits(recognizer, places, recordings, by):
    queries = clip_files([recordings / "squat"])[:2]

    def found(place, k=8):
        return search_files(
            recognizer.encoder, queries, places / place, skip=pytest.fail, k=k, by=by
        )

    index, collection = found("stars.db"), found("clips.npz")
    folder = search_files(
        recognizer.encoder, queries, recordings, skip=pytest.fail, k=28, by=by, workers=1
    )
    for number, query in enumerate(queries):
        (file, one), (_, other), (_, whole) = index[number], collection[number], folder[number]
        assert file.source == str(query)
        assert [hit.source for hit in one] == [hit.source for hit in other]
        assert {hit.label for hit in one} == {"wave", "walk"}
        assert {hit.label for hit in other} == {None}
        near = {hit.source: hit.similarity for hit in whole}
        for hit, same in zip(one, other, strict=True):
            assert hit.similarity == pytest.approx(same.similarity, abs=2e-3)
            assert hit.similarity == pytest.approx(near[hit.source], abs=2e-3)
    if by != "vector":
        for (_, hits), neighbors in zip(
            found("stars.db", 3), recognizer.search(queries, 3), strict=True
        ):
            assert [(hit.source, hit.similarity) for hit in hits] == [
                (near.source, near.similarity) for near in neighbors
            ]


def test_progress_is_reported_for_each_clip_of_a_folder(recognizer, recordings):
    (clip, *_), told = clip_files([recordings / "wave"]), []
    search_files(
        recognizer.encoder,
        [clip],
        recordings / "wave",
        skip=pytest.fail,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize("by", ["sequence", "vector"])
def test_where_nothing_is_nothing_is_searched(recognizer, recordings, tmp_path, by):
    encoder, (clip, *_) = recognizer.encoder, clip_files([recordings / "wave"])

    def search(within, skip=pytest.fail):
        return search_files(encoder, [clip], within, skip=skip, by=by)

    Recognizer(tmp_path / "empty.db").close()
    with pytest.raises(ExemplarIndexError, match="empty"):
        search(tmp_path / "empty.db")
    with pytest.raises(ExemplarIndexError, match="no index of examples here"):
        search(tmp_path / "none.db")
    with pytest.raises(CollectionError, match="no such collection"):
        search(tmp_path / "none.npz")
    with pytest.raises(ClipError, match="no clip in this folder"):
        search(tmp_path)
    np.save(tmp_path / "bad.npy", np.zeros((9, 20, 3)))
    left_out = []
    with pytest.raises(CollectionError, match="no clip could be used"):
        search(tmp_path, left_out.append)
    assert [error.source for error in left_out] == [str(tmp_path / "bad.npy")]


def test_a_collection_is_written_only_if_it_holds_something(recognizer, recordings, tmp_path):
    told = []
    with pytest.raises(CollectionError, match="nothing was written"):
        embed_collection(
            recognizer.encoder, [tmp_path / "no.npy"], skip=told.append, out=tmp_path / "x.npz"
        )
    assert len(told) == 1
    assert not list(tmp_path.iterdir())
