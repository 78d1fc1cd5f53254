"""Exemplars are added, listed, renamed and removed, and what is told to be there is in the file."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from stars_infer.index.index import ExemplarIndex
from stars_infer.serving.batches import Adding, Lesson
from tests.stars_infer.serving.conftest import Server, as_file

JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def own(encoder, tmp_path_factory):
    """A server whose index these tests change."""
    with Server(encoder, tmp_path_factory.mktemp("own") / "stars.db") as running:
        yield running


def in_file(server, encoder):
    """What another process finds in the file."""
    with ExemplarIndex.open(server.service.index.path, encoder.info, create=False) as index:
        return index.counts()


def test_from_teaching_to_removing(own, encoder):
    said = own.post("exemplars?label=wave", as_file("wave", 0), as_file("wave", 1)).json()
    assert [one["added"] for one in said["clips"]] == [True, True]
    assert in_file(own, encoder) == {"wave": 2}
    again = own.post("exemplars?label=clap", as_file("wave", 0)).json()["clips"][0]
    assert (again["added"], again["known"]["label"]) == (False, "wave")
    listed = own.client.get("/v1/exemplars", params={"limit": 1}).json()
    assert (listed["counts"], listed["next"]) == ({"wave": 2}, 1)
    (last,) = own.client.get("/v1/exemplars?start=1").json()["exemplars"]
    assert last["source"] == "wave-1.npy"
    assert own.client.patch("/v1/exemplars", json={"label": "wave", "to": "greet"}).json() == {
        "changed": 2
    }
    own.client.patch("/v1/exemplars", json={"ids": [last["id"]], "to": "hello"})
    assert in_file(own, encoder) == {"greet": 1, "hello": 1}
    assert own.client.delete("/v1/exemplars", params={"id": last["id"]}).json() == {"changed": 1}
    assert own.client.delete("/v1/exemplars?label=greet").status_code == 200
    assert in_file(own, encoder) == {}


@pytest.mark.parametrize(
    ("method", "more", "says"),
    [
        ("patch", {"json": {"label": "nope", "to": "x"}}, "there is no action 'nope'"),
        ("patch", {"json": {"ids": [999], "to": "x"}}, "no such example"),
        ("patch", {"json": {"to": "x"}}, "say what to rename"),
        ("patch", {"json": {"ids": [0], "to": "x"}}, "an id must be"),
        ("patch", {"content": b"{", "headers": JSON}, "JSON decode error"),
        ("delete", {}, "say what to remove"),
        ("delete", {"params": {"id": "999999999999999999999"}}, "no such example"),
        ("delete", {"params": {"label": "nope"}}, "there is no action 'nope'"),
    ],
)
def test_changes_of_nothing_are_wrong_usage(own, method, more, says):
    said = getattr(own.client, method)("/v1/exemplars", **more)
    assert (said.status_code, says in said.json()["error"]) == (400, True), said.text


def test_a_copy_is_an_index(own, encoder, tmp_path):
    own.post("exemplars?label=squat", as_file("squat", 0))
    said = own.client.get("/v1/exemplars/file")
    (tmp_path / "copy.db").write_bytes(said.content)
    with ExemplarIndex.open(tmp_path / "copy.db", encoder.info, create=False) as index:
        assert index.counts() == {"squat": 1}


def test_several_requests_become_one_transaction_and_one_that_is_wrong_spoils_none(own, encoder):
    clips = own.client.portal.call(_read, own)
    counted = []
    adding = Adding(
        ExemplarIndex.in_memory(encoder.info),
        encoder,
        most=8,
        executor=ThreadPoolExecutor(1),
        count=counted.append,
    )
    lessons = [Lesson(label="kick", clips=clips[:1]), Lesson(label="kick", clips=clips)]
    first, second = adding.process_batch(lessons)
    assert [one.known is None for one in first] == [True]
    assert [one.known is None for one in second] == [False, True]
    broken = Lesson(label=" ", clips=clips)
    error, fine = adding.process_batch([broken, lessons[0]])
    assert isinstance(error, Exception)
    assert len(fine) == 1
    assert counted == [2, 2]


async def _read(server):
    """Clips as the processes give them."""
    import tempfile
    from pathlib import Path

    from stars_infer.clips.convention import Convention
    from stars_infer.serving.reading import Upload
    from tests.stars_infer.serving.conftest import clip, npy

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = [folder / "a.npy", folder / "b.npy"]
        for seed, file in enumerate(files):
            file.write_bytes(npy(clip("kick", seed)))
        upload = Upload(folder=folder, files=files, convention=Convention())
        return await server.service._reading.clips(upload)
