"""A large index: its cache, what came and went since, and that a bad cache is never believed."""

import multiprocessing
import os
import shutil
import sqlite3
from dataclasses import replace

import numpy as np
import pytest

from stars_infer import ExemplarIndex
from stars_infer.classification.unknown_share import EXPECTED_UNKNOWN, chances_of, odds_of_known
from stars_infer.encoder.model import PRESENT, ModelInfo
from stars_infer.errors import ExemplarIndexError
from stars_infer.index import derived, exemplar
from stars_infer.index.index import NewExemplar
from stars_infer.index.large import store as store
from stars_infer.index.large.ann import IVFIndex
from stars_infer.index.large.cache import current_token, removed_ids
from stars_infer.index.values import write_value
from stars_infer.preprocessing.prepare import Preprocessing
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.similarity.dtw import WarpingGallery
from stars_infer.similarity.features import Features, unit

MODEL = ModelInfo(
    name="toy", preprocessing=Preprocessing(), width=16, absent_bodies=PRESENT, fingerprint="f" * 64
)
COMPARING = replace(MODEL, fingerprint="c" * 64, comparison=SequenceConfig(steps=4))


@pytest.fixture(autouse=True)
def _small_is_large(monkeypatch):
    """Everything that begins with size begins with fewer."""
    monkeypatch.setattr("stars_infer.index.small.EXHAUSTIVE_LIMIT", 20)
    monkeypatch.setattr(store, "FRESH", 50)


def drawn(count, *, seed=0):
    """Vectors about ten centers, and which."""
    random = np.random.default_rng(seed)
    classes = random.integers(0, 10, count)
    centers = np.random.default_rng(99).normal(size=(10, 16))
    return np.float32(centers[classes] + 0.3 * random.normal(size=(count, 16))), classes


def exemplars(count, *, seed=0):
    vectors, classes = drawn(count, seed=seed)
    return [
        NewExemplar(
            label=f"action {label}",
            features=Features(vector=vector),
            source=f"{seed}/{position}",
            content_hash=f"{seed}/{position}",
        )
        for position, (vector, label) in enumerate(zip(vectors, classes, strict=True))
    ]


def truth(index, queries, k):
    """Sources of the truly nearest, from the rows alone."""
    kept = index.features()
    cosines = (
        unit(np.stack([q.vector for q in queries]))
        @ unit(np.stack([item.vector for _, item in kept])).T
    )
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    return [[kept[position][0].source for position in row] for row in order]


def sources(found):
    return [[near.source for near in row] for row in found]


def recall(found, true):
    return np.mean([np.isin(one, other).mean() for one, other in zip(true, found, strict=True)])


def queries(count=20):
    return [Features(vector=vector) for vector in drawn(count, seed=7)[0]]


def open_index(path, model=MODEL):
    return ExemplarIndex.open(path, model)


@pytest.fixture
def path(tmp_path):
    """An index of 600 exemplars with its cache."""
    with open_index(tmp_path / "stars.db") as index:
        index.add(exemplars(600))
        index.prepare()
    return tmp_path / "stars.db"


def folder(path):
    return path.with_name("stars.db.cache")


def files(path):
    return sorted(file.name for file in folder(path).iterdir())


def check(index, k=5):
    """That it gives what the rows hold, with exact similarities."""
    asked = queries()
    found = index.search(asked, k)
    assert recall(sources(found), truth(index, asked, k)) >= 0.98
    there = {one.source: (one.label, item.vector) for one, item in index.features()}
    for query, row in zip(asked, found, strict=True):
        assert len(row) == k
        assert [near.similarity for near in row] == sorted(
            (near.similarity for near in row), reverse=True
        )
        for near in row:
            label, vector = there[near.source]  # nothing that was removed
            assert near.label == label
            cosine = unit(vector[None])[0] @ unit(query.vector[None])[0]
            assert near.similarity == pytest.approx(float(cosine), abs=1e-5)


def test_a_large_index_is_opened_from_its_cache(path, monkeypatch):
    (facts, lists) = sorted(files(path), key=lambda name: name.endswith(".faiss"))
    assert facts.removesuffix(".npz") == lists.removesuffix(".faiss")

    def never(*args, **kwargs):
        raise AssertionError("made again")

    monkeypatch.setattr(IVFIndex, "of", never)
    with open_index(path) as index:
        check(index)
        asked = queries()
        found = index.search(asked, 150)  # more than are compared by their vectors
        assert recall(sources(found), truth(index, asked, 150)) >= 0.95
        for row in found:
            assert len(row) == len({near.source for near in row}) == 150
            similarities = [near.similarity for near in row]
            assert similarities == sorted(similarities, reverse=True)
    _, classes = drawn(20, seed=7)
    with open_index(path) as index:
        answers = index.classify(queries())
        named = np.mean([a.label == f"action {c}" for a, c in zip(answers, classes, strict=True)])
        assert named >= 0.9


