"""Xsens files: segments as joints, several people, and XML that is not trusted."""

import numpy as np
import pytest

from stars_infer import read_clip
from stars_infer.layouts import get_layout
from tests.stars_infer.readers.mocap_files import XSENS, moving, mvnx, z_up
from tests.stars_infer.readers.test_files import refusal


def written(folder, *args, **options):
    path = folder / "take.mvnx"
    path.write_text(mvnx(*args, **options), encoding="utf-8")
    return path


def test_segments_are_joints_and_calibration_is_left_out(tmp_path):
    points = moving("xsens23")
    clip = read_clip(written(tmp_path, [z_up(points)], rate=240))
    np.testing.assert_allclose(clip.bodies[0], points, atol=2e-6)
    assert (clip.layout, clip.fps, clip.frames) == ("xsens23", 240, len(points))
    assert get_layout("xsens23").joints == XSENS


def test_segments_in_another_order_and_props(tmp_path):
    points = moving("xsens23")
    order = np.random.default_rng(0).permutation(23)
    names = [XSENS[n] for n in order] + ["Prop1"]
    with_prop = np.concatenate([z_up(points)[:, order], z_up(points)[:, :1]], axis=1)
    clip = read_clip(written(tmp_path, [with_prop], segments=names))
    np.testing.assert_allclose(clip.bodies[0], points, atol=2e-6)


def test_two_people_of_different_length(tmp_path):
    one = moving("xsens23")
    two = moving("xsens23", "squat", seed=3)[:15] + np.float32([1, 0, 0])
    clip = read_clip(written(tmp_path, [z_up(one), z_up(two)]))
    assert clip.bodies.shape[:2] == (2, len(one))
    np.testing.assert_allclose(clip.bodies[1, :15], two, atol=2e-6)
    assert not clip.presence[1, 15:].any()


BOMB = '<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
OUTSIDE = '<!DOCTYPE b [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("extra", [BOMB, OUTSIDE, "<!DOCTYPE mvnx>"])
def test_document_types_are_refused(tmp_path, extra):
    path = written(tmp_path, [z_up(moving("xsens23"))], extra=extra)
    assert "line 1: a document type, which no file of MVN has: refused" in refusal(path)


def test_damage_is_told(tmp_path):
    good = mvnx([z_up(moving("xsens23"))])
    path = tmp_path / "take.mvnx"

    def told(text):
        path.write_text(text, encoding="utf-8")
        return refusal(path)

    assert "line 1: not readable XML" in told(good[: len(good) // 2])
    assert "a position is no number" in told(good.replace("<position>", "<position>x ", 3))
    assert "68 values of position, but 23 segments" in told(
        good.replace("<position>0 0", "<position>0", 1).replace('type="tpose"', 'type="normal"')
    )
    assert "no frames of type 'normal'" in told(good.replace('type="normal"', 'type="npose"'))
    assert "no segments" in told(good.replace("<segment ", "<other "))
    assert "line 1" in told("nothing")
    assert "not readable XML" in told(good.replace('version="1.0"', 'version="1.0" encoding="u-9"'))


def test_a_rate_that_cannot_be_right_is_left_out(tmp_path):
    clip = read_clip(written(tmp_path, [z_up(moving("xsens23"))], rate="many"))
    assert clip.fps == 30
