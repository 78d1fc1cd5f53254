"""Requests about clips have the answers of the library, and its sentences."""

import io
import json
from types import SimpleNamespace

import numpy as np
import pytest

from stars_infer.classification.prediction import ClassifyOptions
from stars_infer.clips.clip import Clip
from stars_infer.embedding.classify import classify_files
from stars_infer.embedding.files import embed_files
from stars_infer.errors import StarsError
from stars_infer.serving import service
from stars_infer.synthetic.files import skeleton_text
from tests.conftest import call_stars
from tests.stars_infer.serving.conftest import Server, as_file, clip, npy


def test_classify_answers_as_the_library(server, same_index, encoder, tmp_path):
    files = [as_file("wave", 7), as_file("clap", 8)]
    for _, (name, content) in files:
        (tmp_path / name).write_bytes(content)
    paths = [tmp_path / name for _, (name, _) in files]
    for given, asked in ((files[:1], paths[:1]), (files, paths)):
        said = server.post("classify", *given).json()
        wanted = classify_files(
            same_index, encoder, asked, skip=pytest.fail, options=ClassifyOptions(together=True)
        )
        for one, other in zip(said["answers"], wanted, strict=True):
            assert one == json.loads(json.dumps(other.to_dict()).replace(f"{tmp_path}/", ""))
        assert said["failures"] == []


@pytest.mark.parametrize(
    ("content", "headers", "query"),
    [
        (lambda joints: npy(joints), {"content-type": "application/x-npy"}, ""),
        (
            lambda joints: json.dumps({"layout": "ntu25", "bodies": joints.tolist()}).encode(),
            {"content-type": "application/json; charset=utf-8"},
            "",
        ),
        (lambda joints: skeleton_text(joints).encode(), {}, "?name=../x/wave.skeleton"),
        (lambda joints: npy(joints * 100), {"content-type": "application/x-npy"}, "?units=cm"),
    ],
    ids=["npy", "json", "named", "in centimeters"],
)
def test_bodies_of_every_form_are_the_same_clip(server, content, headers, query):
    said = server.client.post(
        f"/v1/search{query}{'&' if query else '?'}k=1",
        content=content(clip("wave", 1)),
        headers=headers,
    )
    assert said.status_code == 200, said.text
    (answer,) = said.json()["answers"]
    assert answer["neighbors"][0]["similarity"] == pytest.approx(1, abs=1e-3)
    assert "/" not in answer["source"]


def test_one_bad_clip_does_not_stop_the_others(server):
    said = server.post("classify", as_file("wave", 9), ("clip", ("x.npy", b"no"))).json()
    assert [one["source"] for one in said["answers"]] == ["wave-9.npy"]
    assert said["failures"] == [
        {"source": "x.npy", "error": "not a NumPy array file (pickled data is never loaded)"}
    ]


