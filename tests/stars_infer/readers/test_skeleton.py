"""NTU RGB+D `.skeleton` files."""

from itertools import product

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stars_infer import read_clip
from stars_infer.errors import ClipError
from stars_infer.readers.skeleton import read_skeleton
from stars_infer.synthetic.files import skeleton_text
from tests.stars_infer.readers.test_files import read_or_refuse, refusal

BODY = 27  # lines of a body: its values, the joint count, 25 joints


def write(path, lines, end="\n"):
    path.write_bytes(end.join(lines).encode() + end.encode())
    return path


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_skeleton_keeps_what_was_written(tmp_path, waving, skeleton_lines, end):
    clip = read_clip(write(tmp_path / "c.skeleton", skeleton_lines, end))
    np.testing.assert_allclose(clip.bodies, waving, atol=1e-6)
    assert clip.layout == "ntu25"
    assert clip.fps == 30


def test_skeleton_with_bodies_that_come_and_go(tmp_path):
    bodies = np.random.default_rng(0).normal(size=(2, 30, 25, 3)).astype(np.float32)
    bodies[0, 20:] = 0
    bodies[1, :5] = 0
    bodies[:, 12] = 0
    path = tmp_path / "two.skeleton"
    path.write_text(skeleton_text(bodies))
    clip = read_clip(path)
    np.testing.assert_allclose(clip.bodies, bodies, rtol=1e-6)
    np.testing.assert_array_equal(clip.presence, bodies.any(axis=(2, 3)))


def test_true_ntu_files_are_read(shared):
    files = sorted((shared / "data/ntu-samples").glob("*.skeleton"))
    assert files
    for path in files:
        clip = read_clip(path)
        assert clip.frames == int(path.open().readline())
        assert 0.2 < np.abs(np.diff(clip.bodies[0, :, [0, 3]], axis=0)).max() < 1.2


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda x: x[:-30], "cut short: the file ends at line"),
        (lambda x: x[:1], "cut short: the file ends at line 1, within the number of bodies"),
        (lambda x: [str(int(x[0]) + 1), *x[1:]], "cut short"),
        (lambda x: [str(int(x[0]) - 1), *x[1:]], "goes on after its"),
        (lambda x: ["many", *x[1:]], "line 1: expected the number of frames, found 'many'"),
        (lambda x: ["-3", *x[1:]], "line 1: -3 cannot be"),
        (lambda x: ["3000000", *x[1:]], "3,000,000 frames"),
        (lambda x: ["9" * 300, *x[1:]], "very many frames, more than the"),
        (lambda x: [x[0], "9" * 300, *x[2:]], "very many cannot be the number of bodies"),
        (lambda x: ["1", *x[1 : 2 + BODY]], "1 frame(s)"),
        (lambda x: [x[0], "2", *x[2:]], "expected the 10 values of a body"),
        (lambda x: [x[0], "999999", *x[2:]], "999,999 cannot be the number of bodies"),
        (lambda x: [*x[:2], "1 2 3", *x[3:]], "line 3: expected the 10 values of a body, found 3"),
        (lambda x: [*x[:3], "20", *x[4:]], "line 4: expected 25 joints, the file says 20"),
        (lambda x: [*x[:4], "a b c " + x[4], *x[5:]], "line 5: expected the 12 values"),
        (lambda x: [*x[:4], x[4].replace("256.0", "lots"), *x[5:]], "line 5: 'lots' is not a numb"),
        (lambda x: [*x[:6], "", *x[7:]], "line 7: expected the 12 values of a joint, found 0"),
        (lambda x: ["2", "0", "0"], "no body in any frame"),
    ],
)
def test_spoilt_skeleton_files_say_where(tmp_path, skeleton_lines, spoil, says):
    assert says in refusal(write(tmp_path / "c.skeleton", spoil(skeleton_lines)))


def test_all_zero_skeleton_file(tmp_path, skeleton_lines):
    lines = [
        "0 0 0 " + " ".join(line.split()[3:]) if len(line.split()) == 12 else line
        for line in skeleton_lines
    ]
    assert "no body in any frame" in refusal(write(tmp_path / "c.skeleton", lines))


@pytest.mark.parametrize("hole", ["nan", "inf", "-inf"])
def test_nan_in_a_skeleton_file(tmp_path, skeleton_lines, waving, hole):
    def with_holes(frames):
        lines = list(skeleton_lines)
        for frame in frames:
            at = 1 + frame * (1 + BODY) + 3 + 11
            lines[at] = " ".join([hole, *lines[at].split()[1:]])
        return write(tmp_path / "c.skeleton", lines)

    mended = read_clip(with_holes([10, 11])).bodies
    np.testing.assert_allclose(mended[0, 12:], waving[0, 12:], atol=1e-6)
    assert np.isfinite(mended).all()
    held = read_clip(with_holes(range(10, 30)))
    assert np.isfinite(held.bodies).all()
    assert held.notes == (
        "right hand of body 0 is missing for 20 frames from frame 10: carried by the right wrist",
    )


