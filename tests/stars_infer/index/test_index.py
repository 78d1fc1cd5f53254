import multiprocessing
import os
import signal
import sqlite3
import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from stars_infer import ExemplarIndex
from stars_infer.classification.prediction import UNKNOWN, ClassifyOptions
from stars_infer.encoder.model import PRESENT, ModelInfo
from stars_infer.errors import ExemplarIndexError, UsageError
from stars_infer.index.index import NewExemplar
from stars_infer.preprocessing.prepare import Preprocessing
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.similarity.features import Features

MODEL = ModelInfo(
    name="toy", preprocessing=Preprocessing(), width=8, absent_bodies=PRESENT, fingerprint="f" * 64
)


def exemplar(label, direction, *, name="", tilt=0.0):
    vector = np.zeros(8, np.float32)
    vector[direction] = 2.0
    vector[(direction + 1) % 8] = tilt
    name = name or f"{label}-{direction}-{tilt}"
    return NewExemplar(
        label=label, features=Features(vector=vector), source=name, content_hash=name
    )


@pytest.fixture
def index(tmp_path):
    with ExemplarIndex.open(tmp_path / "stars.db", MODEL) as opened:
        yield opened


def test_nearest_exemplars_by_cosine(index):
    index.add([exemplar("a", 0), exemplar("b", 1), exemplar("c", 2)])
    query = Features(vector=5 * exemplar("?", 1, tilt=0.5).features.vector)
    ((nearest, second),) = index.search([query], 2)
    assert (nearest.label, second.label) == ("b", "c")
    assert nearest.similarity == pytest.approx(2 / np.hypot(2, 0.5))


def test_the_file_is_the_truth(tmp_path, index):
    index.add([exemplar("a", 0), exemplar("b", 1)])
    with ExemplarIndex.open(tmp_path / "stars.db", MODEL, create=False) as again:
        assert again.counts() == {"a": 1, "b": 1}
        assert [e.source for e in again.exemplars("b")] == ["b-1-0.0"]
        assert again.exemplars()[0].added.endswith("+00:00")
    mode = sqlite3.connect(tmp_path / "stars.db").execute("PRAGMA journal_mode").fetchone()[0]
    assert mode == "wal"


def test_adding_a_clip_twice_says_so_and_changes_nothing(index):
    first = exemplar("a", 0, name="clip")
    assert index.add([first, exemplar("b", 1)]) == [None, None]
    (there,) = index.add([replace(first, label="c", source="copy of clip")])
    assert (there.label, there.source) == ("a", "clip")
    assert index.counts() == {"a": 1, "b": 1}


def test_searches_see_changes_of_this_and_other_connections(tmp_path, index):
    index.add([exemplar("a", 0)])
    query = [exemplar("?", 3).features]
    assert index.search(query, 1)[0][0].label == "a"
    index.add([exemplar("b", 3)])
    assert index.search(query, 1)[0][0].label == "b"
    with ExemplarIndex.open(tmp_path / "stars.db", MODEL) as other:
        other.remove(label="b")
    assert index.search(query, 1)[0][0].label == "a"


def test_remove(index):
    index.add([exemplar("a", 0), exemplar("a", 1), exemplar("b", 2)])
    ids = {e.source: e.id for e in index.exemplars()}
    assert index.remove(ids=[ids["a-0-0.0"], 999]) == 1
    assert index.remove(label="b") == 1
    assert index.remove(label="b") == 0
    assert index.counts() == {"a": 1}


def test_empty_index_says_what_to_do(index):
    with pytest.raises(ExemplarIndexError, match="the index is empty; add clips with"):
        index.search([Features(vector=np.ones(8, np.float32))], 1)
    with pytest.raises(ExemplarIndexError, match="the index is empty"):
        index.classify([Features(vector=np.ones(8, np.float32))])


def test_index_of_another_model_is_refused_with_both_named(tmp_path, index):
    other = replace(MODEL, name="other", fingerprint="0" * 64)
    said = r"made by the model 'toy' .*this is 'other' .*; use that model, or another --index"
    with pytest.raises(ExemplarIndexError, match=said):
        ExemplarIndex.open(tmp_path / "stars.db", other)


def test_index_of_another_version_of_the_model_is_to_be_taught_again(tmp_path, index):
    newer = replace(MODEL, fingerprint="0" * 64)
    said = "use that version, or teach its clips to another --index"
    with pytest.raises(ExemplarIndexError, match=said):
        ExemplarIndex.open(tmp_path / "stars.db", newer)


