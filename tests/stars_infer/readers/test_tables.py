"""CSV and Parquet: wide and long tables, names and numbers, and what is wrong with them."""

import time

import numpy as np
import pytest

from stars_infer import read_clip
from stars_infer.errors import ClipError, MissingExtraError
from stars_infer.layouts import get_layout
from stars_infer.readers.files import clip_files
from tests.stars_infer.readers.mocap_files import moving

KINECT = get_layout("kinect20")
COCO = get_layout("coco17")


@pytest.fixture
def joints():
    """(2, 40, 20, 3): two people who walk about."""
    rng = np.random.default_rng(0)
    body = rng.normal(scale=0.3, size=(2, 1, 20, 3)) + [0, 1, 0]
    return (body + rng.normal(scale=0.01, size=(2, 40, 20, 3)).cumsum(axis=1)).astype(np.float32)


STYLES = {
    "hip center_x": "{joint}_{axis}",
    "hip center.X": "{joint}.{AXIS}",
    "x_hip center": "{axis}_{joint}",
    "X hip center": "{AXIS} {joint}",
    "hip center:x": "{joint}:{axis}",
}


def wide(joints, names, style="{joint}_{axis}", bodies=False, time=None, frame=True):
    """Columns of a table, a row a frame and body."""
    count, frames = joints.shape[:2]
    rows = [(t, m) for t in range(frames) for m in range(count)]
    columns = {}
    if frame:
        columns["frame"] = [t for t, _ in rows]
    if time is not None:
        columns["time"] = [time[t] for t, _ in rows]
    if bodies:
        columns["body"] = [f"person {m}" for _, m in rows]
    for v, name in enumerate(names):
        for axis in range(3):
            column = style.format(joint=name, axis="xyz"[axis], AXIS="XYZ"[axis])
            columns[column] = [float(joints[m, t, v, axis]) for t, m in rows]
    return columns


def long(joints, names, **more):
    """Columns of a table, a row a joint."""
    rows = list(np.ndindex(*joints.shape[:3]))
    columns = {"frame": [t + 1 for _, t, _ in rows], "body": [m for m, _, _ in rows],
               "joint": [names[v] for _, _, v in rows]}  # fmt: skip
    for axis in range(3):
        columns["xyz"[axis]] = [float(joints[m, t, v, axis]) for m, t, v in rows]
    return columns | more


def csv_text(columns, mark=",", end="\n"):
    lines = [mark.join(columns)]
    lines += [mark.join("" if cell is None else str(cell) for cell in row)
              for row in zip(*columns.values(), strict=True)]  # fmt: skip
    return end.join(lines) + end


def written(folder, columns, ending=".csv", **style):
    path = folder / f"c{ending}"
    if ending == ".csv":
        path.write_bytes(csv_text(columns, **style).encode())
    else:
        pa = pytest.importorskip("pyarrow", reason="pip install 'stars-infer[formats]'")
        from pyarrow import parquet

        parquet.write_table(pa.table(columns), path)
    return path


def refusal(path, **options):
    with pytest.raises(ClipError) as caught:
        read_clip(path, **options)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_wide_tables_keep_what_was_written(tmp_path, joints, style, ending):
    clip = read_clip(written(tmp_path, wide(joints[:1], KINECT.joints, style), ending))
    assert (clip.layout, clip.fps) == ("kinect20", 30)
    np.testing.assert_allclose(clip.bodies, joints[:1], atol=1e-6)


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
@pytest.mark.parametrize("table", [lambda x, n: wide(x, n, bodies=True), long])
def test_several_bodies(tmp_path, joints, ending, table):
    clip = read_clip(written(tmp_path, table(joints, KINECT.joints), ending))
    np.testing.assert_allclose(clip.bodies, joints, atol=1e-6)


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("start", ["", "\ufeff", "\n\n"])
def test_marks_and_line_ends(tmp_path, joints, mark, end, start):
    path = tmp_path / "c.csv"
    text = start + csv_text(wide(joints[:1], KINECT.joints), mark, end) + end
    path.write_bytes(text.encode())
    np.testing.assert_allclose(read_clip(path).bodies, joints[:1], atol=1e-6)


