"""The recognizer: a few lines from clips of any form to answers."""

import copy
import json
import pickle
import shutil
import threading
import warnings

import numpy as np
import pytest

from stars_infer import Clip, Encoder, Prediction, Recognizer, StreamClassifier, prepare, read_clip
from stars_infer.classification.prediction import Predictions
from stars_infer.errors import (
    ClipError,
    ExemplarIndexError,
    StarsError,
    StarsWarning,
    UsageError,
)
from stars_infer.layouts import NTU25
from stars_infer.preprocessing.views import mirror_clip
from stars_infer.synthetic.actions import SOLO_ACTIONS, perform
from stars_infer.synthetic.files import skeleton_text

TAUGHT = ("wave", "squat", "kick", "clap")


def acted(action, seed):
    return perform(action, np.random.default_rng(seed))


def teach(actions):
    for action in TAUGHT:
        actions.add(action, [acted(action, seed) for seed in range(3)])
    return actions


@pytest.fixture(scope="module")
def taught():
    """A recognizer of four actions, with the shipped encoder; tests leave it as it is."""
    return teach(Recognizer(device="cpu"))


@pytest.fixture
def own():
    """The same for a test that changes it."""
    return teach(Recognizer(device="cpu"))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """ACTION/0.skeleton and ACTION/1.npy of each action, in a folder."""
    folder = tmp_path_factory.mktemp("clips")
    for action in TAUGHT:
        (folder / action).mkdir()
        (folder / action / "0.skeleton").write_text(skeleton_text(acted(action, 10)))
        np.save(folder / action / "1.npy", acted(action, 11))
    return folder


def test_one_clip_in_any_form_gives_one_answer(taught, files):
    path = files / "squat/1.npy"
    array = np.load(path)
    for clip in (path, str(path), array, array[0], Clip.from_array(array)):
        answer = taught.predict(clip)
        assert isinstance(answer, Prediction)
        assert (answer.label, answer.known, answer.notes) == ("squat", True, ())
        assert answer.confidence > 0.5
        assert (answer.bodies, answer.frames) == (1, array.shape[1])
    assert taught.predict(path).source == str(path)
    assert taught.predict(array).source == "array"


def test_many_clips_give_a_list_in_their_order(taught, files):
    paths = [files / "kick/0.skeleton", acted("wave", 12), str(files / "squat/1.npy")]
    answers = taught.predict(paths)
    assert isinstance(answers, Predictions)
    assert [answer.label for answer in answers] == ["kick", "wave", "squat"]
    assert [answer.source for answer in answers] == [str(paths[0]), "array 1", paths[2]]
    assert len(taught.predict(iter(paths))) == 3
    assert [answer.label for answer in taught.predict(files / "clap")] == ["clap"] * 2
    assert [answer.label for answer in taught.predict([files / "kick"])] == ["kick"] * 2
    assert [answer.label for answer in taught.predict([paths[1]])] == ["wave"]
    assert taught.predict([]) == []


def test_a_file_of_many_clips_is_many(taught, files, tmp_path):
    content = {
        "split": {},
        "annotations": [
            {"frame_dir": f"S{n}", "keypoint": acted("wave", n), "label": 0, "total_frames": 60}
            for n in range(2)
        ],
    }
    (tmp_path / "all.pkl").write_bytes(pickle.dumps(content))
    answers = taught.predict(tmp_path / "all.pkl")
    assert [answer.source for answer in answers] == [f"{tmp_path / 'all.pkl'}#S{n}" for n in (0, 1)]
    assert isinstance(taught.predict(f"{tmp_path / 'all.pkl'}#S0"), Prediction)


def test_to_dict_has_the_keys_of_the_command_line(taught, files, tmp_path, monkeypatch):
    from tests.conftest import call_stars

    taught.save(tmp_path / "stars.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STARS_MODEL", raising=False)
    monkeypatch.delenv("STARS_INDEX", raising=False)
    path = files / "kick/1.npy"
    code, out, err = call_stars("classify", path, "--json")
    assert code == 0, err
    told, answer = json.loads(out), taught.predict(path).to_dict()
    assert told == answer


