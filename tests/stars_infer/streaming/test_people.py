"""People in a stream: followed whatever their order, and named together or each."""

import numpy as np
import pytest

from stars_infer import Recognizer
from stars_infer.errors import UsageError
from stars_infer.streaming.buffer import FrameBuffer
from stars_infer.streaming.classifier import StreamClassifier
from stars_infer.streaming.options import StreamOptions
from stars_infer.streaming.people import PeopleFollower
from stars_infer.synthetic.actions import perform
from tests.stars_infer.cli.streaming import FPS, FakeEncoder, FakeIndex
from tests.stars_infer.clips.company import ASIDE, acting, drifting, standing, swaying


@pytest.fixture(scope="module")
def actions():
    made = Recognizer(device="cpu")
    random = np.random.default_rng(0)
    for action in ("wave", "squat", "kick", "handshake"):
        made.add(action, [perform(action, random) for _ in range(3)])
    return made


def answers_of(actions, frames, *, identities=(), **how):
    classifier = StreamClassifier(
        actions.encoder, actions.index, how=StreamOptions(live=False, **how)
    )
    answers = []
    for at, bodies in enumerate(frames):
        answers += classifier.push_people(
            np.asarray(bodies, np.float32).reshape(-1, 25, 3), at / FPS, identities=identities
        )
    return answers


def changes(answers, *people):
    return [a.answer for a in answers if a.changed and a.label and a.people == people]


def shuffled(*bodies, seed=0):
    """Frames of bodies in any order."""
    random = np.random.default_rng(seed)
    return [random.permutation(frame) for frame in np.stack(bodies, axis=1)]


@pytest.mark.parametrize("beside", [standing, drifting, swaying], ids=lambda made: made.__name__)
def test_a_bystander_in_a_stream_changes_nothing(actions, beside):
    joints = np.concatenate((acting("wave", 8), acting("squat", 9)))
    frames = shuffled(joints, beside(len(joints)))
    assert changes(answers_of(actions, frames)) == ["wave", "squat"]


def test_each_person_is_named_though_their_order_changes(actions):
    wave, kick = acting("wave", 8)[:70], acting("kick", 9)[:70] + ASIDE
    answers = answers_of(actions, shuffled(wave, kick), people="each")
    told = {answer.people for answer in answers}
    assert told == {("0",), ("1",)}
    assert sorted(changes(answers, "0") + changes(answers, "1")) == ["kick", "wave"]


def test_identities_of_the_stream_name_the_people(actions):
    frames = np.stack((acting("wave", 8)[:70], acting("kick", 9)[:70] + ASIDE), axis=1)
    answers = answers_of(actions, frames, people="each", identities=("anna", "ben"))
    assert changes(answers, "anna") == ["wave"]
    assert changes(answers, "ben") == ["kick"]


def test_a_pair_is_named(actions):
    pair = perform("handshake", np.random.default_rng(5))
    answers = answers_of(actions, shuffled(*pair), people="pairs")
    assert changes(answers, "0", "1") == ["handshake"]


def test_whoever_is_named_and_leaves_is_told_once(actions):
    frames = [*acting("wave", 8)[:70, None], *[np.zeros((0, 25, 3))] * 150]
    answers = answers_of(actions, frames, people="each")
    said = [answer.answer for answer in answers if answer.changed]
    assert said == ["wave", "unknown"]
    assert answers[-1].changed  # nothing comes after it
    later = answers_of(actions, [*frames, *acting("squat", 9)[:70, None]], people="each")
    assert changes(later, "1") == ["squat"]


def test_several_answers_need_the_other_function():
    classifier = StreamClassifier(FakeEncoder(), FakeIndex(), how=StreamOptions(people="each"))
    with pytest.raises(UsageError, match="use push_people"):
        classifier.push(acting("wave")[0], 0.0)
    with pytest.raises(UsageError, match="choose pooled, each, pairs"):
        StreamOptions(people="all")


def place(follower, *poses, time, names=()):
    return follower.place(np.stack(poses).astype(np.float32), time, names)[0]


def test_slots_are_kept_by_place_identity_and_position():
    one, two = acting("wave")[:2], acting("kick")[:2] + ASIDE
    follower = PeopleFollower(slots=3, joints=25)
    assert place(follower, one[0], two[0], time=0.0) == [0, 1]
    assert place(follower, two[1], one[1], time=0.1) == [1, 0]
    assert place(follower, two[0], time=0.2) == [1]  # the first left: the list closes ranks
    assert place(follower, one[0], two[1], time=0.9) == [0, 1]
    assert place(follower, one[0] + 5, two[1], time=1.0) == [0, 1]  # whoever jumps, jumps
    assert follower.names == ["0", "1", ""]
    assert place(follower, one[0], time=3.0) == [2]
    assert follower.names[2] == "2"  # lost for so long, it is somebody new
    assert place(follower, two[0], one[0], time=3.1, names=("x", None)) == [0, 2]
    assert place(follower, one[0], two[0], time=9.0, names=(None, "x"))[1] == 0
    assert follower.names[0] == "x"


def test_a_person_who_jumps_keeps_the_place_in_the_list():
    """As in a stream in millimeters that is taken for meters."""
    joints = 1000 * acting("jump")
    follower = PeopleFollower(slots=3, joints=25)
    slots = {place(follower, pose, time=at / FPS)[0] for at, pose in enumerate(joints)}
    assert slots == {0}


def test_whoever_takes_over_a_slot_has_no_past():
    buffer = FrameBuffer(joints=2, seconds=4.0)
    for at in range(8):  # more people than slots, one after the other
        buffer.add(np.full((2, 3), 5.0 * at + 1), 1.2 * at)
    bodies, presence = buffer.latest(fps=10.0)
    assert len(set(buffer.people)) == len(buffer.people)
    assert buffer.people[1] == "7"
    assert set(bodies[1][presence[1]].ravel().tolist()) == {36.0}


def test_a_joint_that_is_off_for_a_moment_is_mended_and_told(actions):
    joints = acting("wave", 8)
    joints[40, 0] += 2
    answers = answers_of(actions, joints)
    assert changes(answers) == ["wave"]
    notes = {note for answer in answers for note in answer.notes}
    assert any("base of spine of body 0 jumps away in 1 frame" in note for note in notes)