def test_making_it_says_how_far_it_is(tmp_path):
    said = []
    with open_index(tmp_path / "stars.db") as index:
        index.add(exemplars(600))
        index.prepare(lambda at, end: said.append((at, end)))
        assert said == sorted(said)
        assert said[-1][0] == said[-1][1]
        said.clear()
        index.prepare(lambda at, end: said.append((at, end)))
        assert not said


def test_what_comes_and_goes_is_seen_at_once(path):
    before = files(path)
    with open_index(path) as index, open_index(path) as other:
        check(index)
        other.add(exemplars(30, seed=1))
        check(index)
        ids = {one.source: one.id for one in index.exemplars()}
        nearest = sources(index.search(queries(), 1))
        other.remove(ids=[ids[source] for (source,) in nearest] + [ids["1/3"]])
        check(index)
        other.remove(label="action 3")
        check(index)
        assert "action 3" not in {one.label for one in index.classify(queries())}
        assert files(path) == before
    with open_index(path) as again:
        check(again)


def test_a_new_action_is_named(path):
    query = Features(vector=np.float32(-10 * np.ones(16)))
    with open_index(path) as index:
        assert index.classify([query])[0].label.startswith("action")
        new = NewExemplar(label="a new one", features=query, source="n", content_hash="n")
        index.add([new])
        assert index.classify([query])[0].label == "a new one"
        assert index.search([query], 1)[0][0].source == "n"


def test_many_new_ones_go_into_the_cache(path, monkeypatch):
    before = files(path)
    with open_index(path) as index, open_index(path) as other:
        check(other)
        index.add(exemplars(60, seed=1))
        index.remove(ids=[index.exemplars()[0].id])
        monkeypatch.setattr(IVFIndex, "of", None)  # the centroids stay
        check(index)
        after = files(path)
        assert len(after) == 2
        assert set(after).isdisjoint(before)
        check(other)  # which follows
        assert index._state._large._cache.token == other._state._large._cache.token
        assert len(index._state._large._fresh.ids) == 0


def test_a_file_that_vanishes_meanwhile_keeps_no_other_from_being_swept(path):
    """As one does that another process sweeps at the same moment."""
    before = files(path)
    for letter in "0123456789abcdef":
        (folder(path) / f"{letter * 16}.npz").symlink_to(path.with_name("gone"))
    with open_index(path) as index:
        index.add(exemplars(60, seed=1))
        check(index)
    assert set(files(path)).isdisjoint(before)


@pytest.fixture
def ended():
    """The number of a process that has ended."""
    process = multiprocessing.get_context("forkserver").Process(target=int)
    process.start()
    process.join()
    return process.pid


def test_what_a_killed_process_left_is_deleted_when_a_cache_is_loaded(path, ended):
    before = files(path)
    machine, _, own = before[0].partition("-")
    assert own.startswith(f"{os.getpid()}-")
    there = (f"{machine}-{os.getppid()}-{'a' * 16}.npz", f"{'0' * 8}-{ended}-{'b' * 16}.faiss")
    for name in (
        *there,
        f"{machine}-{ended}-{'c' * 16}.npz",
        f"{machine}-{ended}-{'d' * 16}.faiss",
    ):
        (folder(path) / name).write_bytes(b"")
    (folder(path) / "notes.txt").write_text("mine")
    with open_index(path) as index:
        check(index)
    assert set(files(path)) == {*before, *there, "notes.txt"}  # of others that may be at it
    for name in there:
        os.utime(folder(path) / name, (0, 0))
    with open_index(path) as index:
        check(index)
    assert set(files(path)) == {*before, "notes.txt"}


def test_a_cache_that_counts_stays_when_its_process_has_ended(path, ended):
    with open_index(path) as index:
        (token,) = index._file.connection.execute("SELECT value FROM settings WHERE key = 'cache'")
        name = token[0].replace(f"-{os.getpid()}-", f"-{ended}-")
        with index._file.writing("") as connection:
            write_value(connection, "cache", name)
    for file in folder(path).iterdir():
        file.rename(folder(path) / file.name.replace(f"-{os.getpid()}-", f"-{ended}-"))
    before = files(path)
    with open_index(path) as index:
        check(index)
    assert files(path) == before


