import json
import os
from dataclasses import asdict, replace

import numpy as np
import pytest

from stars_infer.embedding.collection import Collection
from stars_infer.embedding.collection_file import FORMAT
from stars_infer.embedding.files import embed_files
from stars_infer.errors import CollectionError, UsageError
from stars_infer.preprocessing.prepare import Preprocessing
from stars_infer.similarity.comparison import DEVIATION, Kernel, SequenceConfig
from stars_infer.similarity.dtw import WarpingGallery
from stars_infer.similarity.features import Features, unit

STEPS, WIDTH = 8, 75
HOW = SequenceConfig(preprocessing=Preprocessing(frames=16), steps=STEPS)


def clip_features(count, *, seed=0, sequences=True):
    random = np.random.default_rng(seed)
    return [
        Features(
            vector=random.normal(size=4).astype(np.float32),
            sequence=random.normal(size=(1 + n % 2, STEPS, WIDTH)).astype(np.float16)
            if sequences
            else None,
        )
        for n in range(count)
    ]


def collection(count=7, **change):
    values = {
        "sources": [f"clip {n}.npy" for n in range(count)],
        "clip_features": clip_features(count),
        "content_hashes": [f"{n:064x}" for n in range(count)],
        "model": "some",
        "fingerprint": "f" * 64,
        "comparison": HOW,
    }
    return Collection(**{**values, **change})


def test_saved_and_loaded_it_is_the_same(tmp_path):
    for labels in (None, [f"action {n}" for n in range(7)]):
        saved = collection(labels=labels)
        saved.save(tmp_path / "x.npz")
        loaded = Collection.load(tmp_path / "x.npz")
        assert loaded.sources == saved.sources
        assert loaded.labels == labels
        assert loaded.content_hashes == saved.content_hashes
        assert (loaded.model, loaded.fingerprint) == ("some", "f" * 64)
        assert loaded.comparison == HOW
        for one, other in zip(loaded.clip_features, saved.clip_features, strict=True):
            np.testing.assert_array_equal(one.vector, other.vector)
            np.testing.assert_array_equal(one.sequence, other.sequence)
            assert one.sequence.dtype == np.float16
        assert os.listdir(tmp_path) == ["x.npz"]
        for one, other in zip(
            loaded.search(saved.clip_features, 3), saved.search(saved.clip_features, 3), strict=True
        ):
            assert one == other


@pytest.mark.parametrize(
    "how",
    [
        replace(HOW, kernel_width=0.3),
        replace(HOW, kernels=(Kernel(content=DEVIATION, width=0.5),)),
        replace(HOW, mirror=Kernel(width=0.2), temperature=3),
    ],
)
def test_clips_are_compared_as_the_model_did_that_made_the_file(tmp_path, how):
    saved = collection(comparison=how)
    saved.save(tmp_path / "x.npz")
    loaded = Collection.load(tmp_path / "x.npz")
    assert loaded.comparison == how
    queries = clip_features(2, seed=5)
    assert loaded.search(queries, 3) == saved.search(queries, 3)
    gallery = WarpingGallery([one.sequence for one in saved.clip_features], how)
    for query, (first, *_) in zip(queries, loaded.search(queries, 3), strict=True):
        assert first.similarity == pytest.approx(gallery.similarities(query.sequence).max())


def test_sequences_need_to_be_told_how_they_are_compared(tmp_path):
    lacking = collection(comparison=None)
    assert lacking.default_by == "sequence"
    for use in (
        lambda: lacking.search(clip_features(1), 1),
        lambda: lacking.save(tmp_path / "x.npz"),
    ):
        with pytest.raises(UsageError, match="needs its model's comparison"):
            use()
    assert lacking.search(clip_features(1), 1, by="vector")[0][0].source == "clip 0.npy"
    assert not list(tmp_path.iterdir())


def test_vectors_alone_need_no_comparison(tmp_path):
    kept = collection(comparison=None, clip_features=clip_features(7, sequences=False))
    kept.save(tmp_path / "x.npz")
    loaded = Collection.load(tmp_path / "x.npz")
    assert loaded.comparison is None
    assert loaded.search(kept.clip_features[:2], 2) == kept.search(kept.clip_features[:2], 2)


