"""Frame rates from times in any unit, and frames at uneven times."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from stars_infer import read_clip
from stars_infer.errors import ClipError
from stars_infer.layouts import get_layout
from stars_infer.readers.recording import frame_numbers
from stars_infer.readers.timing import seconds_of, timing_of, unit_in

JOINTS = get_layout("coco17").joints


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("time", ""), ("Timestamp", ""), ("timestamp_usec", "us"), ("Time (Seconds)", "s"),
        ("time_ms", "ms"), ("timestamp [ms]", "ms"), ("timestamp_ns", "ns"), ("t", ""),
        ("RelativeTime", ""), ("seconds", "s"), ("ticks", "ticks"), ("timer", None), ("x", None),
        ("nose_x", None), ("ms", None), ("frame", None),
    ],
)  # fmt: skip
def test_names_of_times(name, unit):
    assert unit_in(name) == unit


def dates(times, text):
    start = datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)
    return [text(start + timedelta(seconds=float(time))) for time in times]


@pytest.mark.parametrize("fps", [5, 12, 30, 120])
@pytest.mark.parametrize(
    "written",
    [
        lambda t: t, lambda t: t + 1.7e9, lambda t: np.rint(t * 1e3), lambda t: 1.7e12 + t * 1e3,
        lambda t: np.rint(t * 1e6), lambda t: t * 1e9, lambda t: 1.7e18 + t * 1e9,
        lambda t: dates(t, datetime.isoformat),
        lambda t: dates(t, lambda date: date.strftime("%Y-%m-%d %H:%M:%S.%f")),
        lambda t: dates(t, lambda date: date.isoformat().replace("+00:00", "Z")),
        lambda t: [str(one) for one in t],
    ],
)  # fmt: skip
def test_times_in_any_unit_give_the_rate(fps, written):
    times = np.arange(40) / fps
    timing = timing_of(seconds_of(written(times), ""), source="s")
    assert timing.fps == pytest.approx(fps, rel=0.01)
    assert timing.uneven is None


@pytest.mark.parametrize(("values", "unit"), [(np.arange(9), ""), (["soon"] * 9, "")])
def test_what_is_no_time(values, unit):
    assert seconds_of(values, unit) is None


def test_times_that_are_lists_are_refused():
    with pytest.raises(ClipError, match="the time of a frame is a list"):
        timing_of(np.zeros((3, 0)), source="s")


def test_ticks_and_units_that_are_named():
    assert seconds_of([0, 333_333], "ticks")[1] == pytest.approx(1 / 30, rel=1e-4)
    assert seconds_of([0, 40], "ms")[1] == pytest.approx(0.04)


def table(path, times, column="timestamp"):
    """A person whose joints move to the right at 1 m/s, at these times."""
    rng = np.random.default_rng(0)
    body = rng.normal(scale=0.3, size=(len(JOINTS), 3)) + [0, 1, 2]
    header = ",".join([column, *(f"{joint}_{axis}" for joint in JOINTS for axis in "xyz")])
    rows = [
        ",".join(map(str, [time, *(body + [since, 0, 0]).ravel()]))
        for time, since in zip(times, np.asarray(times, float), strict=True)
    ]
    path.write_text("\n".join([header, *rows]))
    return path


def test_uneven_times_are_resampled(tmp_path):
    rng = np.random.default_rng(1)
    times = np.cumsum(rng.choice([0.02, 0.05, 0.06, 0.09], size=120))
    clip = read_clip(table(tmp_path / "c.csv", times))
    assert clip.fps == pytest.approx(119 / (times[-1] - times[0]), rel=0.01)
    assert any("frames at uneven times, 20 to 90 ms apart" in note for note in clip.notes)
    x = clip.bodies[0, :, 0, 0]
    np.testing.assert_allclose(np.diff(x), 1 / clip.fps, atol=1e-3)
    assert clip.presence.all()


def test_a_long_gap_between_uneven_frames_stays_one(tmp_path):
    times = np.cumsum(np.random.default_rng(1).choice([0.02, 0.05, 0.09], size=120))
    times[60:] += 3
    clip = read_clip(table(tmp_path / "c.csv", times))
    absent = np.flatnonzero(~clip.presence[0])
    assert len(absent) == pytest.approx(3 * clip.fps, abs=4)
    assert (np.diff(absent) == 1).all()


def test_rounded_times_are_even(tmp_path):
    times = np.round(np.arange(90) / 30, 2)
    clip = read_clip(table(tmp_path / "c.csv", times))
    assert (clip.frames, clip.notes) == (90, ()) or not any("uneven" in n for n in clip.notes)
    assert clip.fps == pytest.approx(30, rel=0.01)


def test_without_times_it_is_said_that_30_is_taken(tmp_path):
    path = table(tmp_path / "c.csv", np.arange(30) / 10, column="comment")
    assert any("no times: 30 frames per second are taken" in n for n in read_clip(path).notes)
    assert not any("no times" in note for note in read_clip(path, fps=10).notes)
    counted = table(tmp_path / "d.csv", np.arange(30))
    clip = read_clip(counted)
    assert clip.fps == 30
    assert any("'timestamp' holds no times" in note for note in clip.notes)


def test_times_that_run_back_are_refused():
    with pytest.raises(ClipError, match="is not after the one before"):
        timing_of(np.array([0, 0.1, 0.05]), source="s")


@pytest.mark.filterwarnings("error")
def test_times_next_to_each_other_are_of_too_many_frames():
    with pytest.raises(ClipError, match=r"^clip: from 0 to 1 s are more than .* cut it into parts"):
        frame_numbers(np.array([0, 1e-310, 2e-310, 1]), source="clip")
