"""Clips embedded, named and added in bulk, by this process: what every engine does."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the extra [formats] is not installed")
pytest.importorskip("fsspec", reason="the extra [ray] is not installed")

import pyarrow.parquet as pq

from stars_infer.classification.prediction import ClassifyOptions
from stars_infer.clips.convention import Convention
from stars_infer.cluster.bulk import add_in_bulk, classify_in_bulk, embed_in_bulk
from stars_infer.cluster.engine import InThisProcess
from stars_infer.cluster.sources import list_sources
from stars_infer.cluster.work import How
from stars_infer.embedding.classify import classify_files
from stars_infer.embedding.collection import embed_collection
from stars_infer.embedding.search import search_files
from stars_infer.embedding.shards import load_job
from stars_infer.encoder.encoder import Encoder
from stars_infer.errors import CollectionError, ExemplarIndexError, StarsError, UsageError
from stars_infer.index.index import ExemplarIndex
from stars_infer.readers.files import clip_files
from stars_infer.synthetic.actions import perform


def fail(error):
    raise error


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six clips, one of them in two places, and two files that are none."""
    folder = tmp_path_factory.mktemp("clips")
    random = np.random.default_rng(0)
    for action in ("clap", "wave"):
        (folder / action).mkdir()
        for number in range(3):
            np.save(folder / action / f"{number}.npy", perform(action, random))
    shutil.copy(folder / "wave/1.npy", folder / "again.npy")
    (folder / "clap/broken.npy").write_bytes(b"nothing")
    (folder / "empty.json").write_text("{}")
    return folder


@pytest.fixture(scope="module")
def sources(folder):
    return list_sources([str(folder)], skip=fail)


@pytest.fixture(scope="module")
def encoder():
    return Encoder.load(device="cpu")


@pytest.fixture(scope="module")
def how():
    return How(device="cpu")


@pytest.fixture(scope="module")
def job(sources, how, tmp_path_factory):
    """A job that is done, in shards of two files."""
    out = tmp_path_factory.mktemp("job") / "out"
    done = embed_in_bulk(InThisProcess(), sources, out=str(out), how=how, shard=2)
    assert (done.files, done.found, done.copies, done.failures) == (9, 7, 1, 2)
    return out


def rows(out, *columns):
    found = [
        row
        for file in sorted((out / "shards").glob("*.parquet"))
        for row in pq.ParquetFile(file).read().to_pylist()
    ]
    return [tuple(row[column] for column in columns) for row in found] if columns else found


def copy_of(job, tmp_path):
    return shutil.copytree(job, tmp_path / "job")


def test_a_job_is_the_collection_that_one_process_makes(job, folder, encoder):
    local = embed_collection(encoder, clip_files([folder]), skip=lambda error: None)
    loaded = load_job(job, model=encoder.info)
    assert list(loaded.sources) == list(local.sources)
    assert list(loaded.content_hashes) == list(local.content_hashes)
    for one, other in zip(loaded.clip_features, local.clip_features, strict=True):
        np.testing.assert_allclose(one.vector, other.vector, atol=1e-6)
        assert (one.sequence is None) == (other.sequence is None)
        if one.sequence is not None:
            np.testing.assert_array_equal(one.sequence, other.sequence.astype(np.float16))


def test_a_clip_in_two_places_is_embedded_once_and_both_are_listed(job, folder):
    told = {row["source"]: row for row in rows(job)}
    two = [told[str(folder / name)] for name in ("again.npy", "wave/1.npy")]
    assert two[0]["content_hash"] == two[1]["content_hash"]
    assert sorted((row["copy"], row["vector"] is None) for row in two) == [
        (False, False),
        (True, True),
    ]


def test_what_cannot_be_read_is_a_row_with_the_sentence_of_the_command_line(job, folder, encoder):
    told = {}
    embed_collection(
        encoder, clip_files([folder]), skip=lambda error: told.update({error.source: error.problem})
    )
    failed = {source: error for source, error in rows(job, "source", "error") if error}
    assert failed == told


def test_a_job_goes_on_without_doing_finished_shards_again(job, sources, how, tmp_path):
    out = copy_of(job, tmp_path)
    shards = sorted((out / "shards").glob("*"))
    shards[1].unlink()
    before = {shard: shard.read_bytes() for shard in shards if shard.exists()}
    inodes = {shard: shard.stat().st_ino for shard in before}
    done = embed_in_bulk(InThisProcess(), sources, out=str(out), how=how)
    assert done.before == 7
    assert done.files == 9
    assert sorted((out / "shards").glob("*")) == shards
    assert {shard: shard.stat().st_ino for shard in before} == inodes
    assert {shard: shard.read_bytes() for shard in before} == before
    assert load_job(out).sources == load_job(job).sources


def test_files_that_came_since_are_added(job, sources, how, tmp_path):
    out, new = copy_of(job, tmp_path), tmp_path / "new.npy"
    np.save(new, perform("squat", np.random.default_rng(9)))
    done = embed_in_bulk(InThisProcess(), [*sources, str(new)], out=str(out), how=how)
    assert (done.before, done.found) == (9, 1)
    assert load_job(out).sources[-1] == str(new)