@pytest.mark.parametrize("by", ["sequence", "vector", None])
def test_it_finds_the_nearest_by_either_comparison(by):
    kept = collection()
    queries = clip_features(3, seed=5)
    if by == "vector":
        vectors, asked = (
            unit(np.stack([one.vector for one in some])) for some in (kept.clip_features, queries)
        )
        expected = asked @ vectors.T
    else:
        gallery = WarpingGallery([one.sequence for one in kept.clip_features], HOW)
        expected = np.stack([gallery.similarities(one.sequence) for one in queries])
    for hits, near in zip(kept.search(queries, 4, by=by), expected, strict=True):
        order = np.argsort(-near)[:4]
        assert [hit.source for hit in hits] == [kept.sources[place] for place in order]
        np.testing.assert_allclose([hit.similarity for hit in hits], near[order], atol=1e-5)
        assert {hit.label for hit in hits} == {None}
    assert len(kept.search(queries[:1], 100, by=by)[0]) == 7


@pytest.mark.parametrize("by", ["sequence", "vector"])
def test_clips_in_2d_are_found_by_clips_in_2d_only(tmp_path, by):
    features = [replace(one, flat=at % 3 == 0) for at, one in enumerate(clip_features(7))]
    collection(clip_features=features).save(tmp_path / "x.npz")
    kept = Collection.load(tmp_path / "x.npz")
    assert [one.flat for one in kept.clip_features] == [one.flat for one in features]
    queries = [replace(one, flat=at == 1) for at, one in enumerate(clip_features(3, seed=5))]
    found = kept.search(queries, 10, by=by)
    for query, hits in zip(queries, found, strict=True):
        wanted = {kept.sources[at] for at in range(7) if features[at].flat == query.flat}
        assert {hit.source for hit in hits} == wanted
        assert kept.search([query], 10, by=by) == [hits]
    with pytest.raises(UsageError, match="the clip is in 2D, but all of the collection in 3D"):
        collection().search(queries[1:2], by=by)


def test_what_is_not_there_cannot_be_compared():
    kept, (query,) = collection(clip_features=clip_features(7, sequences=False)), clip_features(1)
    assert kept.default_by == "vector"
    with pytest.raises(UsageError, match="holds no sequences: search it by vector"):
        kept.search([query], 1, by="sequence")
    with pytest.raises(UsageError, match="a query has no vector"):
        kept.search([Features(vector=None, sequence=query.sequence)], 1)
    asked = [Features(vector=None, sequence=one.sequence) for one in clip_features(7)]
    with pytest.raises(UsageError, match="holds no vectors: search it by sequence"):
        collection(clip_features=asked).search([query], 1, by="vector")
    with pytest.raises(UsageError, match="a clip has no vector"):
        collection(clip_features=asked).save("never.npz")
    with pytest.raises(UsageError, match="at least 1; got 0"):
        kept.search([query], 0)


def test_queries_of_another_form_are_refused():
    longer = Features(vector=np.ones(4, np.float32), sequence=np.ones((1, 9, WIDTH), np.float32))
    with pytest.raises(UsageError, match=r"expected a finite sequence \(8, 75\), got \(9, 75\)"):
        collection().search([longer], 1)
    wide = Features(vector=np.ones(5, np.float32))
    with pytest.raises(UsageError, match=r"expected a finite vector \(4,\), got \(5,\)"):
        collection().search([wide], 1, by="vector")
    broken = Features(vector=np.full(4, np.nan, np.float32))
    with pytest.raises(UsageError, match="finite"):
        collection().search([broken], 1, by="vector")


def test_parts_that_do_not_fit_make_no_collection():
    with pytest.raises(UsageError, match="as many sources"):
        collection(sources=["one"])
    with pytest.raises(UsageError, match="as many sources"):
        collection(labels=["one"])
    with pytest.raises(UsageError, match="at least one clip"):
        Collection(sources=[], clip_features=[])


def test_a_file_of_vectors_and_sources_alone_is_searched_by_cosine(tmp_path, encoder):
    vectors = np.random.default_rng(0).normal(size=(5, encoder.info.width)).astype(np.float32)
    np.savez(tmp_path / "old.npz", embeddings=vectors, sources=np.array(list("abcde")))
    old = Collection.load(tmp_path / "old.npz", model=encoder.info)
    assert old.default_by == "vector"
    ((hit,),) = old.search([Features(vector=2 * vectors[3])], 1)
    assert (hit.source, hit.similarity) == ("d", pytest.approx(1))
    np.savez(tmp_path / "old.npz", embeddings=vectors[:, :9], sources=np.array(list("abcde")))
    with pytest.raises(CollectionError, match=f"vectors of 9 numbers.* makes {encoder.info.width}"):
        Collection.load(tmp_path / "old.npz", model=encoder.info)


