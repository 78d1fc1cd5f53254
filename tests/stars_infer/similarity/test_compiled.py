"""The compiled form gives what the NumPy form gives, and is loaded only where that pays."""

import subprocess
import sys
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from stars_infer import Clip
from stars_infer.preprocessing.prepare import Preprocessing
from stars_infer.similarity import dtw
from stars_infer.similarity.comparison import (
    CONTENTS,
    DEVIATION,
    FIRST,
    LAST,
    PARTS,
    UNTURNED,
    WHOLE,
    Kernel,
    SequenceConfig,
)
from stars_infer.similarity.dtw import WarpingGallery
from stars_infer.similarity.sequence import sequence_of
from stars_infer.synthetic.actions import ACTIONS, perform

pytest.importorskip("numba", reason="the compiled form needs Numba, from the extra `fast`")

HOW = SequenceConfig()
SMALL = SequenceConfig(preprocessing=Preprocessing(frames=12), steps=12)
OTHER = replace(
    SMALL,
    kernels=(
        Kernel(content=DEVIATION, width=0.3, weight=0.5),
        Kernel(content=UNTURNED, clip=FIRST, exemplar=LAST, width=0.2),
        Kernel(content=UNTURNED, clip=LAST, exemplar=FIRST, width=0.2),
    ),
    mirror=Kernel(clip=LAST, exemplar=LAST, width=0.2),
    kernel_width=0.25,
)
HALF_DEVIATION = replace(SMALL, kernels=(Kernel(content=DEVIATION, clip=FIRST, exemplar=LAST),))
EVERY_KERNEL = [
    Kernel(content=content, clip=clip, exemplar=exemplar)
    for content in CONTENTS
    for clip, exemplar in product(PARTS, repeat=2)
    if content != DEVIATION or clip == exemplar == WHOLE
]


def sequences(seed, count, how, bodies=1):
    """Sequences (count, bodies, S, F) that go on smoothly, some faster than others."""
    random = np.random.default_rng(seed)
    shape = count, bodies, how.steps, how.shape[2]
    pace = random.uniform(0.001, 0.1, (count, bodies, 1, 1))
    first = random.normal(0, 0.3, (count, bodies, 1, shape[3]))
    return (first + pace * random.normal(size=shape).cumsum(axis=2)).astype(np.float32)


@pytest.fixture
def both_forms(monkeypatch):
    """What a gallery gives for a query, by NumPy and by the compiled form."""

    def compare(exemplars, query, how):
        monkeypatch.setattr(dtw, "_pairs_compared", 0)
        by_numpy = WarpingGallery(exemplars, how)
        expected = by_numpy.similarities(query), by_numpy.mirrored_similarities(query)
        assert not loaded(by_numpy)
        monkeypatch.setattr(dtw, "_pairs_compared", dtw._PATIENCE)
        compiled = WarpingGallery(exemplars, how)
        found = compiled.similarities(query), compiled.mirrored_similarities(query)
        assert loaded(compiled) == (how is not HALF_DEVIATION)
        return np.stack(expected), np.stack(found)

    return compare


def loaded(gallery):
    return any("_compiled" in vars(one) for bodies in gallery._bodies.values() for one in bodies)


@pytest.mark.parametrize("how", [HOW, SMALL, OTHER, HALF_DEVIATION])
@pytest.mark.parametrize("count", [1, 37])
@pytest.mark.parametrize("bodies", [1, 2])
def test_both_forms_give_the_same(both_forms, how, count, bodies):
    exemplars = list(sequences(count, count, how)) + list(sequences(1, count, how, bodies=2))
    for query in sequences(2, 3, how, bodies):
        expected, found = both_forms(exemplars, query, how)
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert np.ptp(expected) > 0.01
    expected, found = both_forms(exemplars, exemplars[0], how)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found[0, 0] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("kernel", EVERY_KERNEL, ids=lambda one: f"{one.clip}-{one.exemplar}")
def test_each_kernel_alone(both_forms, kernel):
    how = replace(SMALL, kernels=(kernel,), mirror=kernel)
    exemplars, (query,) = list(sequences(3, 33, how)), sequences(4, 1, how)
    expected, found = both_forms(exemplars, query, how)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_real_movements_and_none(both_forms):
    made = [
        sequence_of(Clip.from_array(perform(action, np.random.default_rng(number))), HOW)
        for number, action in enumerate(3 * ACTIONS)
    ]
    statue, nobody = made[0].copy(), np.zeros_like(made[0])
    statue[:] = statue[:, :1]
    exemplars = [*made[1:], statue, nobody]
    for query in (made[0], statue, nobody):
        expected, found = both_forms(exemplars, query, HOW)
        assert np.isfinite(found).all()
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_arrays_of_another_kind_are_taken(both_forms):
    exemplars, (query,) = sequences(5, 40, SMALL), sequences(6, 1, SMALL)
    halves = exemplars.astype(np.float16)
    halves.flags.writeable = query.flags.writeable = False
    backwards = query[:, ::-1]
    expected, found = both_forms(list(halves), backwards, SMALL)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_numba_is_loaded_once_much_was_compared(monkeypatch):
    exemplars, (query,) = list(sequences(7, 50, SMALL)), sequences(8, 1, SMALL)
    monkeypatch.setattr(dtw, "_pairs_compared", 0)
    monkeypatch.setattr(dtw, "_PATIENCE", 3 * (50 + dtw._PAIRS_PER_CALL))
    gallery = WarpingGallery(exemplars, SMALL)
    answers = []
    for _ in range(4):
        assert not loaded(gallery)
        answers.append(gallery.similarities(query))
    assert loaded(gallery)
    np.testing.assert_array_equal(answers[0], answers[2])
    np.testing.assert_allclose(answers[3], answers[0], atol=1e-6)


def test_small_indexes_do_not_wait_for_numba():
    program = (
        "import sys, numpy as np\n"
        "from stars_infer.similarity.comparison import SequenceConfig\n"
        "from stars_infer.similarity.dtw import WarpingGallery\n"
        "how = SequenceConfig()\n"
        "some = list(np.random.default_rng(0).normal(size=(60, 1, *how.shape[1:])))\n"
        "gallery = WarpingGallery(some, how)\n"
        "print(max(gallery.similarities(one).argmax() for one in some))\n"
        "print('numba' in sys.modules)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == ["59", "False"]


def test_without_numba_numpy_goes_on(monkeypatch):
    exemplars, (query,) = list(sequences(9, 5, SMALL)), sequences(10, 1, SMALL)
    expected = WarpingGallery(exemplars, SMALL).similarities(query)
    monkeypatch.setattr(dtw, "_pairs_compared", dtw._PATIENCE)
    monkeypatch.setitem(sys.modules, "stars_infer.similarity.compiled", None)
    dtw._compiled_form.cache_clear()
    try:
        gallery = WarpingGallery(exemplars, SMALL)
        np.testing.assert_allclose(gallery.similarities(query), expected, atol=1e-6)
        assert not loaded(gallery)
    finally:
        dtw._compiled_form.cache_clear()


def test_functions_are_compiled_where_nothing_can_be_kept(monkeypatch):
    from stars_infer.similarity import compiled_warping

    asked = []

    def njit(cache=False, **options):
        asked.append(cache)
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: function

    monkeypatch.setattr(compiled_warping, "njit", njit)
    assert compiled_warping.compiled(abs) is abs
    assert asked == [True, False]