def test_bad_clips_have_the_sentence_of_the_command_line(server, stars, tmp_path):
    contents = {
        "empty.npy": b"",
        "short.npy": npy(clip("wave", 0)[:, :1]),
        "text.json": b"{",
        "odd.xyz": b"1",
        "path.json": b'{"layout": "/etc/own.toml", "bodies": [[[[0, 0, 0]]]]}',
        "flat.npy": npy(np.r_[clip("wave", 0)] * [1, 1, 0]),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        said = server.post("embed", ("clip", (name, content)))
        code, _, err = call_stars("embed", name, "--out", "v.npz")
        assert said.status_code == 422, said.text
        assert code == 1
        assert " ".join(f"error: {said.json()['error']}".split()) in " ".join(err.split())


@pytest.mark.parametrize(
    ("path", "query", "says"),
    [
        ("classify", "up=sideways", "up axis 'sideways'"),
        ("classify", "layout=squid8", "there is no layout 'squid8'"),
        ("classify", "layout=/etc/own.toml", "opens no files"),
        ("classify", "people=crowds", "people 'crowds'"),
        ("classify", "classifier=magic", "magic"),
        ("classify", "views=upside", "upside"),
        ("classify", "unheard=1", "unheard"),
        ("classify", "fps=NaN", "fps"),
        ("classify", "false_accept_rate=2", "false_accept_rate"),
        ("search", "k=0", "k: "),
        ("segment", "window=0", "window"),
        ("segment", "min_confidence=7", "min_confidence"),
        ("exemplars", "", "label: Field required"),
        ("exemplars", "label=%20", "label"),
    ],
)
def test_options_that_mean_nothing_are_wrong_usage(server, path, query, says):
    said = server.post(f"{path}?{query}", as_file("wave", 0))
    assert (said.status_code, says in said.json()["error"]) == (400, True), said.text


def test_each_person_has_an_answer(server):
    two = clip("handshake", 3)
    said = server.client.post(
        "/v1/classify?people=each", content=npy(two), headers={"content-type": "application/x-npy"}
    ).json()
    assert len(said["answers"]) == 2


def test_files_of_one_frame_each_are_one_clip(server):
    frames = [
        {"people": [{"pose_keypoints_3d": np.c_[joints, np.ones(25)].ravel().tolist()}]}
        for joints in clip("wave", 3)[0, ::12][:4]
    ]
    files = [
        ("clip", (f"a_{number:012}_keypoints.json", json.dumps(frame)))
        for number, frame in enumerate(frames)
    ]
    said = server.post("classify?layout=body25&up=y", *files).json()
    assert [one["frames"] for one in said["answers"]] == [4], said
    assert "/" not in said["answers"][0]["source"]


def test_chances_sum_to_that_of_being_known(server):
    said = server.post("chances", as_file("wave", 7), as_file("clap", 8)).json()
    known = server.post("classify", as_file("wave", 7)).json()["answers"][0]["chance_known"]
    assert said["labels"] == server.service.index.labels
    assert sum(said["chances"][0]) == pytest.approx(known)


def test_vectors_as_json_and_as_numpy(server, encoder):
    said = server.post("embed", as_file("wave", 7), as_file("clap", 8))
    as_array = server.post("embed", as_file("wave", 7), headers={"accept": "application/x-npy"})
    clips = [Clip.from_array(clip("wave", 7)), Clip.from_array(clip("clap", 8))]
    wanted = [one.features.vector for one in embed_files(encoder, clips, skip=pytest.fail)]
    vectors = [one["vector"] for one in said.json()["clips"]]
    np.testing.assert_allclose(vectors, wanted, atol=1e-5)
    np.testing.assert_allclose(np.load(io.BytesIO(as_array.content)), wanted[:1], atol=1e-5)


def test_recordings_are_segmented_as_by_the_command_line(server, stars, tmp_path):
    joints = np.concatenate([clip("wave", 11), clip("clap", 12)], axis=1)
    np.save(tmp_path / "morning.npy", joints)
    said = server.post("segment", ("clip", ("morning.npy", npy(joints)))).json()["recordings"]
    path = server.service.index.path
    _, out, _ = call_stars("segment", "morning.npy", "--index", path, "--json")
    assert said == [json.loads(line) for line in out.splitlines()]


def test_a_recording_that_takes_too_long_is_told_so(server, monkeypatch):
    clock = iter(range(0, 10**6, 1000))
    monkeypatch.setattr(service, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    said = server.post("segment", as_file("wave", 11))
    assert said.status_code == 422
    assert "took longer than 30 s" in said.json()["error"]


def test_mistakes_of_ours_say_nothing_of_the_inside(server, monkeypatch):
    def broken(*given):
        raise RuntimeError("secret")

    monkeypatch.setattr(server.service.index, "search", broken)
    monkeypatch.setattr(server.client._transport, "raise_server_exceptions", False)
    said = server.post("search", as_file("wave", 1))
    assert said.status_code == 500
    assert "secret" not in said.text
    assert said.headers["x-request-id"] in said.json()["error"]


def test_an_empty_index_says_so(encoder, tmp_path):
    with Server(encoder, tmp_path / "new.db") as empty:
        said = empty.post("classify", as_file("wave", 1))
        assert said.status_code == 409
        assert "the index is empty" in said.json()["error"]
        assert empty.client.get("/readyz").status_code == 200
        with pytest.raises(StarsError):
            empty.service.index.calibration()
