"""Clips that are named by their mirror images, too."""

from dataclasses import replace

import numpy as np
import pytest

from stars_infer import ExemplarIndex
from stars_infer.classification.classifiers import Ridge
from stars_infer.classification.mirroring import (
    LARGE_MIRRORING,
    NO_MIRRORING,
    choose_mirroring,
)
from stars_infer.classification.prediction import ClassifyOptions
from stars_infer.similarity.features import Features
from stars_infer.similarity.pairwise import between, between_mirrored
from stars_infer.similarity.sequence import mirror_sequence
from tests.stars_infer.index.toy import SEQUENCES, VECTORS, moving, new, pointing, taught

HOW = SEQUENCES.comparison
ON, OFF, AUTO = (ClassifyOptions(mirror=mirror) for mirror in ("on", "off", "auto"))


def image(features):
    """The same action, performed with the other hand."""
    return Features(vector=None, sequence=mirror_sequence(features.sequence))


def performed(*, noise=0.6):
    """Queries of each action, by the exemplars' hand and by the other one."""
    own = [moving(action, noise=noise, seed=50 + action) for action in range(4)]
    return own, [image(one) for one in own]


@pytest.fixture
def index():
    with taught(ExemplarIndex.in_memory(SEQUENCES)) as opened:
        yield opened


def mirroring(index, choice="auto"):
    with index._state.gallery() as gallery:
        return gallery.mirroring(choice)


def test_an_action_of_the_other_hand_is_named(index):
    own, other = performed()
    truth = [f"action {number}" for number in range(4)]
    assert mirroring(index).weight == 0.4  # as no exemplar looks like another action
    for options in (ON, AUTO):
        assert [one.label for one in index.classify(other, options)] == truth
        assert [one.label for one in index.classify(own, options)] == truth
    assert [one.label for one in index.classify(own, OFF)] == truth
    assert [one.label for one in index.classify(other, OFF)] != truth


def test_names_are_those_of_the_mix_and_what_is_known_is_told_by_the_plain_comparison(index):
    exemplars = [features for _, features in index.features()]
    classes = np.array([int(one.label[-1]) for one, _ in index.features()])
    queries = [*performed(noise=1.0)[0], *performed(noise=1.0)[1], moving(77), image(moving(78))]
    ridge, mixing = Ridge(width=HOW.kernel_width), mirroring(index)
    parts = (
        (between(some, exemplars, HOW), between_mirrored(some, exemplars, HOW))
        for some in (exemplars, queries)
    )
    among, asked = (mixing.mix(*part, HOW.kernel_width) for part in parts)
    scores = ridge.fit((among + among.T) / 2, classes, 4).scores(asked)
    answers, plain = index.classify(queries, AUTO), index.classify(queries, OFF)
    assert [one.label for one in answers] == [f"action {row.argmax()}" for row in scores]
    assert [one.label for one in answers] != [one.label for one in plain]
    for one, other in zip(answers, plain, strict=True):
        assert one.neighbors == other.neighbors
        if one.label == other.label:
            assert one.chance_known == pytest.approx(other.chance_known, abs=1e-6)
            assert one.similarity == other.similarity


def test_exemplars_of_either_side_decide_whether_sides_matter():
    left, right = moving(1), image(moving(1))
    with ExemplarIndex.in_memory(SEQUENCES) as index:
        for name, action in (("left", left), ("right", right), ("wave", moving(2))):
            for shot in range(3):
                noise = moving(0, noise=1.0, seed=shot).sequence - moving(0).sequence
                sequence = np.float32(action.sequence + 0.1 * noise)
                index.add([new(name, replace(moving(0), sequence=sequence), f"{name}/{shot}")])
        assert mirroring(index).weight == 0
        assert mirroring(index, "on").weight == 0.4
        assert [one.label for one in index.classify([left, right])] == ["left", "right"]
        similarity = index.compare_exemplars()
        with index._state.gallery() as gallery:
            mirrored, classes = gallery.similarity.mirrored(), np.repeat(np.arange(3), 3)
            expected = choose_mirroring(
                similarity, mirrored, classes, ridge=Ridge(width=HOW.kernel_width)
            )
            assert gallery.mirroring() == expected


def test_of_several_views_the_most_similar_one_counts_mirrored_too(index):
    _, other = performed()
    queries = [
        replace(moving(90 + number), views=(moving(80), one)) for number, one in enumerate(other)
    ]
    truth = [f"action {number}" for number in range(4)]
    assert [one.label for one in index.classify(queries, ON)] == truth
    assert [one.label for one in index.classify(queries, OFF)] != truth


def test_other_choices_and_other_indexes(index, monkeypatch):
    assert mirroring(index, "off").in_words() == "mirror images count not: asked for"
    with ExemplarIndex.in_memory(VECTORS) as vectors:
        vectors.add([new(str(n), pointing(n)) for n in range(4)])
        assert mirroring(vectors, "on") == NO_MIRRORING
        query = [pointing(1, tilt=0.3)]
        assert vectors.classify(query, ON) == vectors.classify(query, OFF)
    monkeypatch.setattr("stars_infer.index.small.EXHAUSTIVE_LIMIT", 5)
    with taught(ExemplarIndex.in_memory(SEQUENCES)) as large:
        assert mirroring(large) == LARGE_MIRRORING


def test_how_well_a_clip_fits_does_not_depend_on_mirror_images(index):
    own, other = performed()
    with_mirror = index.classify([*own, *other], ON)
    without = index.classify([*own, *other], OFF)
    for one, two in zip(with_mirror, without, strict=True):
        assert one.chance_known == pytest.approx(two.chance_known)
    # The other hand is named right only with them, and then it is sure of the name.
    for one in with_mirror[len(own) :]:
        assert one.confidence > 0.5 * one.chance_known


def test_the_fit_is_the_similarity_without_halves(index):
    (query,) = [moving(1, noise=0.6, seed=51)]
    (plain,) = index.classify([query], OFF)
    (asked,) = index.classify([query], replace(OFF, fit=True))
    assert plain.fit is None
    assert asked.fit is not None
    whole = replace(HOW, kernels=HOW.whole_kernels)
    kept = [one for exemplar, one in index.features() if exemplar.label == asked.label]
    assert asked.fit == pytest.approx(between([query], kept, whole).max(), abs=1e-6)


def test_an_index_says_whether_mirror_images_count(index):
    assert index.mirroring("on").weight == 0.4
    assert index.mirroring("off").weight == 0
