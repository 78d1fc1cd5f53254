"""Answers while other processes change the index: of one state, newest where that takes no time."""

import multiprocessing
import threading
import time

import pytest

from stars_infer import ExemplarIndex
from stars_infer.errors import ExemplarIndexError, UsageError
from stars_infer.index import following
from tests.stars_infer.index.toy import SEQUENCES, moving, new, taught

THREAD = "stars-infer-index"


def _change(path, what):
    with ExemplarIndex.open(path, SEQUENCES) as index:
        if what == "empty":
            for label in index.labels:
                index.remove(label=label)
        else:
            index.add([new(what, moving(9), what)])


def elsewhere(path, what="new"):
    """Change an index in another process."""
    process = multiprocessing.get_context("forkserver").Process(target=_change, args=(path, what))
    process.start()
    process.join()
    assert process.exitcode == 0


def name_of(index):
    (answer,) = index.classify([moving(9)])
    return answer.label


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "stars.db"
    with ExemplarIndex.open(path, SEQUENCES) as index:
        taught(index)
    return path


@pytest.fixture
def index(path):
    with ExemplarIndex.open(path, SEQUENCES) as index:
        name_of(index)
        yield index


@pytest.fixture
def held(monkeypatch):
    """Keeps the thread from reading until it is set."""
    free, real = threading.Event(), following.small_gallery
    monkeypatch.setattr(
        following, "small_gallery", lambda *a, **k: free.wait(300) and real(*a, **k)
    )
    yield free
    free.set()


def threads():
    return [one for one in threading.enumerate() if one.name == THREAD]


def test_a_small_change_is_in_the_next_answer(index, path, monkeypatch):
    monkeypatch.setattr(following, "PATIENCE", 20.0)  # of a busy machine
    elsewhere(path)
    assert name_of(index) == "new"
    for thread in threads():  # one that has found it, and is about to end
        thread.join(60)
    assert not threads()


def test_an_answer_does_not_wait_for_a_change_that_takes_long(index, path, held):
    elsewhere(path)
    began = time.monotonic()
    assert name_of(index) != "new"
    assert following.PATIENCE <= time.monotonic() - began < 200
    (thread,) = threads()
    held.set()
    thread.join()
    assert name_of(index) == "new"


def test_who_asks_for_the_newest_waits_for_it(index, path, held):
    elsewhere(path)
    assert name_of(index) != "new"
    index.refresh()
    threading.Timer(0.5, held.set).start()
    assert name_of(index) == "new"


def test_a_state_grows_no_older_than_the_bound(index, path, held, monkeypatch):
    elsewhere(path)
    assert name_of(index) != "new"
    monkeypatch.setattr("stars_infer.index.state.MOST_STALE", 0.0)
    threading.Timer(0.3, held.set).start()
    assert name_of(index) == "new"


def test_what_this_process_changes_is_in_its_next_answer(index, path, held):
    elsewhere(path, "other")
    assert name_of(index) != "other"  # and the thread is at it
    with ExemplarIndex.open(path, SEQUENCES) as another:
        another.relabel([one.id for one in another.exemplars("other")], "own")
    assert name_of(index) == "own"
    (thread,) = threads()
    held.set()
    thread.join()
    assert name_of(index) == "own"  # not what the thread has found


def test_closing_ends_the_thread(path, held):
    index = ExemplarIndex.open(path, SEQUENCES)
    name_of(index)
    elsewhere(path)
    name_of(index)
    threading.Timer(0.2, held.set).start()
    index.close()
    assert not threads()
    with pytest.raises(UsageError, match="closed"):
        name_of(index)


def test_a_state_that_cannot_be_had_is_an_error(index, path):
    elsewhere(path, "empty")
    with pytest.raises(ExemplarIndexError, match="empty"):
        name_of(index)


def test_what_only_saves_work_is_no_change(index, path):
    with index._state.gallery() as before:
        pass
    index._file.connection.execute("DELETE FROM similarity")
    with ExemplarIndex.open(path, SEQUENCES) as another:
        another.prepare()
    with index._state.gallery() as after:
        assert after is before


def test_labels_that_are_exchanged_are_a_change(index, path):
    with ExemplarIndex.open(path, SEQUENCES) as another:
        one, other = (held for held in another.exemplars() if held.source in ("0/0", "1/0"))
        another.relabel([one.id], other.label)
        another.relabel([other.id], one.label)
    (near,) = index.search([moving(1, noise=0.2, seed=0)], 1)
    assert near[0].label == "action 0"