def test_names_in_any_order_among_others(tmp_path, joints):
    names = list(reversed(COCO.joints))
    columns = wide(joints[:1, :, :17], names, "{joint}_{axis}")
    columns = {name.replace(" ", "_").title(): cells for name, cells in columns.items()}
    columns["label"] = ["walk"] * 40
    clip = read_clip(written(tmp_path, columns))
    assert clip.layout == "coco17"
    np.testing.assert_allclose(clip.bodies, joints[:1, :, 16::-1], atol=1e-6)
    assert "columns that are no joints were left out: label" in clip.notes


def test_numbered_joints_need_a_layout(tmp_path, joints):
    style = "{axis}{joint}"
    path = written(tmp_path, wide(joints[:1, :, :17], range(17), style))
    assert "pass --layout" in refusal(path)
    got = read_clip(path, layout="coco17")
    np.testing.assert_allclose(got.bodies, joints[:1, :, :17], atol=1e-6)
    assert "17 joints, but layout 'ntu25' has 25" in refusal(path, layout="ntu25")
    path = written(tmp_path, wide(joints[:1, :, :17], range(1, 18), style))
    np.testing.assert_array_equal(read_clip(path, layout="coco17").bodies, got.bodies)
    path = written(tmp_path, wide(joints[:1, :, :17], [*range(16), 20], style))
    assert "numbered joints must run from 0 or 1" in refusal(path, layout="coco17")


def test_times_give_the_frame_rate_and_gaps(tmp_path, joints):
    times = np.delete(np.arange(40) / 60, [10, 11])
    kept = np.delete(joints[:1], [10, 11], axis=1)
    jitter = times + np.random.default_rng(0).normal(scale=0.001, size=38)
    for values in (times, jitter):
        clip = read_clip(written(tmp_path, wide(kept, KINECT.joints, time=values, frame=False)))
        assert clip.fps == pytest.approx(60, rel=0.05)
        assert clip.frames == 40
        np.testing.assert_array_equal(np.flatnonzero(~clip.presence[0]), [10, 11])
        np.testing.assert_allclose(clip.bodies[0, 12:], joints[0, 12:], atol=1e-6)
    back = wide(kept, KINECT.joints, time=[0.0, *times[:-1]], frame=False)
    assert "its frame comes again" in refusal(written(tmp_path, back))
    years = wide(kept, KINECT.joints, time=[*times[:-1], 1e9], frame=False)
    assert "cut it into parts" in refusal(written(tmp_path, years))


def test_milliseconds(tmp_path, joints):
    columns = wide(joints[:1], KINECT.joints, frame=False)
    columns["timestamp_ms"] = [40 * frame for frame in range(40)]
    assert read_clip(written(tmp_path, columns)).fps == pytest.approx(25)


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
@pytest.mark.parametrize("empty", [None, "NaN", "null", "NA"])
def test_empty_cells_are_missing(tmp_path, joints, ending, empty):
    columns = wide(joints[:1], KINECT.joints)
    cells = columns["left hand_y"]
    cells[5] = empty
    if ending == ".parquet" and empty:
        columns["left hand_y"] = [str(cell) for cell in cells]
    clip = read_clip(written(tmp_path, columns, ending))
    hand = KINECT.joints.index("left hand")
    between = (joints[0, 4, hand] + joints[0, 6, hand]) / 2
    np.testing.assert_allclose(clip.bodies[0, 5, hand], between, atol=1e-5)
    assert any("left hand of body 0 is missing for 1 frame" in note for note in clip.notes)


