import numpy as np
import pytest

from stars_infer.clips.clip import Clip
from stars_infer.clips.people import parts_by_people, people_of
from stars_infer.errors import ClipError, UsageError
from stars_infer.readers.files import read_clip
from stars_infer.synthetic.actions import ACTIONS
from stars_infer.synthetic.files import write_recordings


@pytest.fixture(scope="module")
def walker(tmp_path_factory):
    folder = tmp_path_factory.mktemp("people")
    list(write_recordings(folder, performers=1, seed=0))
    assert "walk" in ACTIONS
    return read_clip(next((folder / "walk").iterdir())).bodies[0]


def clip_of(tracks, frames):
    """A clip of tracks (start, joints (T, V, 3)) on so many frames."""
    bodies = np.zeros((len(tracks), frames, 25, 3), np.float32)
    presence = np.zeros((len(tracks), frames), np.bool_)
    for number, (start, joints) in enumerate(tracks):
        bodies[number, start : start + len(joints)] = joints
        presence[number, start : start + len(joints)] = True
    return Clip(bodies=bodies, presence=presence, source="clip.npy")


def test_a_body_that_comes_up_where_another_was_lost_is_the_same_person(walker):
    half = len(walker) // 2
    clip = clip_of([(0, walker[: half - 5]), (half, walker[half:])], len(walker))
    (person,) = people_of(clip)
    assert person.bodies == (0, 1)
    np.testing.assert_array_equal(person.seen, clip.presence.any(axis=0))
    np.testing.assert_array_equal(person.joints[half:], walker[half:])


@pytest.mark.parametrize(("away", "pause"), [((3, 0, 0), 5), ((0, 0, 0), 40)])
def test_far_away_or_after_long_it_is_somebody_else(walker, away, pause):
    later = walker[:30] + np.array(away, np.float32)
    clip = clip_of([(0, walker[:30]), (30 + pause, later)], 60 + pause)
    assert [person.bodies for person in people_of(clip)] == [(0,), (1,)]


def test_parts_are_the_people_alone_or_those_who_meet(walker):
    shift = np.array([2, 0, 0], np.float32)
    frames = len(walker) + 40
    clip = clip_of([(0, walker), (20, walker + shift), (len(walker) + 20, walker[:15] - shift)],
                   frames)  # fmt: skip
    each = parts_by_people(clip, "each")
    assert [part.source for part in each] == [f"clip.npy, person {n}" for n in range(3)]
    assert [part.frames for part in each] == [len(walker), len(walker), 15]
    np.testing.assert_array_equal(each[1].bodies[0], walker + shift)
    (pair,) = parts_by_people(clip, "pairs")
    assert pair.source == "clip.npy, people 0 and 1"
    assert pair.bodies.shape[:2] == (2, len(walker) - 20)
    assert pair.presence.all()
    assert parts_by_people(clip, "pooled") == [clip]


def test_one_person_alone(walker):
    clip = clip_of([(0, walker)], len(walker))
    assert parts_by_people(clip, "each") == [clip]
    with pytest.raises(ClipError, match="no two of them together"):
        parts_by_people(clip, "pairs")
    with pytest.raises(UsageError, match="choose pooled, each, pairs"):
        parts_by_people(clip, "all")