def test_what_is_no_index(tmp_path):
    with pytest.raises(ExemplarIndexError, match="no index of examples here"):
        ExemplarIndex.open(tmp_path / "none.db", MODEL, create=False)
    assert not (tmp_path / "none.db").exists()
    (tmp_path / "text.db").write_text("hello " * 100)
    with pytest.raises(ExemplarIndexError, match="not a usable index of examples"):
        ExemplarIndex.open(tmp_path / "text.db", MODEL)
    foreign = sqlite3.connect(tmp_path / "foreign.db")
    foreign.execute("CREATE TABLE exemplars (id)")
    foreign.close()
    with pytest.raises(ExemplarIndexError, match="a database of another program"):
        ExemplarIndex.open(tmp_path / "foreign.db", MODEL)
    with pytest.raises(ExemplarIndexError, match="nothing of that name is there"):
        ExemplarIndex.open(tmp_path / "no-folder" / "stars.db", MODEL)


@pytest.mark.parametrize("label", ["", "  ", "two\nlines", "\x07"])
def test_labels_are_printable(index, label):
    with pytest.raises(UsageError, match="cannot be a label"):
        index.add([exemplar("good", 0), exemplar(label, 1, name="bad")])
    assert len(index) == 0


def test_descriptions_must_fit_the_model(index):
    for vector in (np.ones(9, np.float32), np.full(8, np.nan, np.float32)):
        wrong = replace(exemplar("a", 0), features=Features(vector=vector))
        with pytest.raises(UsageError, match="expected a finite vector"):
            index.add([wrong])


MAJORITY = ClassifyOptions(classifier="majority")


def test_votes_follow_the_smallest_class(index):
    index.add([exemplar("a", 0, tilt=t) for t in (0.3, 0.4, 0.5)])
    index.add([exemplar("b", 0, tilt=0.0)])
    query = [exemplar("?", 0).features]
    (one,) = index.classify(query, MAJORITY)
    assert one.label == "b"
    assert one.similarity == pytest.approx(1)
    assert one.margin == pytest.approx(1 - 2 / np.hypot(2, 0.3), abs=1e-6)
    assert [near.label for near in one.neighbors] == ["b", "a", "a", "a"]
    (three,) = index.classify(query, replace(MAJORITY, k=3))
    assert three.label == "a"
    assert three.margin < 0


def test_a_clip_of_another_kind_is_unknown_and_a_known_one_is_not(index):
    index.add([exemplar(str(number), number, tilt=t) for number in range(4) for t in (0.0, 0.2)])
    known, unknown_clip = index.classify([exemplar("?", 1).features, exemplar("?", 6).features])
    assert (known.answer, known.label, known.known) == ("1", "1", True)
    assert (unknown_clip.answer, unknown_clip.known) == (UNKNOWN, False)
    assert unknown_clip.confidence < 0.3 < 0.7 < known.confidence
    assert unknown_clip.label in "0123"
    assert known.second in "023"


def test_the_threshold_is_kept_and_can_be_given_for_once(tmp_path):
    path = tmp_path / "stars.db"
    with ExemplarIndex.open(path, MODEL) as index:
        index.add([exemplar(str(n), n, tilt=t) for n in range(4) for t in (0.0, 0.2)])
        query = [exemplar("?", 1).features]
        assert index.options() == ClassifyOptions()
        index.set_false_accept_rate(0.01)
    with ExemplarIndex.open(path, MODEL) as index:
        assert index.options() == ClassifyOptions(false_accept_rate=0.01)
        strict = index.calibration().threshold(0.01)
        (answer,) = index.classify(query)
        assert answer.known == (answer.chance_known > strict)
        assert index.classify(query, ClassifyOptions(false_accept_rate=0.999))[0].known
        index.set_false_accept_rate(None)
        assert index.options() == ClassifyOptions()
        for share in (0.0, 1.0, -1.0, 2.0):
            with pytest.raises(UsageError, match="false_accept_rate must be above 0 and below 1"):
                index.set_false_accept_rate(share)


def test_unknown_classifier_is_refused():
    with pytest.raises(UsageError, match="no classifier 'forest'"):
        ClassifyOptions(classifier="forest")


