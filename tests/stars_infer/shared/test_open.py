"""What is opened by which name, and what is refused."""

import gc
import logging
import multiprocessing
import os
import stat
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from stars_infer import ExemplarIndex, Recognizer
from stars_infer.errors import ExemplarIndexError, UsageError
from stars_infer.shared.open import COPIES, copies_folder, index_exists, open_index
from stars_infer.shared.place import IndexPath, place_of
from stars_infer.shared.store import Entry
from tests.stars_infer.shared.databases import PLACE, need, soon


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("milvus://db:19530/stars", "milvus://db:19530/stars"),
        ("milvus://db/stars", "milvus://db:19530/stars"),
        ("milvus+https://db.example.com:443/team/stars", None),
        ("qdrant://127.0.0.1:6333/stars", "qdrant://127.0.0.1:6333/stars"),
        ("qdrant://[::1]/stars", "qdrant://[::1]:6333/stars"),
        ("milvus-lite:///a/b.db", "milvus-lite:/a/b.db"),
        ("milvus-lite:///a/b.db#two", "milvus-lite:/a/b.db#two"),
        ("qdrant-local:/a/b", "qdrant-local:/a/b"),
    ],
)
def test_names_of_shared_indexes(given, shown):
    assert str(place_of(given)) == (shown or given)
    assert place_of(Path(given)) == place_of(IndexPath(given)) == place_of(given)
    if "-" not in given.partition(":")[0]:
        assert str(IndexPath(given)) == given


def test_files_are_files(tmp_path):
    for name in ("stars.db", tmp_path / "stars.db", "milvus", "a/milvus:/b"):
        assert place_of(name) is None
    assert place_of("milvus-lite:stars.db").path == Path("stars.db").absolute()
    assert not index_exists(tmp_path / "stars.db")
    assert index_exists(PLACE)


@pytest.mark.parametrize(
    "given",
    ["milvus://db", "milvus://db/", "milvus://db:99999/a", "milvus://db/a-b", "qdrant://db/a/b",
     "milvus-lite:stars.sqlite", "milvus-lite:", "qdrant-local:a#1", "milvus://a b/c"],
)  # fmt: skip
def test_what_is_no_name_is_refused_with_the_form_to_write(given):
    with pytest.raises(UsageError, match="write "):
        place_of(given)


def test_a_password_in_a_name_is_refused_and_not_repeated():
    with pytest.raises(UsageError, match="STARS_MILVUS_TOKEN") as refused:
        place_of("milvus://root:s3cret@db:19530/stars")
    assert "s3cret" not in str(refused.value)


def test_there_is_none_yet(memory, own_encoder):
    with pytest.raises(ExemplarIndexError, match="no index of examples here"):
        memory.open("one", own_encoder.info, create=False)
    assert not memory.database.there
    memory.open("one", own_encoder.info)
    assert len(memory.open("two", own_encoder.info, create=False)) == 0


def test_the_index_of_another_model_is_refused_with_both_named(memory, own_encoder):
    memory.open("one", own_encoder.info)
    other = replace(own_encoder.info, name="other", fingerprint="0" * 64)
    with pytest.raises(ExemplarIndexError) as refused:
        memory.open("two", other)
    for part in (own_encoder.info.fingerprint[:12], "0" * 12, "'other'", own_encoder.info.name):
        assert part in str(refused.value)


def test_a_collection_of_something_else_is_refused(memory, own_encoder):
    memory.database.there = True
    memory.database.log["x"] = Entry(key="x", number=1, text="hello")
    with pytest.raises(ExemplarIndexError, match="record 1 is damaged"):
        memory.open("one", own_encoder.info)


def test_damage_is_said_and_the_rest_is_used(memory, own_encoder, new, caplog):
    one = memory.open("one", own_encoder.info)
    one.add(new[:2])
    one.add(new[2:3])
    one.rename("wave", "hello")
    database = memory.database
    rows = {row.number: key for key, row in database.table.items()}
    broken = database.table[rows[1]]
    database.table[rows[1]] = replace(broken, text=broken.text.replace("A", "B", 40))
    del database.table[rows[2]]
    late = memory.open("late", own_encoder.info)
    assert [(e.id, e.label) for e in late.exemplars()] == [(3, "hello")]
    assert any("example 1 is damaged, and skipped" in text for text in caplog.messages)
    assert any("1 examples are lost: 2" in text for text in caplog.messages)
    last = max(database.log.values(), key=lambda entry: entry.number)
    database.log[last.key] = replace(last, text=last.text[:-3])
    later = memory.open("later", own_encoder.info)
    assert [(e.id, e.label) for e in later.exemplars()] == [(3, "wave")]
    assert any(f"record {last.number} is damaged, and skipped" in t for t in caplog.messages)
    later.add(new[3:4])
    soon(lambda: len(one) == 4)


