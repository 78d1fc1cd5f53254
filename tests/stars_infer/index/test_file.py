"""One index for many: threads, other processes, memory, copies, files that cannot be written."""

import multiprocessing
import os
import shutil
import sqlite3
import tempfile
import threading
import time
from pathlib import Path

import pytest

from stars_infer import ExemplarIndex
from stars_infer.errors import ExemplarIndexError, StarsError, UsageError
from stars_infer.index.file import IndexFile
from stars_infer.index.gallery import Gallery
from tests.stars_infer.index.toy import SEQUENCES, VECTORS, moving, new, pointing, taught


@pytest.fixture(params=["file", "memory"])
def index(request, tmp_path):
    path = tmp_path / "stars.db" if request.param == "file" else None
    with ExemplarIndex.open(path, SEQUENCES) as opened:
        yield taught(opened)


def test_threads_classify_add_and_remove_at_once(index):
    errors, answers = [], []
    started = threading.Barrier(11)

    def repeat(work, times):
        def run():
            started.wait()
            try:
                for step in range(times):
                    work(step)
            except BaseException as error:
                errors.append(error)

        return threading.Thread(target=run)

    def classify(step):
        (answer,) = index.classify([moving(step % 4, noise=0.3, seed=50 + step)])
        answers.append((answer.label, f"action {step % 4}"))

    def add(step):
        index.add([new("passing", moving(9, noise=0.2, seed=step)) for _ in range(2)])

    threads = [repeat(classify, 12) for _ in range(8)]
    threads += [repeat(add, 12) for _ in range(2)]
    threads += [repeat(lambda step: index.remove(label="passing"), 12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert not errors
    assert len(answers) == 8 * 12
    assert all(label == truth for label, truth in answers)
    index.remove(label="passing")
    assert index.counts() == {f"action {action}": 3 for action in range(4)}


def test_a_small_index_is_asked_while_others_wait_for_the_file(tmp_path):
    """Comparing sequences needs no lock: another thread reads the file meanwhile."""
    with taught(ExemplarIndex.in_memory(SEQUENCES)) as index:
        index.classify([moving(1)])
        with index._file.lock:
            other = threading.Thread(target=lambda: index._file.lock.acquire(timeout=0.01))
            other.start()
            other.join(120)
        assert not other.is_alive()


def test_what_is_written_while_an_answer_is_found_does_not_change_it(tmp_path, monkeypatch):
    path = tmp_path / "stars.db"
    find = Gallery.open_set

    def write_first(self, options):
        with ExemplarIndex.open(path, SEQUENCES) as other:
            other.remove(label="action 0")
            other.add([new("late", moving(1, noise=0.01)) for _ in range(3)])
        return find(self, options)

    with taught(ExemplarIndex.open(path, SEQUENCES)) as index:
        before = index.classify([moving(1)])
        index.add([new("action 2", moving(2, noise=0.5))])  # the next answer reads the file anew
        index.remove(ids=[index.exemplars("action 2")[-1].id])
        with monkeypatch.context() as patched:
            patched.setattr(Gallery, "open_set", write_first)
            assert index.classify([moving(1)]) == before
        assert index.classify([moving(1)])[0].neighbors[0].label == "late"
        rows = index.exemplars()
        assert index.compare_exemplars().shape == (len(rows), len(rows))


def _come_and_go(path, stop):
    with ExemplarIndex.open(path, SEQUENCES) as index:
        step = 0
        while not stop.is_set():
            index.add([new("passing", moving(9, noise=0.2, seed=step)) for _ in range(3)])
            index.remove(label="passing")
            step += 1


def test_another_process_writes_all_the_time(tmp_path):
    path = tmp_path / "stars.db"
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    with taught(ExemplarIndex.open(path, SEQUENCES)) as index:
        writer = context.Process(target=_come_and_go, args=(path, stop))
        writer.start()
        try:
            seen, end = set(), time.monotonic() + 300
            while len(seen) < 2 and time.monotonic() < end:
                probabilities = index.predict_proba([moving(2, noise=0.1)])
                answers = index.classify([moving(action, noise=0.1) for action in range(4)])
                assert [one.label for one in answers] == [f"action {n}" for n in range(4)]
                seen.add(probabilities.shape[1])
        finally:
            stop.set()
            writer.join(300)
        assert writer.exitcode == 0
        assert seen == {4, 5}


def test_an_index_in_memory_is_saved_to_a_new_file_only(tmp_path):
    path = tmp_path / "stars.db"
    queries = [moving(action, noise=0.3) for action in range(4)]
    with taught(ExemplarIndex.in_memory(SEQUENCES)) as index:
        assert index.path is None
        index.save(path)
        answers = index.classify(queries)
        with pytest.raises(UsageError, match="there is a file already"):
            index.save(path)
        index.remove(label="action 0")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["stars.db"]
    with ExemplarIndex.open(path, SEQUENCES, create=False) as saved:
        assert saved.classify(queries) == answers
        assert len(saved) == 12
        saved.save(path)  # is there already
        saved.save(tmp_path / "copy.db")
        with pytest.raises(ExemplarIndexError, match=r"nowhere.*cannot be written"):
            saved.save(tmp_path / "nowhere" / "stars.db")
    with ExemplarIndex.open(tmp_path / "copy.db", SEQUENCES, create=False) as copy:
        assert copy.exemplars()[0].source == "0/0"
        mode = sqlite3.connect(copy.path).execute("PRAGMA journal_mode").fetchone()
        assert mode == ("wal",)


def test_an_empty_index_in_memory_says_so():
    with pytest.raises(ExemplarIndexError, match="index in memory: the index is empty"):
        ExemplarIndex.in_memory(SEQUENCES).classify([moving(0)])


def test_a_large_index_in_memory_keeps_no_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("stars_infer.index.small.EXHAUSTIVE_LIMIT", 20)
    monkeypatch.setattr("stars_infer.index.large.store.FRESH", 30)
    monkeypatch.chdir(tmp_path)
    with ExemplarIndex.in_memory(VECTORS) as index:
        index.add([new(str(n % 5), pointing(n % 5, tilt=n / 100), str(n)) for n in range(60)])
        assert index.classify([pointing(3)])[0].label == "3"
    assert not list(tmp_path.iterdir())


def test_a_locked_index_says_who_waits_for_what(tmp_path):
    path = tmp_path / "stars.db"
    with taught(ExemplarIndex.open(path, SEQUENCES, wait=0.05)) as index:
        blocker = sqlite3.connect(path, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        message = (
            r"stars.db: another part of this program \(process \d+\) has been writing to it since "
            r"\d\d:\d\d:\d\d or earlier; nothing was %s; try"
        )
        with pytest.raises(ExemplarIndexError, match=message % "added"):
            index.add([new("more", moving(7))])
        with pytest.raises(ExemplarIndexError, match=message % "removed"):
            index.remove(label="action 0")
        with pytest.raises(ExemplarIndexError, match=message % "renamed"):
            index.rename("action 0", "other")
        began = time.monotonic()
        assert index.classify([moving(2)])[0].label == "action 2"
        assert time.monotonic() - began < 60
        blocker.execute("ROLLBACK")
        blocker.close()
        assert index.add([new("more", moving(7))]) == [None]


def test_threads_read_while_one_waits_to_write(tmp_path):
    path = tmp_path / "stars.db"
    with taught(ExemplarIndex.open(path, SEQUENCES, wait=300)) as index:
        blocker = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        blocker.execute("BEGIN IMMEDIATE")
        added = []
        writer = threading.Thread(target=lambda: added.extend(index.add([new("more", moving(7))])))
        writer.start()
        for action in range(4):
            assert index.classify([moving(action)])[0].label == f"action {action}"
        assert not added
        blocker.execute("ROLLBACK")
        blocker.close()
        writer.join(300)
        assert added == [None]
        assert index.counts()["more"] == 1


def test_a_damaged_file_says_so(tmp_path):
    path = tmp_path / "stars.db"
    with taught(ExemplarIndex.open(path, SEQUENCES), actions=8) as index:
        index.prepare()
    content = bytearray(path.read_bytes())
    content[8192:-4096] = b"x" * (len(content) - 8192 - 4096)
    path.write_bytes(content)
    with pytest.raises(ExemplarIndexError, match=r"stars.db: .*malformed"):  # noqa: SIM117
        with ExemplarIndex.open(path, SEQUENCES) as index:
            index.classify([moving(1)])


@pytest.fixture
def folder():
    """A folder that users without rights can reach."""
    made = Path(tempfile.mkdtemp())
    made.chmod(0o755)
    yield made
    made.chmod(0o755)
    shutil.rmtree(made)


class _Unprivileged:
    """Gives up the rights of root, whom permissions do not stop, for a while."""

    def __enter__(self):
        self.user = os.geteuid()
        if self.user == 0:
            os.seteuid(65534)

    def __exit__(self, *_):
        if self.user == 0:
            os.seteuid(self.user)


needs_permissions = pytest.mark.skipif(
    not hasattr(os, "geteuid"), reason="needs POSIX permissions of files and folders"
)


def protect(folder):
    for file in folder.iterdir():
        file.chmod(0o444)
    folder.chmod(0o555)


@needs_permissions
def test_an_index_that_cannot_be_written_names_clips(folder):
    path = folder / "stars.db"
    with taught(ExemplarIndex.open(path, SEQUENCES)) as index:
        expected = index.classify([moving(2, noise=0.3)])
        probabilities = index.predict_proba([moving(2, noise=0.3)])
    shutil.copy(path, folder / "without.db")
    database = sqlite3.connect(folder / "without.db")
    database.execute("DELETE FROM similarity")
    database.commit()
    database.close()
    protect(folder)
    with _Unprivileged():
        for name in ("stars.db", "without.db"):
            with ExemplarIndex.open(folder / name, SEQUENCES) as index:
                assert index.classify([moving(2, noise=0.3)]) == expected
                again = index.predict_proba([moving(2, noise=0.3)])
                assert again.tolist() == probabilities.tolist()
                with pytest.raises(ExemplarIndexError, match=r"cannot be written.*nothing was add"):
                    index.add([new("more", moving(7))])
                with pytest.raises(ExemplarIndexError, match=r"cannot be written.*nothing was rem"):
                    index.remove(label="action 1")
    assert sorted(file.name for file in folder.iterdir()) == ["stars.db", "without.db"]


@needs_permissions
def test_changes_of_an_index_that_only_others_can_write_are_seen(folder):
    path = folder / "stars.db"
    taught(ExemplarIndex.open(path, SEQUENCES)).close()
    protect(folder)
    with _Unprivileged():
        reader = ExemplarIndex.open(path, SEQUENCES)
        assert reader.classify([moving(9)])[0].label != "late"
    folder.chmod(0o755)
    path.chmod(0o644)
    with ExemplarIndex.open(path, SEQUENCES) as owner:
        owner.add([new("late", moving(9, noise=0.1))])
    protect(folder)
    with _Unprivileged():
        assert reader.classify([moving(9)])[0].label == "late"
        reader.close()


@needs_permissions
def test_changes_that_are_not_in_the_file_yet_are_not_overlooked(folder):
    path = folder / "stars.db"
    with taught(ExemplarIndex.open(path, SEQUENCES)):
        shutil.copy(path, folder / "torn.db")
        shutil.copy(f"{path}-wal", folder / "torn.db-wal")
    protect(folder)
    with _Unprivileged(), pytest.raises(ExemplarIndexError, match=r"torn.db-wal holds changes"):
        ExemplarIndex.open(folder / "torn.db", SEQUENCES)


@pytest.mark.parametrize("path", [3, b"a.db", ["a.db"], True])
def test_what_is_no_path_is_told_so(path):
    with pytest.raises(UsageError, match="path must be a path"):
        ExemplarIndex.open(path, SEQUENCES)


def test_names_that_sqlite_reads_otherwise_are_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with ExemplarIndex.open(":memory:", SEQUENCES) as index:
        index.add([new("a", moving(0), "new")])
    with ExemplarIndex.open(":memory:", SEQUENCES, create=False) as index:
        assert len(index) == 1
    with pytest.raises(ExemplarIndexError, match="not a usable index of examples"):
        ExemplarIndex.open("a\0b", SEQUENCES)


def test_a_closed_index_is_not_saved(tmp_path):
    index = ExemplarIndex.in_memory(SEQUENCES)
    index.close()
    with pytest.raises(UsageError, match="the index was closed"):
        index.save(tmp_path / "saved.db")
    assert not list(tmp_path.iterdir())


def test_an_index_is_not_saved_beside_the_log_of_another(tmp_path):
    gone = tmp_path / "stars.db"
    with taught(ExemplarIndex.open(gone, SEQUENCES)):
        log = (tmp_path / "stars.db-wal").read_bytes()
        assert log
    gone.unlink()
    for ending in ("wal", "journal"):
        left = tmp_path / f"stars.db-{ending}"
        left.write_bytes(log)
        with ExemplarIndex.in_memory(SEQUENCES) as index:
            index.add([new("kept", moving(0), "new")])
            with pytest.raises(UsageError, match=f"stars.db-{ending}: was left behind"):
                index.save(gone)
            assert left.read_bytes() == log
            assert not gone.exists()
            left.unlink()
            index.save(gone)
        with ExemplarIndex.open(gone, SEQUENCES, create=False) as saved:
            assert saved.labels == ["kept"]
        gone.unlink()


def test_what_is_read_within_is_of_the_outer_state(tmp_path):
    path = tmp_path / "stars.db"
    count = "SELECT count(*) FROM exemplars"
    with ExemplarIndex.open(path, VECTORS) as index, ExemplarIndex.open(path, VECTORS) as other:
        index.add([new("wave", pointing(0))])
        file = IndexFile(path, VECTORS)
        with file.reading() as connection:
            with file.reading():
                pass
            other.add([new("clap", pointing(1))])
            with file.reading() as inner:
                assert inner.execute(count).fetchone() == (1,)
            assert connection.execute(count).fetchone() == (1,)
        with file.writing("nothing was done") as connection:
            connection.execute("UPDATE exemplars SET source = 'here'")
            with file.reading() as inner:
                assert inner.execute("SELECT DISTINCT source FROM exemplars").fetchone() == (
                    "here",
                )
            assert connection.in_transaction
        with file.reading() as connection:
            assert connection.execute("SELECT DISTINCT source FROM exemplars").fetchall() == [
                ("here",)
            ]
        file.close()


@pytest.mark.parametrize("limit", [3, 1000])
def test_a_writer_beside_readers_is_never_taken_for_damage(tmp_path, monkeypatch, limit):
    """The large index reads rows while it is asked, the small one before."""
    monkeypatch.setattr("stars_infer.index.small.EXHAUSTIVE_LIMIT", limit)
    path, wrong, done = tmp_path / "stars.db", [], threading.Event()
    with ExemplarIndex.open(path, SEQUENCES) as index:
        taught(index)

        def write():
            for n in range(40):
                index.add([new("action 1", moving(1, noise=0.2, seed=n), f"more {n}")])
                if n % 3 == 2:
                    index.remove(ids=[index.exemplars("action 1")[-1].id])
            done.set()

        def read():
            with ExemplarIndex.open(path, SEQUENCES) as own:
                while not done.is_set():
                    try:
                        (answer,) = own.classify([moving(2)])
                        if answer.label != "action 2":
                            wrong.append(answer.label)
                    except StarsError as error:
                        wrong.append(str(error))

        threads = [threading.Thread(target=read) for _ in range(2)]
        threads.append(threading.Thread(target=write))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