def test_similarity_of_exemplars_is_kept_and_only_new_ones_are_compared(tmp_path):
    path = tmp_path / "stars.db"
    with ExemplarIndex.open(path, MODEL) as index:
        index.add([exemplar("a", n) for n in range(4)])
        compared = []
        first = index.compare_exemplars(lambda at, end: compared.append(at))
        assert (max(compared), first.shape) == (4, (4, 4))
        np.testing.assert_allclose(np.diag(first), 1, atol=1e-6)
        index.add([exemplar("b", 2, tilt=0.5), exemplar("b", 3, tilt=0.5)])
        index.remove(ids=[index.exemplars("a")[1].id])
    with ExemplarIndex.open(path, MODEL) as index:
        compared.clear()
        again = index.compare_exemplars(lambda at, end: compared.append(at))
        assert max(compared) == 2
        np.testing.assert_array_equal(again[:3, :3], first[np.ix_([0, 2, 3], [0, 2, 3])])
        np.testing.assert_array_equal(again, again.T)
        vectors = np.stack([d.vector for _, d in sorted(index.features(), key=lambda p: p[0].id)])
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        np.testing.assert_allclose(again, unit @ unit.T, atol=1e-6)
        compared.clear()
        index.compare_exemplars(lambda at, end: compared.append(at))
        assert not compared


def test_too_many_exemplars_are_not_compared_each_with_each(index, monkeypatch):
    monkeypatch.setattr("stars_infer.index.small.EXHAUSTIVE_LIMIT", 3)
    index.add([exemplar("a", n) for n in range(4)])
    with pytest.raises(UsageError, match="4 examples are too many"):
        index.compare_exemplars()


