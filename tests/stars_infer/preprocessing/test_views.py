import numpy as np
import pytest

from stars_infer.clips.clip import Clip
from stars_infer.errors import UsageError
from stars_infer.index.index import ExemplarIndex
from stars_infer.layouts import NTU25_JOINTS
from stars_infer.preprocessing.views import CROP_SHARES, mirror_clip, views_of
from stars_infer.similarity.features import Features
from tests.stars_infer.index.test_index import MODEL, exemplar


def clip_of(frames=40):
    random = np.random.default_rng(0)
    return Clip.from_array(random.normal(size=(2, frames, 25, 3)), source="clip.npy")


def test_a_mirror_image_has_its_left_where_the_right_was():
    clip = clip_of()
    image = mirror_clip(clip)
    left, right = (NTU25_JOINTS.index(f"{side} wrist") for side in ("left", "right"))
    np.testing.assert_array_equal(image.bodies[:, :, left, 0], -clip.bodies[:, :, right, 0])
    np.testing.assert_array_equal(image.bodies[:, :, left, 1:], clip.bodies[:, :, right, 1:])
    np.testing.assert_array_equal(mirror_clip(image).bodies, clip.bodies)


def test_crops_are_from_the_middle():
    clip = clip_of(40)
    cuts = views_of(clip, ["crops"])
    assert [cut.frames for cut in cuts] == [round(40 * share) for share in CROP_SHARES]
    np.testing.assert_array_equal(cuts[0].bodies, clip.bodies[:, 3:37])
    assert len(views_of(clip_of(2), ["crops"])) == 1
    assert len(views_of(clip, ["mirror", "crops"])) == 3
    assert views_of(clip, []) == []
    with pytest.raises(UsageError, match="choose mirror or crops"):
        views_of(clip, ["tilted"])


def test_the_most_alike_view_counts(tmp_path):
    with ExemplarIndex.open(tmp_path / "stars.db", MODEL) as index:
        index.add([exemplar(str(n), n) for n in range(4)])
        one, two = (exemplar("?", n, tilt=t).features for n, t in ((0, 1.0), (2, 0.1)))
        both = Features(vector=one.vector, views=(two,))
        alone, other, seen = index.classify([one, two, both])
        assert (alone.label, other.label, seen.label) == ("0", "2", "2")
        assert seen.similarity == other.similarity
        found = {near.label: near.similarity for near in seen.neighbors}
        assert found["0"] == pytest.approx(alone.similarity)
