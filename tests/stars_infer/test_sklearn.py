"""The scikit-learn classifier: scikit-learn's own checks, and clips in the forms it takes.

scikit-learn checks estimators with tables of numbers (N, F), which are no clips; of an estimator
that says so, as `SkeletonClassifier` does, it checks little. So its checks are run on a subclass,
too, that moves the arms and legs of a body by the columns of a table.
"""

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn", minversion="1.6")

from sklearn.base import clone  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.utils.estimator_checks import (  # noqa: E402
    estimator_checks_generator,
    parametrize_with_checks,
)
from sklearn.utils.validation import validate_data  # noqa: E402

from stars_infer import Clip  # noqa: E402
from stars_infer.errors import ClipError, UsageError  # noqa: E402
from stars_infer.preprocessing.views import mirror_clip  # noqa: E402
from stars_infer.sklearn import SkeletonClassifier  # noqa: E402
from stars_infer.synthetic.actions import perform  # noqa: E402

LIMBS = ([9, 10, 11, 23, 24], [5, 6, 7, 21, 22], [17, 18, 19], [13, 14, 15])
"""Joints of the right arm, the left arm, the right leg and the left leg."""
FRAMES = 16
STANDING = perform("wave", np.random.default_rng(0))[0, :1].repeat(FRAMES, axis=0)


