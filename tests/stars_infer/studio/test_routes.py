"""Teach, ask and tend over HTTP."""

import io

import numpy as np
import pytest

from stars_infer.layouts import get_layout
from stars_infer.studio.bodies import SAID
from stars_infer.synthetic.actions import perform
from tests.stars_infer.studio.conftest import Studio

pytestmark = pytest.mark.usefixtures("studio")


def counts(studio):
    return studio.get("state").json()["counts"]


def test_what_was_taught_is_named_beside_its_nearest_example(studio):
    (key,) = studio.read(("squat", 9))
    found = studio.post("ask", {"key": key}).json()
    assert found["answer"] == "squat"
    assert found["confidence"] > 0.5
    nearest = found["neighbors"][0]
    assert nearest["label"] == "squat"
    laid = studio.get(f"align?first=k{key}&second=e{nearest['id']}").json()
    assert laid["first"] == sorted(laid["first"])
    assert len(laid["distances"]) == len(laid["second"])


def test_a_clip_of_the_other_hand_is_laid_over_as_in_a_mirror(studio):
    wave = perform("wave", np.random.default_rng(1))
    other = wave[:, :, list(get_layout("ntu25").counterparts)] * np.array([-1, 1, 1])
    file = io.BytesIO()
    np.save(file, other)
    answer = studio.client.post(
        f"{studio.app.path}/api/read", files=[("clip", ("left.npy", file.getvalue()))]
    )
    (clip,) = answer.json()["clips"]
    found = studio.post("ask", {"key": clip["key"]}).json()
    assert found["label"] == "wave"
    near = found["neighbors"][0]
    assert near["label"] == "wave"
    laid = studio.get(f"align?first=k{clip['key']}&second=e{near['id']}").json()
    assert laid["mirrored"]
    plain, mirrored = (
        studio.get(f"clips/{clip['key']}?mirrored={which}").json()["bodies"][0]["poses"][0]
        for which in ("false", "true")
    )
    assert plain[0] == -mirrored[0]


def test_clips_that_were_looked_at_teach_how_many_are_unknown_once_each(studio):
    known, unknown = studio.read(("squat", 10), ("clap", 9))
    told = [
        studio.post("tell", {"key": key, "known": key == known}).json()["counted"]
        for key in (known, unknown, known)
    ]
    assert told == [True, True, False]
    share = studio.service.index.unknown_share()
    assert (share.known, share.unknown) == (1, 1)
    studio.service.index.forget_feedback()


def test_a_held_clip_and_an_example_can_be_played(studio):
    (key,) = studio.read(("kick", 9))
    clip = studio.get(f"clips/{key}").json()
    assert clip["frames"] == len(clip["bodies"][0]["poses"])
    (first, *_) = studio.get("exemplars").json()["exemplars"]
    played = studio.get(f"exemplars/{first['id']}/clip").json()
    assert played["from"] == "clip"
    assert played["label"] == first["label"]


def test_a_removed_example_comes_back_with_its_clip(studio):
    before = studio.get("exemplars").json()["exemplars"]
    ids = [one["id"] for one in before if one["label"] == "wave"]
    kept = studio.service.shelf.count()
    assert studio.post("remove", {"ids": ids}).json() == {"changed": 3}
    assert studio.service.shelf.count() == kept - 3
    assert "wave" not in counts(studio)
    undone = studio.post("undo").json()
    assert undone == {"changed": 3, "words": "3 examples of 'wave' removed"}
    assert studio.get("exemplars").json()["exemplars"] == before
    assert studio.service.shelf.count() == kept


def test_labels_and_names_are_changed_and_changed_back(studio):
    before = studio.get("exemplars").json()["exemplars"]
    studio.post("relabel", {"ids": [before[0]["id"], before[-1]["id"]], "label": "other"})
    studio.post("rename", {"label": "squat", "to": "other"})
    assert counts(studio)["other"] == 5
    studio.post("undo")
    studio.post("undo")
    assert studio.get("exemplars").json()["exemplars"] == before


def test_an_addition_is_undone(studio):
    before = counts(studio)
    studio.teach("clap", 1)
    assert counts(studio)["clap"] == 1
    studio.post("undo")
    assert counts(studio) == before


def test_what_somebody_else_undid_is_told(studio):
    before = counts(studio)
    (number,) = studio.teach("clap", 1)
    studio.service.index.remove(ids=[number])
    assert studio.post("undo").json() == {"changed": 0, "words": "1 example of 'clap' added"}
    assert counts(studio) == before


def test_folders_that_were_taught_together_are_undone_together(studio):
    before = counts(studio)
    for action in ("jump", "walk"):
        keys = studio.read((action, 1))
        studio.post("teach", {"keys": keys, "label": action, "batch": "folders"})
    assert studio.post("undo").json()["changed"] == 2
    assert counts(studio) == before


def test_a_correction_is_learnt(studio):
    (key,) = studio.read(("clap", 5))
    studio.post("teach", {"keys": [key], "label": "applaud"})
    assert studio.post("ask", {"key": key}).json()["label"] == "applaud"
    studio.post("undo")
    assert studio.post("ask", {"key": key}).json()["label"] != "applaud"