def test_skeleton_file_has_one_layout(tmp_path, skeleton_lines):
    path = write(tmp_path / "c.skeleton", skeleton_lines)
    clip = read_clip(path, layout="kinect20")
    assert clip.layout == "ntu25"
    assert "not of 'kinect20': read as 'ntu25'" in clip.notes[0]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_damage_to_a_skeleton_file_escapes_the_known_errors(tmp_path_factory, data):
    bodies = np.random.default_rng(0).normal(size=(2, 3, 25, 3)).astype(np.float32)
    content = bytearray(skeleton_text(bodies).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    read_or_refuse(tmp_path_factory.mktemp("fuzz"), ".skeleton", bytes(content))


ODD_SPELLINGS = ["5.", ".5", "+3", "-.25", "1e5", "-1E-3", "00012.500", "-0", "-0.0", "1e400",
                 "99999999.99999999", "9007199254740993", "0.1234567890123456789",
                 "123456789.25"]  # fmt: skip
SPELLINGS = st.one_of(
    st.floats(width=64).map(repr),
    st.floats(-1e9, 1e9).map(lambda x: f"{x:.7g}"),
    st.floats(-10, 10).map(lambda x: f"{x:.12f}"),
    st.integers(-(10**20), 10**20).map(str),
    st.from_regex(r"-?[0-9]{1,9}\.[0-9]{0,9}", fullmatch=True).filter(str.isascii),
    st.sampled_from(ODD_SPELLINGS),
)
GAPS = st.sampled_from([" ", " ", "  ", "\t", " \t "])
ENDS = st.sampled_from(["\n", "\r\n", " \n", "\r\r\n"])


def read_joint_lines(path, lines, end="\n"):
    """What a file of two frames has in its first joints, float32, as its reader gives it."""
    body = ["72057594037927936 0 1 1 1 1 0 0.01 -0.05 2", "25"]
    joints = [*lines, *["1 2 3 4 5 6 7 8 9 10 11 2"] * (25 - len(lines))]
    write(path, ["2", *["1", *body, *joints] * 2], end)
    (recording,) = read_skeleton(path)
    return recording.joints[0, 0, : len(lines)]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(SPELLINGS, SPELLINGS, SPELLINGS), min_size=1, max_size=8), GAPS, ENDS)
@example([(one, "1.5", "-2") for one in ODD_SPELLINGS], " ", "\n")
def test_every_spelling_is_the_number_that_float_makes_of_it(tmp_path_factory, rows, gap, end):
    path = tmp_path_factory.mktemp("spelt") / "c.skeleton"
    rest = gap.join(["256.0", "212.0", "960.0", "540.0", "0", "0", "0", "0", "2"])
    read = read_joint_lines(path, [gap.join((*row, rest)) for row in rows], end)
    with np.errstate(over="ignore"):
        expected = np.array([[float(one) for one in row] for row in rows]).astype(np.float32)
    np.testing.assert_array_equal(np.isnan(read), np.isnan(expected))
    assert np.nan_to_num(read).tobytes() == np.nan_to_num(expected).tobytes()


SPOILT = ["abc", "1/2", "1,2", "1_0", "1\x00", "\x1f1", "\xb2", ":", "0x10"]
SPOILT_SIGNS = ["1-2", "-", "--1", ".", "-.", "1.2.3", "1..2", "e5", "1e", "5.-"]


@pytest.mark.parametrize(
    ("spoilt", "column"),
    [*product(SPOILT, [0, 2, 4, 11]), *product(SPOILT_SIGNS, [0, 2])],
)
def test_what_is_no_number_is_refused(tmp_path, spoilt, column):
    row = list("123456789012")
    row[column] = spoilt
    with pytest.raises(ClipError, match=r"line 6: .* is not a number"):
        read_joint_lines(tmp_path / "c.skeleton", ["1 2 3 4 5 6 7 8 9 10 11 2", " ".join(row)])


@pytest.mark.parametrize("count", [2, 11, 13])
def test_joint_lines_of_another_length_are_refused(tmp_path, count):
    with pytest.raises(
        ClipError, match=f"line 5: expected the 12 values of a joint, found {count}"
    ):
        read_joint_lines(tmp_path / "c.skeleton", [" ".join(["1"] * count)])
