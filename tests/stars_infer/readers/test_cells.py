"""Rows and columns of text tables, which are never all texts at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stars_infer.errors import ClipError
from stars_infer.readers import cells
from stars_infer.readers.cells import Columns, Rows, each_line, lines_of

LINES = st.lists(st.text(alphabet='a1,;"\t #', max_size=6), max_size=8)


@given(lines=LINES, end=st.sampled_from(["\n", "\r\n", "\r", "\x0b", "\u2028"]))
def test_lines_are_those_of_python(lines, end):
    text = end.join(lines)
    made = [line.removesuffix("\n") for line in each_line(lines_of(text.replace("\r\n", "\n")))]
    assert made == text.splitlines()


@given(lines=LINES)
def test_rows_are_those_of_the_module_csv(lines):
    import csv

    text = "\n".join(lines)
    try:
        wanted = list(csv.reader(text.splitlines(keepends=True), delimiter=",",
                                 skipinitialspace=True))  # fmt: skip
    except csv.Error:
        return
    rows = Rows(text, source="c", delimiter=",")
    assert list(rows.between(0)) == wanted
    assert [rows[at] for at in range(len(rows))] == wanted
    assert rows[1:3] == wanted[1:3]


def test_a_quoted_cell_may_hold_a_line_end():
    rows = Rows('x,"a\nb",1\n2,3,4\n', source="c", delimiter=",")
    assert list(rows.between(0)) == [["x", "a\nb", "1"], ["2", "3", "4"]]
    assert len(rows) == 2


def gathered(rows, *, texts=False, strict=False):
    columns = Columns([texts], strict=[strict], source="c", size=100)
    for row in rows:
        columns.add([row])
    return columns.cells()[0]


def test_cells_in_blocks_are_as_those_in_one(monkeypatch):
    numbers = [str(number) for number in range(10)]
    monkeypatch.setattr(cells, "_BLOCK", 3)
    np.testing.assert_array_equal(gathered(numbers), np.arange(10.0))
    np.testing.assert_array_equal(
        gathered(["1", "n/a", "0,5", "", "2"]), [1, np.nan, 0.5, np.nan, 2]
    )
    assert gathered(["1", "2", "3", "4", "x"]) == ["1.0", "2.0", "3.0", "4", "x"]
    assert gathered(["1", "01", "1", "2"], texts=True) == ["1", "01", "1", "2"]
    assert gathered(["1", "2", "3", ""], strict=True) == ["1.0", "2.0", "3.0", ""]


def test_long_lines_and_many_texts_are_refused(monkeypatch):
    monkeypatch.setattr(cells, "_LONGEST_LINE", 10)
    with pytest.raises(ClipError, match="line 2 has 12 letters"):
        list(Rows("a,b\n12345,67890\n", source="c", delimiter=",").between(0))
    monkeypatch.setattr(cells, "_A_TEXT", 10**8)
    with pytest.raises(ClipError, match="its texts"):
        gathered(["a", "b", "c", "d"], texts=True)
