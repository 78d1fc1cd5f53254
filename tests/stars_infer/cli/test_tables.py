"""Tables keep paths in one piece, whatever the width of the terminal."""

from io import StringIO

import pytest
from rich.console import Console

from stars_infer.cli.tables import PathCell, print_rows

CLIP = "recordings/wave/S001C001P004R001A001.skeleton"
NEAREST = "recordings/wave/S001C001P003R001A001.skeleton"
COLUMNS = ("clip", "action", "confidence", "nearest example")


def printed(width, rows, columns=COLUMNS):
    console = Console(file=StringIO(), width=width)
    print_rows(console, columns, rows)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [30, 60, 80, 120, 200])
def test_no_path_is_cut_or_folded(width):
    text = printed(width, [(PathCell(CLIP), "wave", "0.99", PathCell(NEAREST))])
    assert CLIP in text
    assert NEAREST in text
    assert "0.99" in text
    if width >= 80:
        assert max(map(len, text.splitlines())) <= width


def test_a_table_has_lines_where_there_is_room_for_them():
    row = (PathCell(CLIP), "wave", "0.99", PathCell(NEAREST))
    assert "┃" in printed(200, [row])
    assert "┃" not in printed(80, [row])
    assert "clip" in printed(80, [row]).splitlines()[0]
    assert printed(30, [row]).splitlines()[0] == CLIP


def test_long_words_that_are_no_paths_fold():
    text = printed(40, [("a very long name of an action indeed", "0.99")], ("action", "confidence"))
    assert "┃" in text
    assert max(map(len, text.splitlines())) <= 40