@pytest.mark.parametrize("mark", ["confidence", "c", "visibility"])
def test_points_of_low_confidence_are_missing(tmp_path, joints, mark):
    columns = wide(joints[:1], KINECT.joints)
    columns[f"left hand_{mark}"] = [0.1 if frame == 5 else 0.9 for frame in range(40)]
    columns["left hand_x"][5] = 77.0
    clip = read_clip(written(tmp_path, columns))
    assert np.abs(clip.bodies).max() < 10
    table = long(joints[:1], KINECT.joints)
    table[mark] = [0.1 if x == 77 else 0.9 for x in table["x"]]
    np.testing.assert_allclose(read_clip(written(tmp_path, table)).bodies, joints[:1], atol=1e-6)


def spoilt(change):
    def spoil(joints):
        columns = wide(joints[:1], KINECT.joints)
        change(columns)
        return columns

    return spoil


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        (spoilt(lambda c: c.pop("head_z")), "joint 'head' has no column for z: positions in 3D"),
        (spoilt(lambda c: c["head_z"].__setitem__(3, "lots")), "line 5: 'lots' in column 'head_z'"),
        (spoilt(lambda c: c["frame"].__setitem__(3, 2.5)), "line 5: column 'frame' must hold whol"),
        (spoilt(lambda c: c["frame"].__setitem__(3, 2)), "line 5: its frame comes again for the"),
        (spoilt(lambda c: c["frame"].__setitem__(3, 10**12)), "spans 1,000,000,000,001 frames"),
        (spoilt(lambda c: c.update(body=[str(i) for i in range(40)])), "no joint"),
        (lambda x: {"a": [1, 2], "b": [2, 3]}, "no columns of joints found: name them JOINT_x"),
        (lambda x: {"x": [1, 2], "y": [2, 3], "z": [2, 3]}, "no columns of joints found"),
        (lambda x: {k: c for k, c in long(x, KINECT.joints).items() if k != "frame"},
         "no column 'frame'"),
        (lambda x: long(x, ["squid"] * 20), "line 3: its frame comes again"),
        (lambda x: long(x, [f"s{i}" for i in range(20)]), "joints these are: pass --layout ki"),
        (lambda x: long(x, [f"{i}s{i}" for i in range(20)]), "are those of no known layout"),
    ],
)  # fmt: skip
def test_spoilt_tables_say_where(tmp_path, joints, columns, says):
    if says == "no joint":  # each frame shows another of forty bodies
        clip = read_clip(written(tmp_path, columns(joints)))
        assert clip.bodies.shape[:2] == (40, 40)
        assert clip.presence.sum() == 40
    else:
        assert says in refusal(written(tmp_path, columns(joints)))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("hip_x,hip_y,hip_z\n", "a header but no rows"),
        ("\n \n", "the file is empty"),
        ("a_x,a_y,a_z\n1,2\n", "line 2: 2 cells, but the header names 3"),
        ("a_x,a_x,a_z\n1,2,3\n", "line 1: two columns are called 'a_x'"),
        ('a_x,a_y,a_z\n"1,2,3\n' + "x" * 200_000, "not a readable table"),
        ("a_x,a_y,a_z\n1,2,3\n1,2,3\n", "are those of no known layout"),
    ],
)
def test_spoilt_csv_files_say_where(tmp_path, text, says):
    path = tmp_path / "c.csv"
    path.write_text(text)
    assert says in refusal(path)
    path.write_bytes(text.encode("utf-16"))
    assert says in refusal(path)
    path.write_bytes(b"\xff" + text.encode())
    assert "not UTF-8 text" in refusal(path)


def test_tables_that_would_fill_the_memory_fail_fast(tmp_path):
    rows = 3000
    columns = {"frame": [i * 6 for i in range(rows)], "body": [i % 100 for i in range(rows)],
               "joint": [f"j{i % 400}" for i in range(rows)],
               **{axis: [0.5] * rows for axis in "xyz"}}  # fmt: skip
    began = time.process_time()
    assert "are too many for one file" in refusal(written(tmp_path, columns))
    assert time.process_time() - began < 5