class OfTables(SkeletonClassifier):
    """Takes rows of numbers for clips: each column moves a limb out and back."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.one_d_array = tags.input_tags.string = tags.input_tags.allow_nan = False
        return tags

    def _clips(self, X, *, fitting=False):  # noqa: N803
        table = validate_data(self, X, reset=fitting)
        offsets = np.zeros((len(table), 25, 3))
        for number, column in enumerate(np.tanh(table.T / 2)):
            offsets[:, LIMBS[number % 4], (number // 4 + 1) % 3] += 0.5 * column[:, None]
        moved = np.sin(np.linspace(0, np.pi, FRAMES))[:, None, None]
        return [STANDING + offset * moved for offset in offsets]


REPEATED = ("check_classifiers_train", "readonly_memmap")
"""Runs again what was run before, with its tables in a file; each takes some seconds."""


def checks():
    for estimator, check in estimator_checks_generator(OfTables()):
        name = f"{check.func.__name__}-{'-'.join(check.keywords)}"
        marks = [pytest.mark.slow] if all(part in name for part in REPEATED) else []
        yield pytest.param(estimator, check, id=name, marks=marks)


@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_checks_of_scikit_learn_with_tables(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # limbs that were moved so far are no person's
        check(estimator)


@parametrize_with_checks([SkeletonClassifier(), SkeletonClassifier(reject_unknown=True)])
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


LABELS = ["wave", "squat", "kick"] * 5


@pytest.fixture(scope="module")
def clips():
    random = np.random.default_rng(0)
    return [perform(label, random) for label in LABELS]


@pytest.fixture(scope="module")
def fitted(clips):
    return SkeletonClassifier().fit(clips[:9], LABELS[:9])


def test_names_clips_in_every_form(fitted, clips, tmp_path):
    new, labels = clips[9:], LABELS[9:]
    assert fitted.classes_.tolist() == ["kick", "squat", "wave"]
    assert fitted.predict(new).tolist() == labels
    assert fitted.predict([Clip.from_array(clip) for clip in new]).tolist() == labels
    paths = [tmp_path / f"{number}.npy" for number in range(len(new))]
    for path, clip in zip(paths, new, strict=True):
        np.save(path, clip)
    assert fitted.predict(paths).tolist() == labels
    assert fitted.predict(np.array([str(path) for path in paths])).tolist() == labels
    assert fitted.predict(np.array(paths, object)).tolist() == labels
    many = np.stack([clip[:, :60] for clip in new])
    assert many.shape == (6, 1, 60, 25, 3)
    assert fitted.predict(many).tolist() == fitted.predict(many[:, 0]).tolist() == labels
    assert fitted.score(new, labels) == 1
    assert fitted.predict(many[:0]).shape == (0,)


def test_chances_sum_to_one_and_the_answer_has_the_highest(fitted, clips):
    random = np.random.default_rng(7)
    unsure = [perform(action, random) for action in ("walk", "jump", "clap") for _ in range(4)]
    for some in (clips[9:], unsure):
        chances = fitted.predict_proba(some)
        assert chances.shape == (len(some), 3)
        np.testing.assert_allclose(chances.sum(axis=1), 1)
        assert (fitted.classes_[chances.argmax(axis=1)] == fitted.predict(some)).all()


def test_cross_validation_and_grid_search(clips):
    assert cross_val_score(SkeletonClassifier(), clips, LABELS, cv=3).mean() > 0.8
    many = np.stack([clip[:, :60] for clip in clips])
    assert cross_val_score(make_pipeline(SkeletonClassifier()), many, LABELS, cv=3).mean() > 0.8
    search = GridSearchCV(
        SkeletonClassifier(), {"classifier": ["ridge", "vote"], "k": [None, 1]}, cv=3
    )
    search.fit(clips, LABELS)
    assert search.best_score_ > 0.8
    assert search.predict(clips[:3]).tolist() == LABELS[:3]


def test_the_mirror_image_counts_where_it_is_wanted(clips):
    """Nobody raises the left hand in the examples."""
    other = [mirror_clip(Clip.from_array(clip, layout="ntu25")) for clip in clips[::3]]
    chances = {}
    for choice in ("on", "off"):
        fitted = SkeletonClassifier(mirror=choice).fit(clips, LABELS)
        chances[choice] = fitted.predict_proba(other)[:, 2].mean()
    assert chances["on"] > chances["off"]
    with pytest.raises(UsageError, match="mirror"):
        SkeletonClassifier(mirror="perhaps").fit(clips, LABELS)


def test_parameters_are_kept_as_they_are_given(fitted):
    views = ["mirror"]
    wrong = SkeletonClassifier(classifier="knn", views=views, units="ft")
    assert clone(wrong).get_params() == wrong.get_params()
    assert wrong.views is views
    assert "exemplars_" not in vars(clone(fitted))


def test_pickled_it_names_clips_as_before(fitted, clips):
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_allclose(copy.predict_proba(clips), fitted.predict_proba(clips), rtol=1e-6)


def test_unknown_only_if_it_is_wanted(clips):
    jump = [perform("jump", np.random.default_rng(seed)) for seed in range(4)]
    plain = SkeletonClassifier().fit(clips, LABELS)
    assert set(plain.predict(jump)) <= set(LABELS)
    strict = SkeletonClassifier(reject_unknown=True).fit(clips, LABELS)
    assert strict.predict(jump).tolist() == ["unknown"] * 4
    strict.set_params(false_accept_rate=0.9)
    assert set(strict.predict(jump)) <= set(LABELS)
    strict.set_params(false_accept_rate=None)
    assert strict.predict(clips[:3]).tolist() == LABELS[:3]
    numbers = np.unique(LABELS, return_inverse=True)[1]
    strict.set_params(unknown_label=-1).fit(clips, numbers)
    found = strict.predict(jump)
    assert found.dtype.kind == "i"
    assert -1 in found
    mixed = strict.set_params(unknown_label="none").predict([*jump, clips[0]])
    assert "none" in mixed.tolist()
    assert mixed.tolist()[-1] == 2


def test_clips_that_come_twice_count_twice_and_may_contradict(clips):
    twice = SkeletonClassifier().fit([*clips, *clips[:3]], [*LABELS, "kick", "wave", "wave"])
    assert len(twice.exemplars_) == 18


def test_units_and_axes_are_those_of_the_parameters(fitted, clips):
    mm = [np.stack([c[..., 0], -c[..., 2], c[..., 1]], axis=-1) * 1000 for c in clips]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        other = SkeletonClassifier(units="mm", up="z").fit(mm[:9], LABELS[:9])
    np.testing.assert_allclose(other.predict_proba(mm), fitted.predict_proba(clips), atol=1e-3)


@pytest.mark.parametrize(
    ("X", "says"),
    [
        (np.zeros((3, 75)), "not an array of float64 (3, 75)"),
        (np.zeros((3, 25, 3)), "not an array of float64 (3, 25, 3)"),
        (np.zeros((3, 9, 25, 2)), "not an array of float64 (3, 9, 25, 2)"),
        ("folder", "not a str"),
        (None, "not a NoneType"),
        ([], "at least one clip"),
        ([None], "None is no clip"),
        (["tests", "x.npy"], r"X[0] holds many clips: tests"),
    ],
)
def test_what_is_no_x_is_refused(X, says, monkeypatch, tmp_path):  # noqa: N803
    (tmp_path / "tests").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        SkeletonClassifier().fit(X, ["a", "b", "c"][: len(X) if X is not None else 3])
    assert says in str(caught.value)


def test_errors(clips):
    with pytest.raises(NotFittedError):
        SkeletonClassifier().predict(clips)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        SkeletonClassifier().fit(clips, LABELS[:3])
    with pytest.raises(ClipError, match="array 1: "):
        SkeletonClassifier().fit([clips[0], np.zeros((9, 25, 3))], ["a", "b"])
    for wrong in ({"classifier": "knn"}, {"units": "ft"}, {"views": ["top"]}, {"k": 0}):
        with pytest.raises(UsageError):
            SkeletonClassifier(**wrong).fit(clips, LABELS).predict(clips)


def test_without_scikit_learn_the_extra_is_named():
    code = "import sys; sys.modules['sklearn'] = None; import stars_infer.sklearn"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "stars_infer.sklearn needs scikit-learn, which is not installed: pip install " in (
        done.stderr
    )
    assert "'stars-infer[sklearn]'" in done.stderr
