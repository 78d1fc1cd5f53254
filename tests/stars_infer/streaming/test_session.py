import json
import threading

import pytest

from stars_infer.clips.convention import Convention
from stars_infer.errors import ClipError
from stars_infer.streaming.classifier import StreamAnswer, StreamClassifier
from stars_infer.streaming.feed import FrameFeed
from stars_infer.streaming.frames import FrameReader
from stars_infer.streaming.options import StreamOptions
from stars_infer.streaming.session import StreamSession
from tests.stars_infer.cli.streaming import FPS, FakeEncoder, FakeIndex, recording


def session(source):
    """A stream of some lines, or of what a source of lines gives."""
    if not callable(source):
        lines = [line.encode() for line in source]
        return session(lambda stop: iter(lines))
    encoder, index = FakeEncoder(), FakeIndex()
    how = StreamOptions(live=False)  # a busy machine skips answers
    return StreamSession(
        FrameFeed(source, wait=True),
        FrameReader(Convention(layout="ntu25", fps=FPS)),
        lambda layout: StreamClassifier(encoder, index, layout=layout, how=how),
        even=True,
    )


@pytest.fixture(scope="module")
def frames():
    joints, _ = recording("wave")
    return [json.dumps(frame.round(3).tolist()) for frame in joints[:60]]


def test_frames_are_answered_at_an_even_rate_and_counted(frames):
    stream = session(frames)
    assert (stream.frame_rate, stream.latency) == (None, None)
    events = list(stream.events(timeout=60))
    answers = [event for event in events if isinstance(event, StreamAnswer)]
    assert len(events) == stream.frames == 60
    assert answers[0].time == pytest.approx(1 / FPS)
    assert answers[1].time - answers[0].time == pytest.approx(0.2, abs=1 / FPS)
    assert answers[-1].label == "wave"
    assert stream.changes == 1
    half, most = stream.latency
    assert 0 < half <= most
    assert stream.frame_rate > 0
    assert set(stream.losses.values()) == {0}


def test_lines_that_are_no_frame_are_events_and_the_rest_goes_on(frames):
    stream = session([frames[0], "{bad", *frames[1:10]])
    errors = [event for event in stream.events(timeout=60) if isinstance(event, ClipError)]
    assert [error.source for error in errors] == ["line 2"]
    assert stream.last_error is errors[0]
    assert (stream.frames, stream.unreadable, stream.losses["unreadable"]) == (10, 1, 1)
    stream.check_readable()


def test_a_stream_without_a_frame_is_an_error():
    stream = session(["{}", "3"])
    list(stream.events(timeout=60))
    with pytest.raises(ClipError, match=r"none of 2 line\(s\) could be read; the last: line 2"):
        stream.check_readable()
    silent = session([])
    assert list(silent.events(timeout=60)) == []
    silent.check_readable()


def test_a_silent_source_lets_the_caller_do_something_else(frames):
    enough, events = threading.Event(), []

    def lines(stop):
        yield frames[0].encode()
        enough.wait(60)

    for event in session(lines).events(timeout=0.05):
        events.append(event)
        if events.count(None) == 2:
            enough.set()
    (answer,) = filter(None, events)
    assert isinstance(answer, StreamAnswer)
    assert events.count(None) >= 2