def test_facts_of_another_cache_are_not_believed(path):
    """Whole in themselves, and of the same lists, but not what the index was told of."""
    (facts,) = folder(path).glob("*.npz")
    with np.load(facts) as found:
        content = dict(found)
    content["labels"] = np.roll(content["labels"], 1)
    np.savez(facts, **content)
    with open_index(path) as index:
        check(index)
        assert not facts.exists()


def test_a_cache_of_much_that_was_removed_is_made_anew(path):
    with open_index(path) as index:
        for label in range(4):
            index.remove(label=f"action {label}")
        check(index)
        cache = index._state._large._cache
        assert len(cache.ids) == len(index)
        assert not len(removed_ids(index._file.connection))


def cut_short(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def one_byte_changed(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 255
    file.write_bytes(content)


def emptied(file):
    file.write_bytes(b"")


@pytest.mark.parametrize("ending", [".npz", ".faiss"])
@pytest.mark.parametrize("spoil", [cut_short, one_byte_changed, emptied, os.unlink])
def test_a_damaged_cache_is_made_again(path, ending, spoil):
    (file,) = folder(path).glob(f"*{ending}")
    spoil(file)
    with open_index(path) as index:
        check(index)
        assert current_token(index._file.connection).partition(".")[0] != file.stem
    with open_index(path) as index:
        check(index)


def test_the_cache_of_another_time_of_the_index_is_not_believed(path, tmp_path):
    """A backup comes back, and other clips get the numbers of those that were added since."""
    backup = tmp_path / "backup.db"
    with open_index(path) as index:
        index._file.connection.execute("VACUUM INTO ?", (str(backup),))
        index.add(exemplars(60, seed=1))
        check(index)
    for file in tmp_path.glob("stars.db-*"):
        file.unlink()
    shutil.copy(backup, path)
    with open_index(path) as index:
        index.add(exemplars(60, seed=2))
        check(index)


def test_the_cache_of_another_file_of_that_name_is_not_believed(path):
    for file in path.parent.glob("stars.db*"):
        if file.is_file():
            file.unlink()
    with open_index(path) as index:
        index.add(exemplars(600, seed=5))
        check(index)


def test_a_label_that_was_changed_by_hand_is_told(path):
    other = sqlite3.connect(path)
    with open_index(path) as index:
        check(index)
        other.execute("UPDATE exemplars SET label = 'by hand' WHERE id < 100")
        other.commit()
        with pytest.raises(ExemplarIndexError, match="a label is damaged"):
            check(index)
    other.close()


def test_where_no_cache_can_be_kept_all_are_compared(path, monkeypatch):
    shutil.rmtree(folder(path))
    folder(path).write_text("in the way")
    monkeypatch.setattr(IVFIndex, "of", None)
    with open_index(path) as index:
        assert recall(sources(index.search(queries(), 5)), truth(index, queries(), 5)) == 1
        check(index)
    assert folder(path).read_text() == "in the way"


def test_a_process_that_is_faster_is_followed(path):
    """Both saw the same; the second to finish must not bring back what is gone since."""
    with open_index(path) as slow, open_index(path) as fast:
        slow.prepare()
        made = slow._state._large._make_cache(lambda at, end: None)
        before = slow._state._large._token
        gone = fast.exemplars()[0]
        fast.remove(ids=[gone.id])
        fast.add(exemplars(60, seed=1))
        fast.prepare()
        assert not slow._state._large._folder.keep(made, before=before)
        assert current_token(slow._file.connection) == fast._state._large._cache.token
        check(slow)
        assert gone.source not in {s for row in sources(slow.search(queries(), 600)) for s in row}


def _add_and_search(path, worker):
    _lower_limits()
    with ExemplarIndex.open(path, MODEL) as index:
        for step in range(4):
            new = exemplars(40, seed=100 * (worker + 1) + step)
            index.add(new)
            found = index.search([one.features for one in new], 1)
            assert sources(found) == [[one.source] for one in new]


def _lower_limits():
    from stars_infer.index import small

    small.EXHAUSTIVE_LIMIT = 20
    store.FRESH = 50


def test_processes_add_and_search_at_once(path):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_add_and_search, args=(path, n)) for n in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(300)
        assert worker.exitcode == 0
    with open_index(path) as index:
        assert len(index) == 920
        check(index)
        assert len({name.partition(".")[0] for name in files(path)}) == 1


def test_the_calibration_is_kept_until_much_has_changed(path, monkeypatch):
    with open_index(path) as index:
        first = index.calibration()

    def never(self, *args):
        raise AssertionError("measured again")

    with monkeypatch.context() as patched, open_index(path) as index:
        patched.setattr("stars_infer.index.gallery.Gallery._calibrate_by", never)
        again = index.calibration()
        for name in ("spread", "known", "right"):
            assert getattr(again, name) == getattr(first, name)
        np.testing.assert_array_equal(again.unknown, first.unknown)
        np.testing.assert_array_equal(again.known_scores, first.known_scores)
        index.add(exemplars(55, seed=1))  # under a tenth
        index.calibration()
        index.add(exemplars(10, seed=2))
        with pytest.raises(AssertionError, match="measured again"):
            index.calibration()
    with open_index(path) as index:
        index.calibration()
        stored = index._file.connection.execute(
            "SELECT value FROM settings WHERE key = 'calibration'"
        )
        assert '"sizes": [665, 10]' in stored.fetchone()[0]
    assert derived.TOLERATED_CHANGE == 0.1


def test_exemplars_are_left_out_under_their_own_labels(path):
    with open_index(path) as index:
        calibration = index.calibration()
        large = index._state._large
        vectors = {one.id: item.vector for one, item in index.features()}
        positions = np.array([500, 3, 599, 100])
        asked = large.queries(positions)
        for query, number in zip(asked, large.ids[positions].tolist(), strict=True):
            np.testing.assert_array_equal(query.vector, vectors[number])
        _, classes = drawn(20, seed=7)
        answers = index.classify(queries())
        assert [one.label for one in answers] == [f"action {label}" for label in classes]
        assert min(one.confidence for one in answers) > 0.5
        chances = index.predict_proba(queries()).argmax(axis=1)
        assert [index.labels[number] for number in chances] == [one.label for one in answers]
    expected = odds_of_known(EXPECTED_UNKNOWN)
    assert np.median(chances_of(calibration.known_scores + expected)) > 0.9
    assert np.median(chances_of(calibration.unknown + expected)) < 0.5


def test_unknown_clips_are_told_where_all_the_nearest_are_of_one_action(path, monkeypatch):
    monkeypatch.setattr(store, "RANKED", 20)
    _, classes = drawn(20, seed=7)
    with open_index(path) as index:
        known = [answer.chance_known for answer in index.classify(queries())]
        large = index._state._large
        for query in queries():
            (seen,) = np.unique(large.classes[large.candidates(query)[0]])
            others = large.classes[large.candidates(query, class_out=int(seen))[0]]
            assert len(others) == 20
            assert seen not in others
    for label in sorted(set(classes.tolist()))[:3]:
        with open_index(path) as index:
            index.remove(label=f"action {label}")
            asked = np.flatnonzero(classes == label)
            unknown = index.classify([queries()[int(at)] for at in asked])
        assert max(answer.chance_known for answer in unknown) < np.median(known)


def moving(seed):
    random = np.random.default_rng(seed)
    sequence = random.normal(size=(1 + seed % 2, *COMPARING.comparison.shape[1:]))
    return Features(vector=np.ones(16, np.float32), sequence=np.float32(0.09 * sequence))


def test_a_large_index_of_sequences_warps_the_likely(tmp_path, monkeypatch):
    monkeypatch.setattr("stars_infer.index.large.searcher.LIKELY", 90)
    made = [moving(seed) for seed in range(120)]
    with open_index(tmp_path / "stars.db", COMPARING) as index:
        index.add(
            [
                NewExemplar(label=str(n % 5), features=one, source=str(n), content_hash=str(n))
                for n, one in enumerate(made)
            ]
        )
        index.prepare()
    with open_index(tmp_path / "stars.db", COMPARING) as index:
        index.prepare()
        assert index._state._large._cache.lists.size == 120
        index.remove(ids=[index.exemplars("3")[0].id])
        halves = [np.float16(one.sequence) for one in made]
        for seed in (3, 8, 11):
            query = replace(made[seed], vector=None)
            (found,) = index.search([query], 5)
            similar = WarpingGallery(halves, COMPARING.comparison).similarities(query.sequence)
            for near in found:
                assert near.similarity == pytest.approx(similar[int(near.source)], abs=1e-5)
            assert (found[0].source == str(seed)) == (seed != 3)
            assert len(index.search([query], 100)[0]) == 90
        assert index.classify([replace(made[11], vector=None)])[0].label == "1"


def test_clips_that_are_there_are_told_from_new_ones_in_one_go(path, monkeypatch):
    monkeypatch.setattr(exemplar, "VALUES_PER_STATEMENT", 7)
    mixed = [*exemplars(10), *exemplars(10, seed=1), exemplars(1, seed=1)[0]]
    with open_index(path) as index:
        there = index.add(mixed)
        assert [one.source for one in there[:10]] == [f"0/{n}" for n in range(10)]
        assert there[10:20] == [None] * 10
        assert there[20].source == "1/0"
        assert len(index) == 610
