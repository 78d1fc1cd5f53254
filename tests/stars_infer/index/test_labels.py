"""Labels: what can be one, renaming actions, relabeling exemplars."""

import unicodedata

import numpy as np
import pytest

from stars_infer import ExemplarIndex
from stars_infer.errors import UsageError
from stars_infer.index.labels import check_label, confusable_labels
from tests.stars_infer.index.toy import SEQUENCES, VECTORS, moving, new, pointing, taught


@pytest.fixture
def index():
    with taught(ExemplarIndex.in_memory(SEQUENCES)) as opened:
        yield opened


@pytest.mark.parametrize("label", ["", "  ", "two\nlines", "\x07", "unknown", " UnKnown "])
def test_what_cannot_be_a_label(index, label):
    for use in (
        lambda: index.add([new(label, moving(0), "new")]),
        lambda: index.rename("action 0", label),
        lambda: index.relabel([1], label),
    ):
        with pytest.raises(UsageError, match="cannot be a label"):
            use()
    assert len(index) == 12
    assert len(index.labels) == 4


def test_labels_have_one_form(index):
    decomposed = unicodedata.normalize("NFD", "Begrüßung")
    index.add([new(f" {decomposed} ", moving(7), "new")])
    assert index.labels[0] == "Begrüßung" == check_label(decomposed)
    assert len(index.exemplars(decomposed)) == 1
    assert index.rename(decomposed, "Gruß") == 1
    index.add([new(unicodedata.normalize("NFD", "é"), moving(8), "other")])
    assert index.remove(label=unicodedata.normalize("NFD", "é")) == 1


def test_labels_that_are_easily_confused():
    others = ["Wave", "wave", "high  wave", "highwave", "waves"]
    assert confusable_labels("wave", others) == ["Wave"]
    assert confusable_labels("High Wave", others) == ["high  wave", "highwave"]
    assert confusable_labels("clap", others) == []


def test_an_action_is_renamed_or_joins_another(index):
    index.classify([moving(0)])
    matrix = index.compare_exemplars()
    assert index.rename("action 0", "greeting") == 3
    assert index.classify([moving(0)])[0].label == "greeting"
    compared = []
    np.testing.assert_array_equal(index.compare_exemplars(lambda *at: compared.append(at)), matrix)
    assert not compared
    assert index.rename("action 1", "greeting") == 3
    assert index.counts() == {"action 2": 3, "action 3": 3, "greeting": 6}
    assert index.classify([moving(1)])[0].label == "greeting"
    assert index.rename("action 1", "gone") == 0
    assert index.rename("greeting", "greeting") == 0


def test_single_exemplars_are_relabeled(index):
    ids = [one.id for one in index.exemplars("action 0")]
    assert index.relabel([*ids[:2], 10**6], "action 1") == 2
    assert index.relabel(ids[:1], "action 1") == 0
    assert index.counts()["action 1"] == 5
    assert [one.id for one in index.exemplars("action 0")] == ids[2:]


def test_a_large_index_follows_new_labels_without_a_new_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("stars_infer.index.small.EXHAUSTIVE_LIMIT", 20)
    monkeypatch.setattr("stars_infer.index.large.store.FRESH", 50)
    path = tmp_path / "stars.db"

    def some(start, end):
        return [new(str(n % 5), pointing(n % 5, tilt=n / 200), str(n)) for n in range(start, end)]

    with ExemplarIndex.open(path, VECTORS) as index, ExemplarIndex.open(path, VECTORS) as other:
        index.add(some(0, 90))
        index.prepare()
        index.add(some(90, 100))
        files = sorted((tmp_path / "stars.db.cache").iterdir())
        assert len(files) == 2
        assert other.classify([pointing(3)])[0].label == "3"
        index.rename("3", "three")
        last = index.exemplars("4")[-1]
        index.relabel([last.id], "three")
        index.rename("2", "1")
        for opened in (index, other):
            assert opened.classify([pointing(3)])[0].label == "three"
            ((nearest,),) = opened.search([pointing(4, tilt=99 / 200)], 1)
            assert (nearest.source, nearest.label) == ("99", "three")
            assert opened.predict_proba([pointing(0)]).shape == (1, 4)
        assert sorted((tmp_path / "stars.db.cache").iterdir()) == files
    with ExemplarIndex.open(path, VECTORS) as index:
        assert index.classify([pointing(2)])[0].label == "1"
        index.add(some(100, 160))  # which makes the cache anew, or extends it
        index.prepare()
        assert sorted((tmp_path / "stars.db.cache").iterdir()) != files
        assert index._file.connection.execute("SELECT count(*) FROM relabeled").fetchone() == (0,)
    with ExemplarIndex.open(path, VECTORS) as index:
        assert {near.label for near in index.search([pointing(2)], 32)[0]} == {"1", "2"}
        assert index.counts()["1"] == 52


def test_ids_are_whole_numbers(index):
    for wrong in ([1.7], ["1"], [True], [None], [0], [[1]], "12", 1, None, [float("nan")]):
        for use in (
            lambda ids=wrong: index.remove(ids=ids),
            lambda ids=wrong: index.relabel(ids, "x"),
        ):
            with pytest.raises(UsageError, match="id"):
                use()
    assert len(index) == 12
    assert index.remove(ids=[2**63, 2**70]) == index.relabel([2**70], "x") == 0
    assert index.remove(ids=(id_ for id_ in np.array([1, 2]))) == 2