def test_a_log_that_was_replaced_makes_the_copy_anew(memory, own_encoder, new, caplog):
    one = memory.open("one", own_encoder.info)
    one.add(new)
    one.confirm(2)
    memory.database.log.clear()
    memory.database.table.clear()
    soon(lambda: any("holds no index any more" in text for text in caplog.messages))
    assert len(one) == len(new)  # better than nothing, until there is an index again
    two = memory.open("two", own_encoder.info)
    two.add(new[4:6])
    soon(lambda: len(one) == 2, 20)
    assert any("made anew" in text for text in caplog.messages)
    assert [e.id for e in one.exemplars()] == [1, 2]
    assert one.unknown_share().known == 0
    assert one.classify([new[4].features])[0].label == "squat"


def test_a_damaged_copy_is_made_anew(memory, own_encoder, new, caplog):
    memory.open("one", own_encoder.info).add(new)
    memory.close()
    (copy,) = (memory.folder / "one").glob("*/index.db")
    for log in copy.parent.glob("index.db-*"):
        log.unlink()
    copy.write_bytes(b"not a database" * 1000)
    with caplog.at_level(logging.WARNING):
        again = memory.open("one", own_encoder.info)
    assert len(again) == len(new)
    assert any("local copy is made anew" in text for text in caplog.messages)


def test_the_copy_is_this_users_alone_and_where_it_is_told(memory, own_encoder, monkeypatch):
    memory.open("one", own_encoder.info)
    (folder,) = (memory.folder / "one").iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    monkeypatch.delenv(COPIES)
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    if os.uname().sysname == "Linux":
        assert copies_folder() == Path("/caches/stars-infer/shared")


def test_a_process_that_was_forked_off_reads_and_does_not_write(memory, own_encoder, new):
    index = memory.open("one", own_encoder.info)
    index.add(new[:2])
    context = multiprocessing.get_context("fork")
    queue = context.Queue()

    def child():
        found = len(index)
        try:
            index.add(new[2:])
        except UsageError as error:
            queue.put((found, str(error)))

    process = context.Process(target=child)
    process.start()
    found, problem = queue.get(timeout=300)
    process.join()
    assert found == 2
    assert "open it again here; nothing was added" in problem
    index.add(new[2:3])
    assert len(index) == 3


def test_saving_makes_an_ordinary_file(memory, own_encoder, new, tmp_path):
    index = memory.open("one", own_encoder.info)
    index.add(new)
    index.save(tmp_path / "copy.db")
    with ExemplarIndex.open(tmp_path / "copy.db", own_encoder.info) as copy:
        assert copy.exemplars() == index.exemplars()
        copy.remove(label="wave")
    assert len(index) == len(new)


@pytest.mark.parametrize("hosts", ["qdrant", "milvus"], indirect=True)
def test_the_recognizer_opens_a_shared_index(hosts, monkeypatch):
    monkeypatch.setenv(COPIES, str(hosts.folder / "one"))
    with Recognizer(hosts.name) as actions:
        assert repr(actions) == f"<Recognizer in {hosts.name}: 0 clips, 0 actions>"
    with Recognizer.open(hosts.name) as actions:
        assert actions.labels == []


def test_a_token_goes_in_plain_text_only_with_a_word(monkeypatch, own_encoder, tmp_path, caplog):
    monkeypatch.setenv(COPIES, str(tmp_path))
    monkeypatch.setenv("STARS_QDRANT_TOKEN", "s3cret")
    need("qdrant")
    for name, plain in (("qdrant://nowhere.invalid/a", 1), ("qdrant+https://nowhere.invalid/a", 0)):
        caplog.clear()
        with pytest.raises(ExemplarIndexError, match="check that Qdrant runs there") as refused:
            open_index(name, own_encoder.info)
        assert sum("plain text" in text for text in caplog.messages) == plain
        assert "s3cret" not in caplog.text + str(refused.value)


def test_an_index_that_nobody_holds_is_followed_no_longer(memory, own_encoder):
    threads = threading.active_count()
    memory.open("one", own_encoder.info)
    assert threading.active_count() == threads + 1
    memory.opened.clear()
    gc.collect()
    soon(lambda: threading.active_count() == threads)


def test_the_extra_that_is_missing_is_named(monkeypatch, own_encoder, tmp_path):
    monkeypatch.setenv(COPIES, str(tmp_path))
    for kind, package, extra in (
        ("milvus", "pymilvus", "milvus"),
        ("qdrant", "qdrant_client", "qdrant"),
    ):
        monkeypatch.setitem(__import__("sys").modules, package, None)
        with pytest.raises(Exception, match=rf"stars-infer\[{extra}\]"):
            open_index(f"{kind}://127.0.0.1:9/stars", own_encoder.info)


def test_what_was_meant_to_be_a_shared_index_makes_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, says in (
        ("qdrant-locale:q", "did you mean qdrant-local"),
        ("millvus://host:19530/c", "did you mean milvus"),
        ("redis://host/c", "redis is no kind of shared index"),
        ("-", "an index is a file"),
    ):
        with pytest.raises(UsageError, match=says):
            place_of(name)
    for name in ("stars.db", "c:\\stars.db", "backup:2026.db", "a/b:c.db", "qdrant"):
        assert place_of(name) is None
    (tmp_path / "qdrant-locale:q").touch()
    assert place_of("qdrant-locale:q") is None
