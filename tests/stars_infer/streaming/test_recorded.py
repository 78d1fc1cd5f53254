"""Files as streams."""

import json
import threading

import numpy as np
import pytest

from stars_infer.clips.convention import Convention
from stars_infer.errors import ClipError, UsageError
from stars_infer.streaming.frames import FrameReader
from stars_infer.streaming.recorded import read_as_stream
from stars_infer.synthetic.actions import perform


def frames_of(stream):
    reader = FrameReader(stream.convention)
    read = [reader.read(line, source="line") for line in stream.lines(threading.Event())]
    return [frame for frame in read if frame is not None]


def test_lines_are_read_as_they_are(tmp_path):
    joints = perform("wave", np.random.default_rng(0))[0]
    lines = ['{"layout": "ntu25"}', *(json.dumps(frame.tolist()) for frame in joints)]
    for name in ("stream.jsonl", "stream.log"):
        (tmp_path / name).write_text("\n".join(lines))
        frames = frames_of(read_as_stream(tmp_path / name, Convention()))
        np.testing.assert_allclose([frame.bodies[0] for frame in frames], joints, atol=1e-6)


def test_a_clip_of_any_format_is_played(tmp_path):
    pair = 1000 * perform("handshake", np.random.default_rng(0))
    pair[1, :20] = 0
    np.save(tmp_path / "clip.npy", pair)
    stream = read_as_stream(tmp_path / "clip.npy", Convention(units="mm", fps=15.0))
    frames = frames_of(stream)
    assert len(frames) == pair.shape[1]
    assert [len(frame.bodies) for frame in (frames[19], frames[20])] == [1, 2]
    assert (frames[30].time, frames[30].layout) == (2.0, "ntu25")
    assert frames[30].identities == ("0", "1")
    np.testing.assert_allclose(frames[30].bodies, pair[:, 30] / 1000, atol=1e-5)
    stopped = threading.Event()
    stopped.set()
    assert list(stream.lines(stopped)) == []


def test_what_is_no_file_of_frames_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        read_as_stream(tmp_path / "none.jsonl", Convention())
    with pytest.raises(UsageError, match="a folder"):
        read_as_stream(tmp_path, Convention())
    (tmp_path / "bad.npy").write_bytes(b"nothing")
    with pytest.raises(ClipError, match=r"bad\.npy"):
        read_as_stream(tmp_path / "bad.npy", Convention())
