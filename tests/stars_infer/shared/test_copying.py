"""Exemplars move between files and shared indexes, and stay what they are."""

import json
from dataclasses import replace

import pytest

from stars_infer import ExemplarIndex
from stars_infer.errors import ExemplarIndexError, UsageError
from stars_infer.shared.copying import copy_index
from stars_infer.synthetic.files import write_recordings
from tests.conftest import call_stars
from tests.stars_infer.shared.databases import need


def test_there_and_back_nothing_changes(memory, own_encoder, new, tmp_path):
    info = own_encoder.info
    with ExemplarIndex.open(tmp_path / "a.db", info) as local:
        local.add(new)
        local.remove(ids=[2, 9])
        local.rename("kick", "box")
        local.set_false_accept_rate(0.1)
        local.confirm(5)
        shared = memory.open("one", info)
        copied = copy_index(local, shared)
        assert (copied.added, copied.known, copied.settings) == (7, 0, True)
        with ExemplarIndex.open(tmp_path / "b.db", info) as back:
            copy_index(memory.open("two", info), back)
            assert back.exemplars() == local.exemplars()
            assert (back.options(), back.unknown_share()) == (
                local.options(),
                local.unknown_share(),
            )
            query = [new[3].features]
            assert back.search(query, 5) == local.search(query, 5)
            vectors = [index.features(own_encoder) for index in (local, back)]
            for one, other in zip(*vectors, strict=True):
                assert (one[1].vector == other[1].vector).all()


def test_what_the_target_holds_stays(memory, own_encoder, new, tmp_path):
    shared = memory.open("one", own_encoder.info)
    shared.add([replace(new[0], label="mine"), new[1]])
    shared.set_false_accept_rate(0.2)
    with ExemplarIndex.open(tmp_path / "a.db", own_encoder.info) as local:
        local.add(new[:4])
        local.set_false_accept_rate(0.1)
        reports = []
        copied = copy_index(local, shared, progress=lambda at, end: reports.append((at, end)))
        assert (copied.added, copied.known, copied.settings) == (2, 2, False)
        assert reports == [(4, 4)]
        assert copy_index(local, shared).added == 0
        with pytest.raises(UsageError, match="one index"):
            copy_index(local, local)
        with (
            ExemplarIndex.in_memory(replace(own_encoder.info, fingerprint="0" * 64)) as other,
            pytest.raises(UsageError, match="two models"),
        ):
            copy_index(local, other)
    assert shared.counts() == {"mine": 1, "squat": 1, "wave": 2}
    assert shared.options().false_accept_rate == 0.2
    assert [one.id for one in shared.exemplars("squat")] == [4]


def test_an_index_is_not_copied_to_itself_by_another_name(own_encoder, new, tmp_path):
    with ExemplarIndex.open(tmp_path / "a.db", own_encoder.info) as index:
        index.add(new[:1])
        (tmp_path / "b.db").symlink_to("a.db")
        with (
            ExemplarIndex.open(tmp_path / "b.db", own_encoder.info) as other,
            pytest.raises(UsageError, match="source and target are one index"),
        ):
            copy_index(index, other)


def test_flat_exemplars_are_not_mixed_with_others(memory, own_encoder, new, tmp_path):
    flat = [replace(one, features=replace(one.features, flat=True)) for one in new[:3]]
    with ExemplarIndex.open(tmp_path / "a.db", own_encoder.info) as local:
        local.add(flat)
        shared = memory.open("one", own_encoder.info)
        copy_index(local, shared)
        assert shared.flat
        solid = memory.open("one", own_encoder.info)
        solid.remove(label="wave")
        solid.add(new[3:5])
        with pytest.raises(ExemplarIndexError, match="cannot be mixed"):
            copy_index(local, solid)


def test_every_command_takes_a_shared_index(tmp_path, monkeypatch):
    need("qdrant")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STARS_MODEL", raising=False)
    monkeypatch.delenv("STARS_INDEX", raising=False)
    monkeypatch.setenv("STARS_COPIES", str(tmp_path / "copies"))
    list(write_recordings(tmp_path / "clips", performers=3))
    index = ("--index", "qdrant-local:shared")
    clips = [
        str(path)
        for path in sorted((tmp_path / "clips").glob("*/*"))
        if path.parent.name in ("squat", "wave")
    ]

    def call(*arguments):
        code, out, err = call_stars(*arguments)
        assert code == 0, (arguments, out, err)
        return out

    call("fewshot", "add-class", *clips[:2], *clips[3:5], *index)
    held = [json.loads(line) for line in call("fewshot", "list", "--json", *index).splitlines()]
    assert sorted({one["label"] for one in held}) == ["squat", "wave"]
    assert '"answer": "wave"' in call("classify", clips[5], "--json", *index)
    assert "shared" in call_stars("fewshot", "info", *index)[2]
    call("fewshot", "rename", "wave", "hello", *index)
    call("report", "qdrant-local:shared", "--out", "report.html")
    code, _, err = call_stars("fewshot", "list", "--index", "qdrant-local:shraed")
    assert code == 1
    assert "no index of examples here" in err
    assert not (tmp_path / "shraed").exists()
    call("fewshot", "copy", "qdrant-local:shared", "copy.db", "--quiet")
    call("fewshot", "verify", "--index", "copy.db")
    call("fewshot", "remove", "hello", *index)
    out = json.loads(call("fewshot", "copy", "copy.db", "qdrant-local:shared", "--json"))
    assert (out["added"], out["known"], out["target"]) == (2, 2, "qdrant-local:shared")
    call("fewshot", "expect", "--unknown", "10", *index)
    assert "hello" in call("search", clips[5], *index)
    call("fewshot", "suggest", str(tmp_path / "clips"), "-n", "2", *index)
    code, _, err = call_stars("fewshot", "verify", *index)
    assert code == 2
    assert "stars fewshot copy qdrant-local:shared NEW.db" in err
    code, _, err = call_stars("fewshot", "list", "--index", "qdrant://127.0.0.1:9/stars")
    assert code == 1
    assert err.count("\n") == 1
    assert "qdrant://127.0.0.1:9/stars" in err
    assert "check that Qdrant runs there" in err
