"""Damaged indexes, for a few seconds; `python -m tests.faults.damaged_index 3000` for more."""

import pytest

from stars_infer.errors import ExemplarIndexError, UsageError
from stars_infer.index.index import ExemplarIndex
from stars_infer.index.salvage import repair_index, verify_index
from tests.faults import damaged_index
from tests.faults.damaged_index import ERROR, KINDS, SAME, damage_index
from tests.stars_infer.index.toy import SEQUENCES, VECTORS, moving, pointing, taught


@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
def test_a_damaged_index_gives_the_same_answer_or_an_error(large):
    found = damage_index(120, seed=7, large=large)
    assert {outcome for _, outcome in found} == {SAME, ERROR}
    assert {kind for kind, _ in found} == {*KINDS, "go_back"}
    assert sum(count for (_, outcome), count in found.items() if outcome == ERROR) >= 30


@pytest.fixture
def damaged(tmp_path):
    """An index of which one sequence, one label and one setting are damaged; and its numbers."""
    path = tmp_path / "stars.db"
    with taught(ExemplarIndex.open(path, SEQUENCES)) as index:
        index.set_false_accept_rate(0.25)
        index.confirm(7)
        number = index.exemplars("action 1")[0].id
        sequence = {one.id: kept for one, kept in index.features()}[number].sequence
    content = path.read_bytes()
    for old, new in (
        (sequence.astype("<f2").tobytes()[:64], b"\xff" * 64),  # NaN in half precision
        (b"action 32/1", b"action 52/1"),  # a label and its source
        (b"false_accept_rate0.25", b"false_accept_rate0.95"),
    ):
        if old.startswith(b"action"):
            old, new = _label(content, b"2/1")
        assert content.count(old) == 1
        content = content.replace(old, new)
    path.write_bytes(content)
    return path, number


def _label(content, source):
    """Where the row of an example holds its label, and what is written there instead."""
    at = content.index(source, content.index(b"action 2"))
    begin = content.rindex(b"action 2", 0, at)
    row = content[begin : at + len(source)]
    return row, row.replace(b"action 2", b"action 3")


def test_what_is_damaged_is_listed_and_the_rest_saved(damaged, tmp_path):
    path, number = damaged
    before = path.read_bytes()
    with pytest.raises(ExemplarIndexError, match=r"cannot be read.*fewshot repair"):  # noqa: SIM117
        with ExemplarIndex.open(path, SEQUENCES) as index:
            index.classify([moving(1)])
    found = verify_index(path, SEQUENCES)
    assert found.sound == 10
    places = {one.place: one for one in found.problems}
    assert places[f"example {number}"].label == "action 1"
    assert places["setting 'false_accept_rate'"].problem == "is damaged"
    repaired = repair_index(path, tmp_path / "new.db", SEQUENCES)
    assert repaired == found
    assert path.read_bytes() == before
    with ExemplarIndex.open(tmp_path / "new.db", SEQUENCES) as saved:
        assert len(saved) == 10
        assert number not in {one.id for one in saved.exemplars()}
        assert saved.unknown_share().known == 7
        assert saved.options().false_accept_rate is None
        assert saved.classify([moving(2, noise=0.1)])[0].label == "action 2"
    assert not verify_index(tmp_path / "new.db", SEQUENCES).problems
    with pytest.raises(UsageError, match="there is a file already"):
        repair_index(path, tmp_path / "new.db", SEQUENCES)


def test_vectors_and_waiting_bodies_are_saved(tmp_path):
    path = tmp_path / "stars.db"
    with ExemplarIndex.open(path, VECTORS) as index:
        index.add([damaged_index.new(str(n), pointing(n), str(n)) for n in range(5)])
        kept = [(one, item.vector.tolist()) for one, item in index.features()]
    assert repair_index(path, tmp_path / "new.db", VECTORS).sound == 5
    with ExemplarIndex.open(tmp_path / "new.db", VECTORS) as saved:
        assert [(one, item.vector.tolist()) for one, item in saved.features()] == kept


@pytest.mark.parametrize("content", [b"", b"x" * 9000, b"SQLite format 3\0" + b"y" * 9000])
def test_what_is_no_index_is_told(tmp_path, content):
    path = tmp_path / "stars.db"
    path.write_bytes(content)
    for call in (lambda: verify_index(path, VECTORS), lambda: repair_index(path, "x.db", VECTORS)):
        with pytest.raises(ExemplarIndexError, match=r"stars.db: n"):
            call()
    with pytest.raises(ExemplarIndexError, match="no index of examples here"):
        verify_index(tmp_path / "none.db", VECTORS)
    with ExemplarIndex.open(tmp_path / "other.db", SEQUENCES):
        pass
    with pytest.raises(ExemplarIndexError, match="made by the model 'toy'"):
        verify_index(tmp_path / "other.db", VECTORS)
