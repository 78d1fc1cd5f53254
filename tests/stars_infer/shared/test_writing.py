"""What is acknowledged is there once, whatever happens to writers and database."""

import json
import logging
import os
import threading
import time
from dataclasses import replace

import pytest

from stars_infer.errors import ExemplarIndexError
from stars_infer.index.exemplar import Exemplar
from stars_infer.serving.problems import body_of, headers_of, status_of
from stars_infer.shared import turn
from stars_infer.shared.store import Entry, StoreError
from stars_infer.shared.turn import WISHES
from tests.stars_infer.shared.databases import Killed, examples, soon


class Clock:
    """Time that passes only where it is waited for."""

    def __init__(self):
        self._now = time.monotonic()

    def monotonic(self):
        return self._now

    def sleep(self, seconds):
        self._now += seconds


def labels_of(index):
    return {one.content_hash: one.label for one in index.exemplars()}


def test_what_one_teaches_the_other_soon_knows(hosts, own_encoder, new):
    one, two = (hosts.open(name, own_encoder.info) for name in ("one", "two"))
    one.add(new[:2])
    soon(lambda: len(two) == 2)
    two.rename("wave", "hello")
    soon(lambda: one.labels == ["hello"])
    one.remove(ids=[1])
    one.confirm(4)
    soon(lambda: len(two) == 1 and two.unknown_share().known == 4)


def test_the_same_clip_added_by_many_at_once_is_added_once(memory, own_encoder, new):
    machines = [memory.open(f"m{at}", own_encoder.info, wait=300) for at in range(4)]
    told, start = [], threading.Barrier(4)

    def add(at):
        mine = [replace(one, label=f"by {at}") for one in new[:3]]
        start.wait()
        for one in mine:
            told.append((at, one, machines[at].add([one])[0]))

    threads = [threading.Thread(target=add, args=(at,)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = labels_of(memory.open("late", own_encoder.info))
    added = {one.content_hash: one.label for _, one, known in told if known is None}
    assert len(added) == sum(known is None for _, _, known in told) == 3
    assert kept == added
    for _, one, known in told:
        if known is not None:
            assert isinstance(known, Exemplar)
            assert known.label == kept[one.content_hash]
    numbers = [one.id for one in machines[0].exemplars()]
    assert sorted(numbers) == [1, 2, 3]


def test_numbers_are_given_once_and_are_the_same_everywhere(memory, own_encoder, new):
    one, two = (memory.open(name, own_encoder.info) for name in ("one", "two"))
    one.add(new[:2])
    two.add(new[2:4])
    one.remove(ids=[4])
    two.add([new[3], new[4]])
    late = memory.open("late", own_encoder.info)
    late.add([new[5]])
    wanted = {new[at].content_hash: number for at, number in enumerate((1, 2, 3, 5, 6, 7))}
    for index in (one, two, late):
        soon(lambda: {e.content_hash: e.id for e in index.exemplars()} == wanted)  # noqa: B023


@pytest.mark.parametrize("lost", [False, True], ids=["failed", "answer lost"])
@pytest.mark.parametrize("failure", [StoreError, Killed])
def test_a_change_that_fails_anywhere_is_made_or_not_and_never_half(
    memory, own_encoder, new, failure, lost, monkeypatch
):
    monkeypatch.setattr(turn, "_is_dead", lambda entry: True)
    database = memory.database
    watcher = memory.open("watcher", own_encoder.info)
    watcher.add(new[:2])
    writer = memory.open("writer", own_encoder.info, failure=failure)
    for step in range(1, 6):
        before, more = len(watcher), examples(own_encoder, 1, seed=step)
        database.calls, database.fail_at, database.lose_answers = 0, step, lost
        try:
            writer.add(more)
            acknowledged = True
        except (StoreError, Killed):
            acknowledged = False
        database.fail_at = None
        late = memory.open(f"late {failure.__name__} {step}", own_encoder.info)
        there = len(labels_of(late))
        assert there in ((before + 3,) if acknowledged else (before, before + 3))
        again = writer.add(more)
        assert (there > before) == all(again)
        soon(lambda: labels_of(watcher) == labels_of(writer))
        assert len(watcher) == before + 3
        assert sorted(one.id for one in watcher.exemplars())[-1] >= before + 3


def test_a_writer_of_this_machine_that_died_holds_nobody_up(memory, own_encoder, new):
    index = memory.open("one", own_encoder.info)
    who = {"machine": "a", "process": os.getpid(), "system": turn._system(), "life": "1"}
    memory.database.log["turn-x"] = Entry(key="turn-x", number=WISHES, text=json.dumps(who))
    assert index.add(new[:1]) == [None]
    assert "turn-x" not in memory.database.log


def test_a_writer_of_another_machine_is_waited_for_as_long_as_it_lives(
    memory, own_encoder, new, monkeypatch
):
    index = memory.open("one", own_encoder.info, wait=0.2)
    who = {"machine": "elsewhere", "process": 7, "system": "another", "life": "1"}
    entry = Entry(key="turn-x", number=WISHES, text=json.dumps(who))
    memory.database.log["turn-x"] = entry
    with pytest.raises(StoreError, match=r"process 7 of elsewhere has been writing .* nothing was"):
        index.add(new[:1])
    assert len(index) == 0
    monkeypatch.setattr(turn, "time", Clock())
    monkeypatch.setattr(index._file, "_wait", 10 * turn.LEASE)
    assert index.add(new[:1]) == [None]


def test_a_writer_that_was_too_slow_writes_nothing(memory, own_encoder, new, monkeypatch):
    index = memory.open("one", own_encoder.info)
    monkeypatch.setattr(turn, "LEASE", 0.0)
    with pytest.raises(StoreError, match="too slow"):
        index.add(new[:1])
    monkeypatch.undo()
    assert len(index) == 0


def test_while_the_database_is_away_answers_go_on_and_changes_are_refused(
    memory, own_encoder, new, caplog
):
    one, two = (memory.open(name, own_encoder.info) for name in ("one", "two"))
    one.add(new)
    soon(lambda: len(two) == len(new))
    memory.database.away = True
    soon(lambda: sum("nothing can be changed" in text for text in caplog.messages) == 2)
    assert two.search([new[0].features], 1)[0][0].source == new[0].source
    with pytest.raises(StoreError, match="does not answer; nothing was renamed"):
        one.rename("wave", "hello")
    assert one.counts() == two.counts() == {"kick": 3, "squat": 3, "wave": 3}
    with caplog.at_level(logging.WARNING):
        again = memory.open("one", own_encoder.info)
    assert "answers are those of the local copy, last changed on" in caplog.messages[-1]
    assert len(again) == len(new)
    with pytest.raises(ExemplarIndexError, match="does not answer"):
        memory.open("never here", own_encoder.info)
    memory.database.away = False
    one.rename("wave", "hello")
    soon(lambda: "hello" in two.labels and "hello" in again.labels)
    soon(lambda: sum("can be reached again" in text for text in caplog.messages) >= 2)


def test_a_server_says_that_the_database_is_away():
    error = StoreError("milvus://db:19530/stars: does not answer; nothing was added")
    assert status_of(error) == 503
    assert headers_of(error) == {"Retry-After": "5"}
    assert body_of(error)["kind"] == "index"
