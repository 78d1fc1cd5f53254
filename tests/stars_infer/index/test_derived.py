"""Similarities and calibrations that an index keeps, and when it must not believe them."""

import sqlite3
from dataclasses import replace

import numpy as np
import pytest

from stars_infer import ExemplarIndex
from stars_infer.index import derived
from stars_infer.index.derived import read_calibration, write_calibration
from stars_infer.similarity.comparison import Kernel
from stars_infer.similarity.pairwise import between_mirrored, pairwise
from tests.stars_infer.index.toy import SEQUENCES, VECTORS, moving, new, pointing, taught

HOW = SEQUENCES.comparison


def comparing(**change):
    """The same model, of which the file says otherwise how it compares."""
    return replace(SEQUENCES, comparison=replace(HOW, **change))


def tables(index):
    """Similarity of exemplars and of their mirror images to exemplars, as the index has them."""
    with index._state.gallery() as gallery:
        return gallery.similarity.matrix(), gallery.similarity.mirrored()


def kept(path):
    """What the file keeps: digest, ids, and both tables."""
    connection = sqlite3.connect(path)
    (row,) = connection.execute("SELECT comparison, ids, matrix, mirrored FROM similarity")
    connection.close()
    ids = np.frombuffer(row[1], "<i8")
    return row[0], ids, *(np.frombuffer(one, "<f4").reshape(len(ids), -1) for one in row[2:])


def queries(index):
    """The exemplars in the order of their numbers, as they are stored."""
    by_number = sorted(index.features(), key=lambda pair: pair[0].id)
    return [features for _, features in by_number]


def expected(index, how):
    """Both tables, made at once."""
    all_of_them = queries(index)
    mirrored = between_mirrored(all_of_them, all_of_them, how)
    return pairwise(all_of_them, how), (mirrored + mirrored.T) / 2


def check(found, right):
    for one, other in zip(found, right, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
        np.testing.assert_array_equal(one, one.T)
    assert np.abs(found[0] - found[1]).max() > 0.05


@pytest.fixture
def compared(monkeypatch):
    """How many exemplars were compared with how many, mirrored."""
    sizes = []
    compare = derived.between_mirrored

    def counted(some, others, how):
        sizes.append((len(some), len(others)))
        return compare(some, others, how)

    monkeypatch.setattr(derived, "between_mirrored", counted)
    return sizes


def test_mirrored_similarities_are_kept_and_extended(tmp_path, compared):
    path = tmp_path / "stars.db"
    with taught(ExemplarIndex.open(path, SEQUENCES)) as index:
        first = tables(index)
        check(first, expected(index, HOW))
        assert compared == [(12, 0), (12, 12)]
        digest, ids, *stored = kept(path)
        assert digest == HOW.digest()
        assert ids.tolist() == list(range(1, 13))
        for one, other in zip(stored, first, strict=True):
            np.testing.assert_array_equal(one, other)
        index.remove(ids=[3])
        index.add([new("late", moving(7, seed=seed, noise=0.3)) for seed in range(2)])
    compared.clear()
    with ExemplarIndex.open(path, SEQUENCES) as index:
        again = tables(index)
        check(again, expected(index, HOW))
        assert compared == [(2, 11), (2, 2)]
        left = np.delete(np.arange(12), 2)
        for one, other in zip(again, first, strict=True):
            np.testing.assert_array_equal(one[:11, :11], other[np.ix_(left, left)])
    compared.clear()
    with ExemplarIndex.open(path, SEQUENCES) as index:
        for one, other in zip(tables(index), again, strict=True):
            np.testing.assert_array_equal(one, other)
    assert not compared
    assert kept(path)[1].tolist() == [*np.delete(np.arange(1, 13), 2).tolist(), 13, 14]


@pytest.mark.parametrize(
    "change",
    [
        {"kernel_width": 0.3},
        {"kernels": (Kernel(width=0.5), Kernel(width=0.2))},
        {"mirror": Kernel(width=0.5)},
    ],
)
def test_similarities_of_another_comparison_are_not_believed(tmp_path, compared, change):
    path, other = tmp_path / "stars.db", comparing(**change)
    with taught(ExemplarIndex.open(path, SEQUENCES)) as index:
        first = tables(index)
    compared.clear()
    with ExemplarIndex.open(path, other) as index:
        told = []
        index.compare_exemplars(lambda *counts: told.append(counts))
        assert told[-1] == (12, 12)
        assert compared == [(12, 0), (12, 12)]
        check(tables(index), expected(index, other.comparison))
        changed = [not np.allclose(a, b) for a, b in zip(tables(index), first, strict=True)]
        assert changed == ["mirror" not in change, "kernels" not in change]
    assert kept(path)[0] == other.comparison.digest() != HOW.digest()
    with ExemplarIndex.open(path, SEQUENCES) as index:
        for one, before in zip(tables(index), first, strict=True):
            np.testing.assert_array_equal(one, before)


def test_what_decides_no_similarity_leaves_them(tmp_path, compared):
    path = tmp_path / "stars.db"
    with taught(ExemplarIndex.open(path, SEQUENCES)) as index:
        first = tables(index)
    compared.clear()
    with ExemplarIndex.open(path, comparing(temperature=3)) as index:
        for one, before in zip(tables(index), first, strict=True):
            np.testing.assert_array_equal(one, before)
    assert not compared


def test_vectors_have_no_mirror_images(tmp_path):
    path = tmp_path / "stars.db"
    with ExemplarIndex.open(path, VECTORS) as index:
        index.add([new(str(n), pointing(n, tilt=n / 9)) for n in range(4)])
        index.compare_exemplars()
        index.add([new(str(n), pointing(n, tilt=n / 9)) for n in range(4, 6)])
        plain, mirrored = tables(index)
        np.testing.assert_allclose(plain, pairwise(queries(index), None), atol=1e-6)
        np.testing.assert_array_equal(mirrored, plain)
    assert kept(path)[0] == ""


@pytest.mark.parametrize(
    ("change", "believed"),
    [
        ({}, True),
        ({"temperature": 3}, False),
        ({"kernel_width": 0.3}, False),
        ({"kernels": (Kernel(),)}, False),
    ],
)
def test_a_calibration_is_believed_where_the_model_compares_and_votes_as_before(change, believed):
    with taught(ExemplarIndex.in_memory(SEQUENCES)) as index:
        calibration = index.calibration()
        with index._file.writing("nothing") as connection:
            write_calibration(connection, calibration, (12, 4), SEQUENCES)
        found = read_calibration(index._file.connection, (12, 4), comparing(**change))
    assert (found is not None) is believed
    if found is not None:
        assert found.to_json() == calibration.to_json()
