import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stars_infer.readers.decimals import first_numbers

ODD = [
    "5.",
    ".5",
    "+3",
    "-.25",
    "1e5",
    "-1E-3",
    "nan",
    "-inf",
    "1_0",
    "00012.500",
    "-0",
    "-0.0",
    "99999999.99999999",
    "9007199254740993",
    "1e400",
    "0.1234567890123456789",
    "123456789.25",
]
FLOATS = st.floats(width=64)
SPELT = st.one_of(
    FLOATS.map(repr),
    FLOATS.map(lambda x: f"{x:.7g}"),
    st.floats(-1e9, 1e9).map(lambda x: f"{x:.6f}"),
    st.floats(-10, 10).map(lambda x: f"{x:.12f}"),
    st.integers(-(10**20), 10**20).map(str),
    st.from_regex(r"-?[0-9]{1,9}\.[0-9]{0,9}", fullmatch=True).filter(str.isascii),
    st.sampled_from(ODD),
)  # fmt: skip
GAPS = st.sampled_from([" ", " ", " ", "  ", "\t", " \t "])
ENDS = st.sampled_from(["\n", "\r\n", " \n"])


def bits(values):
    """Signs of zero are told apart, NaN are alike."""
    return np.where(np.isnan(values), np.nan, values).tobytes()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(SPELT, SPELT, SPELT), min_size=1, max_size=8), GAPS, ENDS)
@example([(one, "1.5", "-2") for one in ODD], " ", "\n")
@example([("1.5", "-2", one) for one in ODD], " ", "\n")
def test_every_spelling_is_the_number_that_float_makes_of_it(rows, gap, end):
    text = "".join(gap.join(row) + end for row in rows).encode()
    expected = np.array([[float(one) for one in row[:2]] for row in rows])
    assert bits(first_numbers(text, columns=3, wanted=2)) == bits(expected)


SPOILT = ["1-2", "-", "--1", ".", "-.", "1.2.3", "1..2", "abc", "1/2", "1,2", "e5", "1e", "5.-",
          "1\x00", "\x1f1", "\xb2", ":", "0x10"]  # fmt: skip


@pytest.mark.parametrize("column", [0, 2])
@pytest.mark.parametrize("spoilt", SPOILT)
def test_what_is_no_number_is_refused_whether_wanted_or_not(spoilt, column):
    row = ["1.5", "2", "-3"]
    row[column] = spoilt
    text = f"1 2 3\n{' '.join(row)}\n4 5 6\n".encode("latin-1")
    with pytest.raises(ValueError, match="number|float|white space"):
        first_numbers(text, columns=3, wanted=1)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text("0123456789.-+eE_nai", min_size=1, max_size=6), min_size=3, max_size=3))
def test_numbers_and_others_are_told_apart_as_float_does(fields):
    text = (" ".join(fields) + "\n").encode()
    try:
        expected = np.array([[float(field) for field in fields]])
    except ValueError:
        with pytest.raises(ValueError, match="number|float|white space"):
            first_numbers(text, columns=3, wanted=1)
    else:
        assert bits(first_numbers(text, columns=3, wanted=3)) == bits(expected)


@pytest.mark.parametrize("text", [b"1 2\n3 4 5\n", b"1 2 3 4\n5 6\n", b"1 2 3\n\n", b"1 2\n3\n"])
def test_lines_of_another_length_are_refused(text):
    with pytest.raises(ValueError, match="number|float|white space"):
        first_numbers(text, columns=3, wanted=1)
