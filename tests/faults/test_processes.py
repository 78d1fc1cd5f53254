"""A recognizer in a process that was forked off, in asyncio, and made by many processes at once."""

import asyncio
import multiprocessing
import os
import threading
import time
import traceback
import warnings

import numpy as np
import pytest

from stars_infer import Encoder, ExemplarIndex, Recognizer
from stars_infer.index import following
from stars_infer.synthetic.actions import perform
from tests.faults.damaged_index import _large_at
from tests.stars_infer.index.toy import SEQUENCES, VECTORS, moving, new, pointing

ACTIONS = ("wave", "squat", "kick")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system knows no fork")


def forked(work):
    """Do something in a process that is forked off; an error there is one here."""

    def run(told):
        try:
            told.send(work())
        except BaseException:
            told.send(AssertionError(traceback.format_exc()))

    ours, theirs = multiprocessing.Pipe(duplex=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads that are not forked
        process = multiprocessing.get_context("fork").Process(target=run, args=(theirs,))
        process.start()
    try:
        assert ours.poll(300), "it hangs"
        found = ours.recv()
    finally:
        process.kill()
        process.join()
    if isinstance(found, BaseException):
        raise found
    return found


def drawn(action, seed):
    return perform(action, np.random.default_rng(seed))


def taught(path=None):
    actions = Recognizer(path, device="cpu")
    for action in ACTIONS:
        actions.add(action, [drawn(action, seed) for seed in range(3)])
    return actions


@needs_fork
@pytest.mark.parametrize("kept", [False, True], ids=["in memory", "in a file"])
def test_a_recognizer_works_after_a_fork(tmp_path, kept):
    with taught(tmp_path / "stars.db" if kept else None) as actions:
        query = drawn("kick", 9)
        before, vector = actions.predict(query), actions.encoder.embed_prepared
        embedded = vector([np.ones((1, 64, 25, 3), np.float32)])

        def work():
            actions.add("clap", drawn("clap", 1))
            named = actions.predict(drawn("clap", 2)).label
            actions.remove("clap")
            again = actions.predict(query)
            return named, again, vector([np.ones((1, 64, 25, 3), np.float32)])

        named, again, embedded_again = forked(work)
        assert named == "clap"
        assert again == before
        np.testing.assert_allclose(embedded_again, embedded, atol=1e-5)
        assert actions.predict(query) == before
        assert actions.labels == sorted(ACTIONS)
        actions.index.calibration()


@needs_fork
def test_a_large_index_works_after_a_fork(tmp_path):
    with _large_at(20), ExemplarIndex.open(tmp_path / "stars.db", VECTORS) as index:
        index.add([new(f"action {one % 8}", pointing(one), f"{one}") for one in range(40)])
        before = index.classify([pointing(3)])

        def work():
            index.add([new("a new one", pointing(3, tilt=3.0), "new")])
            return index.classify([pointing(3)]), len(index)

        found, size = forked(work)
        assert (found[0].label, size) == (before[0].label, 41)
        assert len(index) == 41


@needs_fork
def test_a_fork_while_a_change_is_taken_in(tmp_path, monkeypatch):
    free, real, process = threading.Event(), following.small_gallery, os.getpid()

    def slow(*args, **more):
        return (os.getpid() != process or free.wait(300)) and real(*args, **more)

    def name_there():
        following.PATIENCE = 60.0  # of a busy machine
        return index.classify([moving(3)])[0].label

    monkeypatch.setattr(following, "small_gallery", slow)
    path = tmp_path / "stars.db"
    with ExemplarIndex.open(path, SEQUENCES) as index:
        index.add([new("one", moving(1), "1"), new("two", moving(2), "2")])
        index.classify([moving(1)])
        forked(lambda: index.add([new("three", moving(3), "3")]))
        assert index.classify([moving(3)])[0].label != "three"  # the thread is at it
        assert forked(name_there) == "three"
        free.set()
        index.refresh()
        assert index.classify([moving(3)])[0].label == "three"


def test_a_recognizer_in_asyncio():
    async def ask(actions, action, seed):
        return (await asyncio.to_thread(actions.predict, drawn(action, seed))).label

    async def work():
        with taught() as actions:
            actions.index.prepare()
            wanted = [(action, seed) for seed in range(3, 7) for action in ACTIONS]
            adding = asyncio.to_thread(actions.add, "clap", drawn("clap", 1))
            named = await asyncio.gather(*(ask(actions, *one) for one in wanted), adding)
            assert named[:-1] == [action for action, _ in wanted]
            assert actions.predict(drawn("clap", 2)).label == "clap"

    asyncio.run(work())


def test_one_network_is_loaded_however_many_threads_want_it():
    info, loaded, barrier = Encoder.load().info, [], threading.Barrier(4)
    encoder = Encoder(info, lambda: time.sleep(0.1) or loaded.append(1) or object())

    def want():
        barrier.wait()
        encoder.open()

    threads = [threading.Thread(target=want) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loaded == [1]


def _create(path, number, barrier, told):
    try:
        barrier.wait(300)
        with ExemplarIndex.open(path, SEQUENCES) as index:
            index.add([new(f"action {number}", moving(number), f"{number}")])
            told.put(index.classify([moving(number)])[0].label)
    except Exception as error:
        told.put(repr(error))


def test_six_processes_make_one_index_at_once(tmp_path):
    context = multiprocessing.get_context("forkserver" if hasattr(os, "fork") else "spawn")
    context.set_forkserver_preload([__name__])
    path, barrier, told = tmp_path / "stars.db", context.Barrier(6), context.Queue()
    processes = [context.Process(target=_create, args=(path, number, barrier, told))
                 for number in range(6)]  # fmt: skip
    for process in processes:
        process.start()
    said = sorted(told.get(timeout=300) for _ in processes)
    for process in processes:
        process.join()
    assert said == [f"action {number}" for number in range(6)]
    with ExemplarIndex.open(path, SEQUENCES) as index:
        assert len(index) == 6