# Where the axes of a clip that is y up go in the source, and what a caller says of the source.
SOURCES = {
    "MediaPipe": (lambda x: x * [-1, -1, 1], {"up": "-y"}),
    "z up": (lambda x: np.stack([x[..., 0], -x[..., 2], x[..., 1]], axis=-1), {"up": "z"}),
    "millimeters": (lambda x: x * 1000, {"units": "mm"}),
    "left-handed": (lambda x: x * [-1, 1, 1], {"handedness": "left"}),
    "all of it": (
        lambda x: np.stack([-x[..., 0], -x[..., 2], x[..., 1]], axis=-1) * 100,
        {"units": "cm", "up": "z", "handedness": "left"},
    ),
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("action", TAUGHT)
def test_arrays_in_other_units_and_axes(taught, source, action):
    turn, said = SOURCES[source]
    right = acted(action, 13)
    expected = taught.predict(right)
    assert expected.label == action
    name, value = next(iter(said.items()))
    with pytest.warns(StarsWarning) as caught:
        odd = taught.predict(turn(right))
    (warning,) = caught
    remedy = f'{name}="{value}"'
    assert remedy in str(warning.message)
    assert warning.filename == __file__
    assert any(remedy in note for note in odd.notes)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answer = taught.predict(turn(right), **said)
    assert (answer.label, answer.notes) == (action, ())
    assert answer.confidence == pytest.approx(expected.confidence, abs=1e-3)


def test_every_method_warns_once_of_each_clip(own):
    mm = [acted("wave", seed) * 1000 for seed in (20, 21)]
    for method in (own.predict, own.predict_proba, own.search, lambda x: own.add("wave", x)):
        with pytest.warns(StarsWarning) as caught:
            method(mm)
        assert [str(warning.message).split(":")[0] for warning in caught] == ["array 0", "array 1"]
        assert {warning.filename for warning in caught} == {__file__}


@pytest.mark.parametrize(
    ("clips", "says"),
    [
        (None, "None is no clip"),
        (3, "int 3 is no clip"),
        ({"wave": "a.npy"}, "is no clip: pass a path, a folder, an array of positions"),
        ({"a.npy"}, "is no clip"),
        (b"a.npy", "is no clip"),
        ("", "an empty path is no clip"),
        ([None], "None is no clip"),
        ([[1.0, 2.0]], "is no clip"),
        (np.array(["a.npy", "b.npy"]), "an array of <U5 (2,) is no clip"),
        (np.array([None, 1], object), "an array of object (2,) is no clip"),
        (np.zeros((25, 3)), "an array of float64 (25, 3) is no clip"),
        (np.zeros((2, 1, 9, 25, 3)), "of an array of many clips, pass list(array)"),
        (np.float64(3), "is no clip"),
    ],
)
def test_what_is_no_clip_gets_one_sentence(taught, own, clips, says):
    for method in (taught.predict, taught.search, lambda x: own.add("wave", x)):
        with pytest.raises(UsageError) as caught:
            method(clips)
        assert says in str(caught.value)
        assert "\n" not in str(caught.value)
    assert len(own) == 12


def test_an_array_of_many_clips_is_doubted(taught):
    many = np.stack([acted(action, 23)[0, :60] for action in TAUGHT * 2])
    with pytest.warns(StarsWarning, match=r"one clip of 8 bodies.* pass list\(array\)"):
        taught.predict(many)
    assert [answer.label for answer in taught.predict(list(many))] == [*TAUGHT] * 2


def test_errors_of_clips_name_them(taught, files):
    with pytest.raises(ClipError, match=r"nowhere\.npy: no such file"):
        taught.predict("nowhere.npy")
    with pytest.raises(ClipError, match=r"array 1: 20 joints.*kinect20"):
        taught.predict([acted("wave", 1), np.ones((9, 20, 3))])
    (files / "wave/empty").mkdir()
    with pytest.raises(ClipError, match="no clip in this folder"):
        taught.predict(files / "wave/empty")


def test_clips_that_cannot_be_used_may_be_left_out(own, files):
    clips = [acted("wave", 30), "nowhere.npy", np.zeros((9, 25, 3)), files / "kick/1.npy"]
    with pytest.raises(ClipError, match="array 2: no body in any frame"):
        own.predict(clips)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answers = own.predict(clips, on_error="skip")
    assert [answer.label for answer in answers] == ["wave", "kick"]
    assert {error.source for error in answers.failures} == {"nowhere.npy", "array 2"}
    with pytest.warns(StarsWarning, match="left out") as caught:
        own.predict(clips, on_error="warn")
    assert len(caught) == 2
    with pytest.raises(ClipError):
        own.predict("nowhere.npy", on_error="skip")
    with pytest.raises(ClipError):
        own.add("jump", clips)
    assert "jump" not in own.labels
    added = own.add("jump", clips, on_error="skip")
    assert (len(added.added), len(added.failures)) == (2, 2)
    assert repr(added) == "<2 added, 2 failed>"
    with pytest.raises(UsageError, match="on_error 'ignore': choose raise, skip, warn"):
        own.predict(clips, on_error="ignore")


def test_duplicates_are_reported(own):
    known = acted("wave", 0)
    added = own.add("wave", [known, acted("wave", 40)])
    assert added.added == ("array 1",)
    (duplicate,) = added.duplicates
    assert (duplicate.known.label, duplicate.known.source) == ("wave", "array 0")
    assert not duplicate.is_contradiction
    assert repr(added) == "<1 added, 1 already there>"
    with pytest.warns(StarsWarning, match="already in the index as 'wave'"):
        added = own.add("clap", known)
    assert added.duplicates[0].is_contradiction
    assert own.counts == {"clap": 3, "kick": 3, "squat": 3, "wave": 4}
    assert own.relabel([added.duplicates[0].known.id], "clap") == 1
    assert own.counts["clap"] == 4


def test_labels_come_from_folders_if_none_is_said(files):
    with Recognizer(device="cpu") as actions:
        assert len(actions.add(None, files).added) == 8
        assert actions.counts == dict.fromkeys(sorted(TAUGHT), 2)
        with pytest.raises(UsageError, match="array: say which action it shows"):
            actions.add(None, acted("wave", 1))
        for wrong in (3, ["wave"], b"wave"):
            with pytest.raises(UsageError, match="a label must be text"):
                actions.add(wrong, files)
        for wrong in ("", " ", "a\nb", "Unknown"):
            with pytest.raises(UsageError, match="cannot be a label"):
                actions.add(wrong, files)
        with pytest.raises(UsageError, match="no clips to add"):
            actions.add("wave", [])


def test_actions_are_removed_and_renamed(own):
    assert (len(own), own.labels) == (12, sorted(TAUGHT))
    assert repr(own) == "<Recognizer in memory: 12 clips, 4 actions>"
    assert own.remove("clap") == 3
    assert own.rename("wave", "greet") == 3
    assert own.labels == ["greet", "kick", "squat"]
    assert own.predict(acted("wave", 15)).label == "greet"
    for act in (lambda: own.remove("clap"), lambda: own.rename("clap", "x")):
        with pytest.raises(UsageError, match="there is no action 'clap'; known actions: greet"):
            act()
    for act in (
        lambda: own.remove(3), lambda: own.rename("kick", 3), lambda: own.relabel([1], None)
    ):  # fmt: skip
        with pytest.raises(UsageError, match="a label must be text"):
            act()
    with pytest.raises(UsageError, match="say what to remove"):
        own.remove()
    with pytest.raises(UsageError, match="no such example"):
        own.remove(ids=[999])
    assert own.remove(ids=[own.index.exemplars("kick")[0].id]) == 1
    assert own.counts["kick"] == 2


def test_chances_are_of_the_labels_in_their_order(taught):
    chances = taught.predict_proba([acted(action, 16) for action in taught.labels])
    assert chances.shape == (4, 4)
    assert chances.argmax(axis=1).tolist() == [0, 1, 2, 3]
    assert (chances >= 0).all()
    assert (chances.sum(axis=1) <= 1 + 1e-9).all()
    one = taught.predict_proba(acted(taught.labels[2], 16))
    np.testing.assert_allclose(one, chances[2])
    answer = taught.predict(acted(taught.labels[2], 16))
    assert one[2] == pytest.approx(answer.confidence)


def test_search_finds_the_nearest_examples(taught):
    found = taught.search(acted("kick", 17), 4)
    assert [neighbor.label for neighbor in found[:3]] == ["kick"] * 3
    assert len(found) == 4
    similar = [neighbor.similarity for neighbor in found]
    assert similar == sorted(similar, reverse=True)
    assert [len(one) for one in taught.search([acted("kick", 17)] * 2, k=2)] == [2, 2]


def test_what_the_command_line_can_do_is_a_keyword_away(taught):
    pair = perform("handshake", np.random.default_rng(3))
    each = taught.predict(pair, people="each")
    assert [answer.source for answer in each] == ["array, person 0", "array, person 1"]
    wave = acted("wave", 18)
    mirrored = wave * np.float32([-1, 1, 1])
    left = Clip.from_array(mirrored[:, :, list(NTU25.counterparts)])
    plain, views = taught.predict(left), taught.predict(left, views=["mirror", "crops"])
    assert views.similarity > plain.similarity
    assert taught.predict(left, views="mirror") == taught.predict(left, views=["mirror"])
    for classifier in ("vote", "majority", "prototypes"):
        assert taught.predict(wave, classifier=classifier, k=1).label == "wave"
    jump = acted("jump", 40)
    for rate, answer in ((0.1, "unknown"), (0.9, taught.predict(jump).label)):
        assert taught.predict(jump, false_accept_rate=rate).answer == answer
    for wrong in (
        {"people": "all"},
        {"views": ["top"]},
        {"classifier": "knn"},
        {"false_accept_rate": 2},
        {"k": 0},
        {"units": "ft"},
        {"layout": "ntu26"},
        {"units": -1},
        {"units": True},
        {"up": 1},
        {"layout": 25},
        {"handedness": True},
        {"fps": "30"},
        {"k": "3"},
        {"k": 1.5},
        {"false_accept_rate": "5%"},
        {"workers": 0},
    ):
        with pytest.raises(UsageError):
            taught.predict(wave, **wrong)
    for method in (taught.predict, taught.predict_proba, taught.search):
        with pytest.raises(TypeError, match="unit"):
            method(wave, unit="mm")


def test_files_keep_the_examples(taught, tmp_path, files):
    path = tmp_path / "stars.db"
    with Recognizer(path, device="cpu") as actions:
        actions.add(None, files / "kick")
        assert repr(actions) == f"<Recognizer in {path}: 2 clips, 1 actions>"
    with Recognizer.open(path, device="cpu") as again:
        assert again.counts == {"kick": 2}
    copy = tmp_path / "copy.db"
    taught.save(copy)
    with Recognizer.open(str(copy), device="cpu") as again:
        assert again.counts == taught.counts
        wave = acted("wave", 22)
        assert again.predict(wave) == taught.predict(wave)
    with pytest.raises(StarsError):
        taught.save(copy)
    with pytest.raises(UsageError, match="name the file to open"):
        Recognizer.open(None)
    with pytest.raises(ExemplarIndexError, match="no index of examples here"):
        Recognizer.open(tmp_path / "other.db")
    assert not (tmp_path / "other.db").exists()
    shutil.copy(files / "kick/1.npy", tmp_path / "no.db")
    with pytest.raises(ExemplarIndexError, match="not a usable index of examples"):
        Recognizer(tmp_path / "no.db")


def test_nothing_is_named_before_something_is_taught():
    actions = Recognizer(device="cpu")
    assert repr(actions) == "<Recognizer in memory: 0 clips, 0 actions>"
    with pytest.raises(ExemplarIndexError, match="empty"):
        actions.predict(acted("wave", 1))


def test_threads_share_a_recognizer(own):
    clips = {action: [acted(action, seed) for seed in (50, 51)] for action in SOLO_ACTIONS}
    failed = []

    def work(action):
        try:
            if action in TAUGHT:
                answers = own.predict(clips[action] * 3)
                assert [answer.label for answer in answers] == [action] * 6
            else:
                own.add(action, clips[action])
        except Exception as error:  # a thread's failure is the test's
            failed.append(error)

    threads = [threading.Thread(target=work, args=(action,)) for action in (*clips, *clips)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len(own) == 16


def test_a_closed_recognizer_says_so(tmp_path):
    actions = teach(Recognizer(tmp_path / "stars.db"))
    actions.close()
    for use in (
        lambda: len(actions),
        lambda: actions.predict(acted("wave", 9)),
        lambda: actions.add("wave", acted("wave", 9)),
    ):
        with pytest.raises(UsageError, match="the index was closed; open it again"):
            use()
    assert repr(actions) == "<Recognizer, closed>"


def test_examples_that_are_not_there_are_not_relabeled(own):
    with pytest.raises(UsageError, match="no such example"):
        own.relabel([999], "kick")
    assert own.relabel([999, own.index.exemplars("wave")[0].id], "kick") == 1


def test_views_may_come_one_by_one(taught):
    clip = mirror_clip(Clip.from_array(acted("kick", 18)))
    wanted = taught.predict(clip, views=["mirror"])
    assert taught.predict(clip, views=(view for view in ["mirror"])) == wanted
    assert taught.predict(clip).similarity < wanted.similarity
    for wrong in (None, 1):
        with pytest.raises(UsageError, match=f"views {wrong}: choose mirror or crops"):
            taught.predict(clip, views=wrong)


def test_masked_values_are_missing(taught):
    masked = np.ma.masked_array(acted("kick", 18).copy())
    masked[..., 10:13, 5, :] = np.ma.masked
    masked.data[..., 10:13, 5, :] = 1000
    with pytest.warns(StarsWarning, match="left elbow of body 0 is missing for 3 frames"):
        assert taught.predict(masked).answer == "kick"


def test_a_recognizer_is_not_pickled(own):
    for copied in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(UsageError, match="save it, and open the file"):
            copied(own)


def test_what_is_no_path_or_device_is_told_so(own):
    for wrong in (3, b"a", True, ["a"]):
        with pytest.raises(UsageError, match="path must be a path"):
            Recognizer(wrong)
        with pytest.raises(UsageError, match="path must be a path"):
            own.save(wrong)
        with pytest.raises(UsageError, match="path must be a path"):
            read_clip(wrong)
        with pytest.raises(UsageError, match="device must be text"):
            Recognizer(device=wrong)


def test_actions_that_differ_only_in_case_are_told():
    actions = teach(Recognizer())
    with pytest.warns(StarsWarning, match="'Wave' and 'wave' are two actions"):
        actions.add("Wave", acted("wave", 9))
    with pytest.warns(StarsWarning, match="'KICK' and 'kick' are two actions"):
        actions.rename("squat", "KICK")
    (one, *_) = (one.id for one in actions.index.exemplars("clap"))
    with pytest.warns(StarsWarning, match="'Kick' and 'KICK' are two actions"):
        actions.relabel([one], "Kick")
    with warnings.catch_warnings():
        warnings.simplefilter("error", StarsWarning)
        actions.rename("Wave", "wave")


def test_what_is_no_clip_is_told_everywhere():
    encoder = Encoder.load()
    for use in (prepare, lambda one: encoder.embed([one]), lambda one: encoder.encode([one])):
        for wrong in (3, "clip.npy", np.zeros((9, 25, 3))):
            with pytest.raises(UsageError, match="expected a Clip, got"):
                use(wrong)
    clip = Clip.from_array(acted("wave", 9))
    for use in (encoder.embed, encoder.encode):
        for wrong in (3, clip, "clip.npy"):
            with pytest.raises(UsageError, match="expected a list of clips, got"):
                use(wrong)
    with pytest.raises(UsageError, match="an Encoder and an ExemplarIndex"):
        StreamClassifier(3, 4)