def test_the_map_holds_every_example_and_is_kept(studio):
    found = studio.ready("map")
    assert sorted(found["ids"]) == [
        one["id"]
        for one in sorted(studio.get("exemplars").json()["exemplars"], key=lambda e: e["id"])
    ]
    assert len(found["places"]) == 2 * len(found["ids"])
    assert max(map(abs, found["places"])) <= 1
    assert (studio.service.shelf.folder / "map.npz").is_file()


def test_the_report_speaks_of_confusion_and_says_what_would_help(studio):
    studio.teach("kick", 11, 12, label="squat")
    found = studio.ready("report")
    assert {one["kind"] for one in found["findings"]} & {"mislabeled", "disagreement"}
    wrong = [one for one in found["confusion"]["pairs"] if one["label"] == "squat"]
    assert wrong[0]["named"] == "kick"
    assert found["advice"]
    studio.post("undo")
    found = studio.ready("report")
    assert found["confusion"]["right"] == found["confusion"]["asked"] == 9


def test_useful_clips_are_suggested(studio):
    keys = studio.read(("clap", 21), ("clap", 22), ("wave", 23))
    found = studio.post("suggest", {"keys": keys, "n": 1}).json()["suggestions"]
    assert found[0]["key"] in keys[:2]


def test_a_recording_has_segments_and_its_parts_can_be_asked(studio, tmp_path):
    random = np.random.default_rng(5)
    parts = [perform(action, random) for action in ("squat", "kick")]
    file = io.BytesIO()
    np.save(file, np.concatenate(parts, axis=1))
    path = f"{studio.app.path}/api/read?recording=true"
    answer = studio.client.post(path, files=[("clip", ("long.npy", file.getvalue()))])
    (clip,) = answer.json()["clips"]
    found = studio.post("segment", {"key": clip["key"]}).json()
    assert {"squat", "kick"} <= {one["label"] for one in found["segments"]}
    part = next(one for one in found["segments"] if one["label"] == "squat")
    cut = studio.post(
        "cut", {"key": clip["key"], "start": part["start"], "end": part["end"]}
    ).json()
    assert studio.post("ask", {"key": cut["key"]}).json()["label"] == "squat"


def test_after_a_restart_all_is_there_and_plays_even_without_its_clip(shipped, tmp_path):
    with Studio(shipped, tmp_path / "stars.db") as first:
        (number,) = first.teach("wave", 1)
    with Studio(shipped, tmp_path / "stars.db") as second:
        assert counts(second) == {"wave": 1}
        assert "nothing to undo" in second.post("undo").json()["error"]
        assert second.get(f"exemplars/{number}/clip").json()["from"] == "clip"
        for one in second.service.shelf.folder.glob("*.npz"):
            one.unlink()
        played = second.get(f"exemplars/{number}/clip").json()
        assert (played["from"], played["note"]) == ("joints", SAID["joints"])
        second.service.index.features(shipped)  # makes the vectors, and drops the joints
        played = second.get(f"exemplars/{number}/clip").json()
        assert (played["from"], played["note"]) == ("postures", SAID["postures"])


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
        ("ask", {"key": "0" * 64}, "no longer held"),
        ("teach", {"keys": [], "label": "wave"}, "choose the clips"),
        ("remove", {"ids": [9999]}, "no such example"),
        ("rename", {"label": "nobody", "to": "wave"}, "no action"),
    ],
)
def test_wrong_requests_are_told(studio, path, content, said):
    answer = studio.post(path, content)
    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_numbers_beside_a_scene_are_no_clip(studio):
    pytest.importorskip("scipy")
    from tests.stars_infer.readers.scene_files import gltf_of, motion

    made = gltf_of(motion(name="one"), motion(seed=1, name="two"))
    files = [
        ("clip", ("a walk.gltf", made.text("a%20walk.bin"))),
        ("clip", ("a walk.bin", made.data)),
    ]
    answer = studio.client.post(f"{studio.app.path}/api/read", files=files).json()
    assert [one["name"] for one in answer["clips"]] == ["a walk.gltf#one", "a walk.gltf#two"]
    assert answer["failures"] == []
    answer = studio.client.post(f"{studio.app.path}/api/read", files=files[1:]).json()
    assert "name the .gltf beside it" in str(answer)


@pytest.mark.parametrize(("start", "end"), [(5, 1), (900, 901)])
def test_a_part_that_a_recording_has_not_is_refused(studio, start, end):
    (key,) = studio.read(("wave", 5))
    answer = studio.post("cut", {"key": key, "start": start, "end": end})
    assert answer.status_code == 400
    assert "is no part of wave-5.npy, which lasts" in answer.json()["error"]


def test_a_part_ends_with_its_recording(studio):
    (key,) = studio.read(("wave", 5))
    whole = studio.get(f"clips/{key}").json()["frames"]
    answer = studio.post("cut", {"key": key, "start": 0, "end": 1e308})
    assert answer.json()["frames"] == whole


def test_an_example_is_taught_and_undone_where_its_clip_cannot_be_kept(shipped, tmp_path, caplog):
    (tmp_path / "stars.db.clips").write_text("a file where the folder would be")
    with Studio(shipped, tmp_path / "stars.db") as studio:
        (number,) = studio.teach("wave", 1)
        assert "clips cannot be kept there" in caplog.text
        assert studio.get(f"exemplars/{number}/clip").status_code == 200
        assert studio.post("remove", {"ids": [number]}).status_code == 200
        assert studio.post("undo").json()["changed"] == 1
        assert studio.post("undo").json()["changed"] == 1
        assert counts(studio) == {}