def test_an_index_that_cannot_be_written_still_names_clips(tmp_path):
    path = tmp_path / "stars.db"
    with ExemplarIndex.open(path, MODEL) as index:
        index.add([exemplar(str(n), n) for n in range(4)])
        blocker = sqlite3.connect(path, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        assert index.classify([exemplar("?", 1).features])[0].label == "1"
        blocker.close()


def test_a_large_index_decides_by_the_nearest(index, monkeypatch):
    monkeypatch.setattr("stars_infer.index.small.EXHAUSTIVE_LIMIT", 20)
    monkeypatch.setattr("stars_infer.index.gallery.EXHAUSTIVE_LIMIT", 20)
    index.add([exemplar(str(n), n, tilt=t / 40) for n in range(5) for t in range(6)])
    known, unknown_clip = index.classify([exemplar("?", 1).features, exemplar("?", 6).features])
    assert known.answer == "1"
    assert unknown_clip.chance_known < known.chance_known
    with pytest.raises(UsageError, match="at most 20 examples, the index holds 30"):
        index.classify([exemplar("?", 1).features], ClassifyOptions(classifier="prototypes"))


def test_single_class_has_no_margin(index):
    index.add([exemplar("a", 0), exemplar("a", 1)])
    (answer,) = index.classify([exemplar("?", 0).features])
    assert answer.margin is None


def test_margin_reaches_a_second_label_however_far(index):
    index.add([exemplar("a", 0, tilt=t / 1000) for t in range(200)])
    index.add([exemplar("b", 4)])
    (answer,) = index.classify([exemplar("?", 0).features])
    assert (answer.label, answer.margin) == ("a", pytest.approx(1.0, abs=1e-6))


VOTE = ClassifyOptions(classifier="vote", k=3)
COMPARING = replace(MODEL, fingerprint="c" * 64, comparison=SequenceConfig(steps=4))


def moving(seed, *, bodies=1, noise=0.0):
    """A description whose vector says nothing and whose sequence says all."""
    random = np.random.default_rng(seed)
    sequence = random.normal(size=(2, *COMPARING.comparison.shape[1:]))[:bodies]
    sequence += noise * np.random.default_rng(99).normal(size=sequence.shape)
    sequence /= np.sqrt(np.square(sequence).sum(axis=2).mean(axis=1))[:, None, None]
    return Features(vector=np.ones(8, np.float32), sequence=sequence.astype(np.float32))


def moving_exemplar(label, seed, **how):
    name = f"{label}-{seed}"
    return NewExemplar(label=label, features=moving(seed, **how), source=name, content_hash=name)


def test_sequences_of_one_and_two_bodies_are_found_by_warping(tmp_path):
    path = tmp_path / "stars.db"
    with ExemplarIndex.open(path, COMPARING) as index:
        index.add([moving_exemplar("solo", seed) for seed in range(3)])
        index.add([moving_exemplar("pair", seed, bodies=2) for seed in range(3, 6)])
        before = index.search([moving(1), moving(4, bodies=2)], 6)
    with ExemplarIndex.open(path, COMPARING, create=False) as again:
        found = again.search([moving(1), moving(4, bodies=2)], 6)
        assert found == before
        assert [near[0].source for near in found] == ["solo-1", "pair-4"]
        for near in found:
            assert len(near) == 6
            # Half precision on disk.
            assert near[0].similarity == pytest.approx(1, abs=2e-3)
            assert near[0].similarity > near[1].similarity + 0.2
        queries = [moving(2, noise=0.1), moving(5, bodies=2, noise=0.1)]
        assert [answer.label for answer in again.classify(queries)] == ["solo", "pair"]
        again.add([moving_exemplar("late", 9)])
        assert again.classify([moving(9)])[0].label == "late"
    blobs = sqlite3.connect(path).execute("SELECT bodies, length(sequence) FROM exemplars")
    assert set(blobs.fetchall()) == {(1, 2 * 4 * 75), (2, 2 * 2 * 4 * 75)}


def test_the_model_says_how_votes_are_weighted(tmp_path):
    with ExemplarIndex.open(tmp_path / "stars.db", COMPARING) as index:
        index.add([moving_exemplar("near", 0), moving_exemplar("near", 7)])
        index.add([moving_exemplar("far", 0, noise=0.5)])
        index.add([replace(moving_exemplar("far", 1), features=moving(0, noise=0.6))])
        assert index.classify([moving(0)], VOTE)[0].label == "near"
    warm = replace(COMPARING, comparison=SequenceConfig(steps=4, temperature=1e6))
    with ExemplarIndex.open(tmp_path / "stars.db", warm) as index:
        assert index.classify([moving(0)], VOTE)[0].label == "far"


@pytest.mark.parametrize(
    ("sequence", "says"),
    [
        (None, "got None"),
        (np.zeros((1, 5, 75), np.float32), r"got \(1, 5, 75\)"),
        (np.zeros((3, 4, 75), np.float32), r"got \(3, 4, 75\)"),
        (np.full((1, 4, 75), np.nan, np.float32), r"got \(1, 4, 75\)"),
    ],
)
def test_descriptions_without_the_right_sequence_are_refused(tmp_path, sequence, says):
    wrong = Features(vector=np.ones(8, np.float32), sequence=sequence)
    with ExemplarIndex.open(tmp_path / "stars.db", COMPARING) as index:
        index.add([moving_exemplar("a", 0)])
        with pytest.raises(UsageError, match=f"clip.npy: expected a finite sequence .*{says}"):
            index.add([replace(moving_exemplar("a", 1), features=wrong, source="clip.npy")])
        for ask in (partial(index.search, k=1), index.classify):
            with pytest.raises(UsageError, match="query: expected a finite sequence"):
                ask([wrong])
        assert len(index) == 1


def test_a_sequence_is_refused_where_vectors_are_compared(index):
    index.add([exemplar("a", 0)])
    with pytest.raises(UsageError, match=r"expected no sequence, got \(1, 4, 75\)"):
        index.add([moving_exemplar("a", 1)])
    with pytest.raises(UsageError, match="query: expected no sequence"):
        index.search([moving(1)], 1)


def test_an_index_of_vectors_is_none_of_sequences(tmp_path, index):
    index.add([exemplar("a", 0)])
    with pytest.raises(ExemplarIndexError, match="made by the model 'toy'"):
        ExemplarIndex.open(tmp_path / "stars.db", COMPARING)


def _add_many(path, worker, count):
    with ExemplarIndex.open(path, MODEL) as index:
        for n in range(count):
            index.add([exemplar(f"w{worker}", worker, name=f"{worker}-{n}")])


def test_processes_add_at_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=_add_many, args=(tmp_path / "stars.db", worker, 25))
        for worker in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(300)
        assert worker.exitcode == 0
    with ExemplarIndex.open(tmp_path / "stars.db", MODEL) as index:
        assert index.counts() == {"w0": 25, "w1": 25, "w2": 25}


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_a_kill_loses_nothing_that_was_added(tmp_path):
    path = tmp_path / "stars.db"
    with ExemplarIndex.open(path, MODEL) as index:
        index.add([exemplar("kept", 0)])
    worker = multiprocessing.get_context("spawn").Process(target=_add_many, args=(path, 1, 10**6))
    worker.start()
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        with ExemplarIndex.open(path, MODEL) as index:
            before = len(index)
        if before > 3:
            break
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    with ExemplarIndex.open(path, MODEL) as index:
        assert len(index) >= before
        assert index.counts()["kept"] == 1
        index.add([exemplar("after", 2)])
        assert index.search([exemplar("?", 2).features], 1)[0][0].label == "after"


def test_the_number_of_neighbors_is_checked(index):
    for wrong in (0, -1, 1.5, "2", True):
        with pytest.raises(UsageError, match="k must be a whole number and at least 1"):
            index.search([], wrong)