def test_parquet_that_promises_billions_of_rows_fails_fast(tmp_path):
    pa = pytest.importorskip("pyarrow", reason="pip install 'stars-infer[formats]'")
    from pyarrow import parquet

    path = tmp_path / "c.parquet"
    one = pa.DictionaryArray.from_arrays(pa.array(np.zeros(30_000_000, np.int8)), ["1"])
    parquet.write_table(pa.table({"hip_x": one, "hip_y": one, "hip_z": one}), path)
    assert path.stat().st_size < 500_000
    began = time.process_time()
    assert "30,000,000 rows of 3 columns: 2,880 MB" in refusal(path)
    assert time.process_time() - began < 5


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    import builtins

    real = builtins.__import__

    def without(name, *rest, **more):
        if name.split(".")[0] == "pyarrow":
            raise ImportError(name)
        return real(name, *rest, **more)

    path = tmp_path / "c.parquet"
    path.write_bytes(b"PAR1")
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"pip install 'stars-infer\[formats\]'"):
        read_clip(path)


def test_frames_of_a_parquet_file_may_be_floats(tmp_path, joints):
    columns = wide(joints[:1], KINECT.joints)
    whole = read_clip(written(tmp_path, columns, ".parquet"))
    columns["frame"] = [float(frame) for frame in columns["frame"]]
    clip = read_clip(written(tmp_path, columns, ".parquet"))
    np.testing.assert_array_equal(clip.bodies, whole.bodies)


def test_a_list_is_no_number(tmp_path, joints):
    columns = wide(joints[:1], KINECT.joints)
    name = f"{KINECT.joints[0]}_x"
    columns[name] = [[value] * 3 for value in columns[name]]
    assert f"in column {name!r} is not a number" in refusal(written(tmp_path, columns, ".parquet"))


@pytest.mark.parametrize("name", ["x.csv", "x.txt"])
def test_numbers_of_two_bodies_or_a_row_a_joint_without_a_header(tmp_path, name):
    path = tmp_path / name
    one, other = (moving("ntu25", frames=12, seed=seed) for seed in (0, 1))
    np.savetxt(path, np.concatenate([one.reshape(12, 75), 0 * one.reshape(12, 75)], axis=1))
    clip = read_clip(path)
    assert clip.presence.any(axis=1).tolist() == [True, False]
    np.testing.assert_allclose(clip.bodies[0], one, atol=1e-6)
    np.savetxt(path, np.concatenate([one.reshape(12, 75), other.reshape(12, 75)], axis=1))
    np.testing.assert_allclose(read_clip(path).bodies, [one, other], atol=1e-6)
    kinect = moving("kinect20", frames=12)
    for more in (0, 1):
        np.savetxt(path, np.concatenate([kinect, np.ones((12, 20, more))], 2).reshape(240, -1))
        np.testing.assert_allclose(read_clip(path, layout="kinect20").bodies[0], kinect, atol=1e-6)
    np.savetxt(path, np.random.default_rng(0).normal(size=(240, 3)))
    with pytest.raises(ClipError, match="no body keeps its bones so"):
        read_clip(path, layout="kinect20")


def test_texts_of_a_folder_are_clips_if_they_hold_numbers(tmp_path):
    np.savetxt(tmp_path / "wave.txt", moving("kinect20", frames=4).reshape(4, 60))
    (tmp_path / "README.txt").write_text("1. These clips were recorded in May.\n")
    (tmp_path / "classes.txt").write_text("1 wave\n2 kick\n")
    (tmp_path / "empty.txt").write_text("")
    told = []
    assert clip_files([tmp_path], note=told.append) == [tmp_path / "wave.txt"]
    assert told == [f"{tmp_path}: 3 files of unknown ending: .txt"]
