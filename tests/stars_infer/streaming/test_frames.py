import json

import numpy as np
import pytest

from stars_infer.clips.convention import Convention
from stars_infer.errors import ClipError
from stars_infer.streaming.frames import FrameReader

NTU = Convention(layout="ntu25")


def read(line, convention=NTU):
    return FrameReader(convention).read(line.encode(), source="line 1")


def test_frames_come_in_several_forms(waving):
    body = waving[0, 0].tolist()
    for line in (body, [body], {"joints": body}, {"bodies": [body], "time": 2}):
        frame = read(json.dumps(line))
        np.testing.assert_allclose(frame.bodies, waving[:, 0])
        assert frame.layout == "ntu25"
        assert frame.time == (2.0 if isinstance(line, dict) and "time" in line else None)
    assert read("[]").bodies.shape == (0, 25, 3)
    assert read('{"bodies": [], "time_ms": 1500}').time == 1.5
    lost = read(json.dumps({"joints": [None, *body[1:]]}))
    assert np.isnan(lost.bodies[0, 0]).all()
    assert np.isfinite(lost.bodies[0, 1:]).all()
    unsure = read(json.dumps({"joints": body, "confidence": [0.1, *[0.9] * 24]}))
    assert np.isnan(unsure.bodies[0, 0]).all()


def test_units_axes_and_header_lines(waving):
    body = (1000 * waving[0, 0][:, [0, 2, 1]] * [1, -1, 1]).tolist()
    frame = read(json.dumps(body), Convention(layout="ntu25", units="mm", up="z"))
    np.testing.assert_allclose(frame.bodies[0], waving[0, 0], atol=1e-5)
    reader = FrameReader()
    assert (
        reader.read(b'{"layout": "ntu25", "units": "mm", "up": "z", "fps": 15}', source="x") is None
    )
    assert reader.fps == 15
    frame = reader.read(json.dumps(body).encode(), source="x")
    np.testing.assert_allclose(frame.bodies[0], waving[0, 0], atol=1e-5)


@pytest.mark.parametrize("header_first", [True, False])
def test_a_stray_header_changes_nothing(waving, header_first):
    body = waving[0, 0].tolist()
    reader = FrameReader(Convention(layout="ntu25"))
    if header_first:
        assert reader.read(b'{"units": "m", "fps": 20}', source="line 1") is None
    reader.read(json.dumps(body).encode(), source="line 2")
    fps = reader.fps
    for stray, message in (
        ({"units": "mm"}, "units mm instead of m"),
        ({"up": "z", "fps": 12}, "fps 12.0 instead of .*, up z instead of y"),
        ({"handedness": "left", "layout": "kinect20"}, "handedness left instead of right"),
    ):
        with pytest.raises(ClipError, match=f"line 3: a header with {message}: a stream keeps"):
            reader.read(json.dumps(stray).encode(), source="line 3")
    assert reader.read(b'{"units": "m", "layout": "azure32"}', source="line 4") is None
    frame = reader.read(json.dumps(body).encode(), source="line 5")
    np.testing.assert_allclose(frame.bodies[0], waving[0, 0])
    assert frame.layout == "ntu25"
    assert reader.fps == fps == (20 if header_first else 30)


def test_who_each_body_is_comes_with_the_frame(waving):
    body = waving[0, 0].tolist()
    assert read(json.dumps({"bodies": [body, body], "ids": [7, "x"]})).identities == ("7", "x")
    assert read(json.dumps({"bodies": [None, body], "ids": [7, "x"]})).identities == ("x",)
    assert read(json.dumps([body, body])).identities == (None, None)


def test_mediapipe_needs_no_layout():
    person = [{"x": 0.01 * n, "y": 0.1, "z": 0.0, "visibility": 0.9} for n in range(33)]
    frame = read(json.dumps({"worldLandmarks": [person]}), None)
    assert frame.layout == "mediapipe33"
    assert frame.bodies[0, 5] == pytest.approx([-0.05, -0.1, 0.0])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not JSON"),
        ("3", "no frame"),
        ("{}", "no frame"),
        ('{"joints": [[1, 2, 3]]}', "1 joints, but layout 'ntu25' has 25"),
        ('{"joints": [[1, 2]]}', "expected"),
        ('{"bodies": 3}', "must be lists"),
        ('{"bodies": [], "time": "ü"}', "'time' must be a number"),
        ('{"bodies": [], "time": NaN}', "'time' must be a number"),
        ("[" * 100_000, "JSON"),
    ],
)
def test_a_line_that_is_no_frame_is_refused(line, message):
    with pytest.raises(ClipError, match=message):
        read(line)
