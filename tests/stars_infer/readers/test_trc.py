"""TRC files: labeled points as joints, gaps, rates, and what is damaged."""

import numpy as np
import pytest

from stars_infer import read_clip
from tests.stars_infer.readers.mocap_files import KINECT, moving, trc, z_up
from tests.stars_infer.readers.test_files import refusal


def written(folder, *args, **options):
    path = folder / "trial.trc"
    path.write_text(trc(*args, **options), encoding="utf-8")
    return path


def test_joints_by_their_names(tmp_path):
    points = moving()
    clip = read_clip(written(tmp_path, KINECT, points, rate=50))
    np.testing.assert_allclose(clip.bodies[0], points, atol=1e-6)
    assert (clip.layout, clip.fps, clip.notes) == ("kinect20", 50, ())


def test_units_are_those_of_the_header(tmp_path):
    points = moving()
    for units, scale in (("mm", 1000), ("cm", 100), ("m", 1)):
        clip = read_clip(written(tmp_path, KINECT, points * scale, units=units))
        np.testing.assert_allclose(clip.bodies[0], points, atol=1e-5)


def test_what_the_caller_says_counts_more(tmp_path):
    points = moving()
    path = written(tmp_path, KINECT, z_up(points) * 100, units="mm")
    clip = read_clip(path, units="cm", up="z", fps=15)
    np.testing.assert_allclose(clip.bodies[0], points, atol=1e-5)
    assert clip.fps == 15


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_a_byte_order_mark(tmp_path, end):
    points = moving()
    path = tmp_path / "trial.trc"
    text = "\ufeff" + trc(KINECT, points).replace("\n", end)
    path.write_bytes(text.encode("utf-8"))
    np.testing.assert_allclose(read_clip(path).bodies[0], points, atol=1e-6)


def test_empty_cells_are_missing_points(tmp_path):
    points = moving()
    spoilt = points.copy()
    spoilt[5:8, KINECT.index("left wrist")] = np.nan
    spoilt[-1, -1] = np.nan  # the line ends early
    path = written(tmp_path, KINECT, spoilt)
    path.write_text("\n".join(line.rstrip("\t") for line in path.read_text().split("\n")))
    clip = read_clip(path)
    assert "left wrist" in " ".join(clip.notes)
    np.testing.assert_allclose(clip.bodies[0], points, atol=0.06)


def test_points_without_a_label_and_labels_without_gaps(tmp_path):
    points = moving()
    stray = np.concatenate([points[:, :5], points[:, :1] + 3, points[:, 5:]], axis=1)
    clip = read_clip(written(tmp_path, [*KINECT[:5], "", *KINECT[5:]], stray))
    np.testing.assert_allclose(clip.bodies[0], points, atol=1e-6)
    lines = trc(KINECT, points).split("\n")
    lines[3] = "Frame#\tTime\t" + "\t".join(KINECT)
    (tmp_path / "trial.trc").write_text("\n".join(lines))
    np.testing.assert_allclose(read_clip(tmp_path / "trial.trc").bodies[0], points, atol=1e-6)


def test_the_rate_of_the_times_counts_where_the_header_is_wrong(tmp_path):
    text = trc(KINECT, moving(), rate=60)
    lines = text.split("\n")
    lines[2] = lines[2].replace("60", "100", 1)
    path = tmp_path / "trial.trc"
    path.write_text("\n".join(lines))
    assert read_clip(path).fps == pytest.approx(60, rel=0.01)


def test_a_file_that_lost_its_end_is_read_with_a_note(tmp_path):
    path = written(tmp_path, KINECT, moving(), frames=500)
    assert "the header says 500 frames, but there are 24" in read_clip(path).notes


@pytest.mark.parametrize("digits", [300, 5000])
def test_a_header_with_a_number_of_very_many_digits(tmp_path, digits):
    path = written(tmp_path, KINECT, moving(), frames="9" * digits)
    assert "the header says very many frames, but there are 24" in read_clip(path).notes


def test_damage_is_told_with_its_line(tmp_path):
    good = trc(KINECT, moving())
    path = tmp_path / "trial.trc"
    lines = good.split("\n")

    def told(change):
        spoilt = list(lines)
        change(spoilt)
        path.write_text("\n".join(spoilt))
        return refusal(path)

    assert "line 8: 'seven' is not a number" in told(
        lambda s: s.__setitem__(7, "2\t0.1\tseven\t1\t2")
    )
    assert "line 7: 63 values, but the labels need 62" in told(
        lambda s: s.__setitem__(6, s[6] + "\t9")
    )
    assert "line 4: expected the labels" in told(lambda s: s.__setitem__(3, "x"))
    assert "line 4: no label" in told(lambda s: s.__setitem__(3, "Frame#\tTime"))
    assert "frame" in told(lambda s: s.__delitem__(slice(6, None)))


def test_points_that_are_no_body(tmp_path):
    path = written(tmp_path, [f"M{n}" for n in range(20)], moving())
    assert "neither joints of a known layout nor markers that give left hip, right hip" in refusal(
        path
    )


def test_a_real_recording_of_opencap(shared):
    clip = read_clip(shared / "cases/trc_opencap_real.trc")
    names = ("neck", "right shoulder")
    from stars_infer.layouts import get_layout

    joints = get_layout(clip.layout).joints
    neck, shoulder = (clip.bodies[0, 0, joints.index(name)] for name in names)
    np.testing.assert_allclose(neck, [-0.2319, 1.3397, -0.0984], atol=1e-4)
    np.testing.assert_allclose(shoulder, [-0.2612, 1.3377, 0.0779], atol=1e-4)
    assert (clip.fps, clip.frames) == (30, 44)