def test_a_file_of_another_model_is_refused_and_both_are_named(tmp_path, encoder, recordings):
    clips = sorted((recordings / "wave").iterdir())[:2]
    files = list(embed_files(encoder, clips, layout=None, skip=pytest.fail))
    Collection.of_files(files, encoder.info).save(tmp_path / "mine.npz")
    mine = Collection.load(tmp_path / "mine.npz", model=encoder.info)
    assert mine.search([files[1].features], 1)[0][0].source == str(clips[1])
    collection().save(tmp_path / "other.npz")
    with pytest.raises(CollectionError) as refused:
        Collection.load(tmp_path / "other.npz", model=encoder.info)
    for part in ("'some'", "ffffffffffff", repr(encoder.info.name), encoder.info.fingerprint[:12]):
        assert part in str(refused.value)


def damaged(arrays, name, value):
    return {**arrays, name: value} if value is not None else {
        key: array for key, array in arrays.items() if key != name
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("embeddings", None, "expected the arrays 'embeddings' and 'sources'"),
        ("sources", None, "expected the arrays 'embeddings' and 'sources'"),
        ("format", np.array(FORMAT + 1), "another version of stars-infer: make it again"),
        ("format", np.array("x"), "damaged"),
        ("embeddings", np.full((7, 4), np.inf, np.float32), "not finite vectors"),
        ("embeddings", np.zeros(7, np.float32), "damaged"),
        ("embeddings", np.zeros((6, 4), np.float32), "damaged"),
        ("sources", np.arange(7), "expected a list of texts"),
        ("bodies", None, "damaged"),
        ("bodies", np.full(7, 3, np.uint8), "not 1 or 2"),
        ("bodies", np.ones(7, np.uint8), "not finite ones of 7 bodies"),
        ("sequences", np.full((10, 8, 75), np.nan, np.float16), "not finite ones"),
        ("flat", np.zeros(7), "expected 7 truth values 'flat'"),
        ("content_hashes", np.array(["a"]), "as many sources"),
        ("comparison", None, "another version of stars-infer: make it again"),
        ("comparison", np.array("warping"), "damaged"),
        ("comparison", np.array("[]"), "damaged"),
        ("comparison", np.array('{"steps": 8}'), "damaged"),
        ("comparison", np.array(json.dumps(asdict(HOW) | {"steps": 6})), "cannot be halved twice"),
        ("comparison", np.array(json.dumps(asdict(HOW) | {"steps": 16})), "compared as .16, 75"),
        ("sequences", np.ones((10, 8, 72), np.float16), r"\(8, 72\) are compared as \(8, 75\)"),
    ],
)
def test_damage_is_told(tmp_path, name, value, message):
    path = tmp_path / "x.npz"
    collection().save(path)
    with np.load(path) as archive:
        arrays = dict(archive)
    np.savez(path, **damaged(arrays, name, value))
    with pytest.raises(CollectionError, match=message) as told:
        Collection.load(path)
    assert str(told.value).startswith(str(path))


def test_what_is_no_archive_is_told_and_nothing_is_unpickled(tmp_path):
    with pytest.raises(CollectionError, match="no such collection; make one with `stars embed"):
        Collection.load(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(CollectionError, match="not a readable .npz archive"):
        Collection.load(tmp_path / "text.npz")
    np.savez(tmp_path / "objects.npz", embeddings=np.array([{}]), sources=np.array([{}]))
    with pytest.raises(CollectionError, match="not a readable .npz archive"):
        Collection.load(tmp_path / "objects.npz")
    with pytest.raises(UsageError, match="ending .npz"):
        collection().save(tmp_path / "x.db")


def test_a_kill_while_saving_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x.npz"
    collection().save(path)
    before = path.read_bytes()

    def die(file, **arrays):
        file.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", die)
    with pytest.raises(KeyboardInterrupt):
        collection(3).save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["x.npz"]