def test_a_clip_whose_shard_is_lost_with_its_file_is_embedded_from_its_copy(how, tmp_path):
    random = np.random.default_rng(3)
    first, copy = tmp_path / "a.npy", tmp_path / "b.npy"
    np.save(first, perform("wave", random))
    shutil.copy(first, copy)
    out = tmp_path / "job"
    embed_in_bulk(InThisProcess(), [str(first), str(copy)], out=str(out), how=how, shard=1)
    assert rows(out, "copy") == [(False,), (True,)]
    (out / "shards/000000.parquet").unlink()  # as if it had not been finished when all was killed
    first.unlink()
    embed_in_bulk(InThisProcess(), [str(first), str(copy)], out=str(out), how=how, shard=1)
    assert rows(out, "error", "copy") == [("no such file", None), (None, False)]
    assert len(load_job(out)) == 1


def test_an_unfinished_job_says_so(job, tmp_path):
    out = copy_of(job, tmp_path)
    copied = {content for content, copy in rows(out, "content_hash", "copy") if copy}
    for shard in (out / "shards").iterdir():
        held = pq.ParquetFile(shard).read().to_pylist()
        if any(row["content_hash"] in copied and not row["copy"] for row in held):
            shard.unlink()
    with pytest.raises(CollectionError, match="not finished"):
        load_job(out)


def test_another_job_is_not_mixed_with_this_one(job, sources, how, tmp_path):
    out = copy_of(job, tmp_path)
    other = How(device="cpu", convention=Convention(units="cm"))
    with pytest.raises(UsageError, match="another reading"):
        embed_in_bulk(InThisProcess(), sources, out=str(out), how=other)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="not empty"):
        embed_in_bulk(InThisProcess(), sources, out=str(tmp_path / "mine"), how=how)
    with pytest.raises(UsageError, match="holds clips that are read"):
        embed_in_bulk(InThisProcess(), [str(out / "x.npy")], out=str(out), how=how)


def test_damage_is_told_with_the_file(job, sources, how, tmp_path):
    out = copy_of(job, tmp_path)
    shard = out / "shards/000000.parquet"
    shard.write_bytes(shard.read_bytes()[:100])
    with pytest.raises(StarsError, match="000000.parquet: not readable"):
        embed_in_bulk(InThisProcess(), sources, out=str(out), how=how)
    with pytest.raises(CollectionError, match="not a readable shard"):
        load_job(out)
    (out / "job.json").write_text(json.dumps({"kind": "classify"}))
    with pytest.raises(CollectionError, match="not the description of a job"):
        load_job(out)


def test_a_job_can_be_searched(job, folder, encoder):
    ((_, hits),) = search_files(encoder, [folder / "clap/2.npy"], job, k=1, skip=fail)
    assert hits[0].source == str(folder / "clap/2.npy")


def test_a_job_of_another_model_is_refused(job, encoder):
    with pytest.raises(CollectionError, match="made by the model"):
        load_job(job, model=replace(encoder.info, name="other", fingerprint="f" * 64))


@pytest.fixture(scope="module")
def taught(folder, how, tmp_path_factory):
    """An index to which the clips of two folders were added."""
    index = tmp_path_factory.mktemp("index") / "stars.db"
    clips = list_sources([str(folder / "clap"), str(folder / "wave")], skip=fail)
    told = []
    done = add_in_bulk(InThisProcess(), clips, index=index, how=how, shard=2, added=told.append)
    assert (done.found, done.failures) == (6, 1)
    assert [(one.label, one.known) for one in told] == [("clap", None)] * 3 + [("wave", None)] * 3
    return index


def test_clips_are_added_once_under_the_name_of_their_folder(taught, folder, encoder, how):
    clips = list_sources([str(folder / "clap")], skip=fail)
    again = []
    add_in_bulk(InThisProcess(), clips, index=taught, how=how, added=again.append)
    assert all(one.known for one in again)
    with ExemplarIndex.open(taught, encoder.info, create=False) as index:
        assert index.labels == ["clap", "wave"]
        assert len(index) == 6
        assert index.exemplars()[0].source == str(folder / "clap/0.npy")


def test_clips_are_named_as_without_a_cluster(taught, sources, encoder, how, tmp_path):
    out = tmp_path / "named"
    done = classify_in_bulk(InThisProcess(), sources, index=taught, out=str(out), how=how, shard=4)
    assert (done.found, done.failures) == (7, 2)
    with ExemplarIndex.open(taught, encoder.info, create=False) as index:
        local = classify_files(
            index,
            encoder,
            clip_files([*map(type(tmp_path), sources)], skip=fail),
            options=ClassifyOptions(),
            skip=lambda error: None,
        )
        wanted = [(one.source, one.label, one.known, one.confidence) for one in local]
    named = rows(out, "source", "label", "known", "confidence", "error")
    found = [row[:4] for row in named if row[4] is None]
    assert [row[:3] for row in found] == [row[:3] for row in wanted]
    np.testing.assert_allclose([row[3] for row in found], [row[3] for row in wanted], atol=1e-6)
    assert {row[4] is None for row in named} == {True, False}


def test_clips_are_named_by_the_examples_with_which_the_job_began(taught, how, tmp_path, sources):
    out, index = tmp_path / "named", tmp_path / "own.db"
    shutil.copy(taught, index)
    classify_in_bulk(InThisProcess(), sources[:1], index=index, out=str(out), how=how)
    before = (out / "index.db").read_bytes()
    add_in_bulk(InThisProcess(), sources[-1:], index=index, label="other", how=how)
    classify_in_bulk(InThisProcess(), sources[:2], index=index, out=str(out), how=how)
    assert (out / "index.db").read_bytes() == before


def test_without_examples_nothing_is_begun(sources, how, tmp_path):
    with pytest.raises(ExemplarIndexError):
        classify_in_bulk(
            InThisProcess(), sources, index=tmp_path / "no.db", out=str(tmp_path / "o"), how=how
        )
    assert not (tmp_path / "o").exists()
