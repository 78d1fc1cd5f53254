from dataclasses import replace

import numpy as np
import pytest

from stars_infer.classification.classifiers import Ridge, Vote, make_classifier
from stars_infer.classification.mirroring import choose_mirroring
from stars_infer.errors import UsageError
from stars_infer.evaluation.fewshot import LabeledClips, evaluate, named_by
from stars_infer.preprocessing.prepare import Preprocessing
from stars_infer.similarity.comparison import SequenceConfig
from stars_infer.similarity.dtw import WarpingGallery
from stars_infer.similarity.features import Features
from stars_infer.similarity.pairwise import DTWSimilarity, cosine_of
from stars_infer.similarity.sequence import mirror_sequence
from tests.plain_vote import plain_vote


def labeled(vectors, labels, exemplar=None, query=None):
    everyone = np.ones(len(labels), np.bool_)
    return LabeledClips(
        similarity=cosine_of(np.asarray(vectors, np.float32)),
        labels=labels,
        exemplar=everyone if exemplar is None else np.asarray(exemplar),
        query=everyone if query is None else np.asarray(query),
    )


def clusters(spread, classes=4, each=12, width=16):
    random = np.random.default_rng(0)
    centers = random.normal(size=(classes, width))
    labels = [f"c{n}" for n in range(classes) for _ in range(each)]
    points = np.repeat(centers, each, axis=0)
    return labeled(points + spread * random.normal(size=points.shape), labels)


def test_well_separated_classes_are_named_and_noise_is_guessed():
    assert evaluate(clusters(0.01), shots=[1, 2, 5], draws=5)[5].mean == 100
    guessed = evaluate(clusters(100.0), shots=[1], draws=30)[1]
    assert 10 < guessed.mean < 40
    assert guessed.std > 0


def test_same_seed_same_figures():
    clips = clusters(1.0)
    one, same, other = (evaluate(clips, shots=[2], draws=5, seed=s)[2] for s in (1, 1, 2))
    assert one == same
    assert one != other


def test_exemplars_and_queries_keep_to_their_sides():
    # Two subjects whose classes point in opposite directions: naming across them is all wrong.
    vectors = [[1, 0], [0, 1], [0, 1], [1, 0]]
    first = [True, True, False, False]
    clips = labeled(vectors, ["a", "b", "a", "b"], exemplar=first, query=np.logical_not(first))
    assert evaluate(clips, shots=[1], draws=3)[1].mean == 0


def test_a_drawn_exemplar_is_no_query_of_that_draw():
    # Every clip would find itself; without itself, the other class is always nearer.
    clips = labeled([[1, 0], [-1, 0], [0, 1], [0, -1]], ["a", "a", "b", "b"])
    assert evaluate(clips, shots=[1], draws=20)[1].mean == 0


@pytest.mark.parametrize(
    ("clips", "shots", "says"),
    [
        (labeled([[1, 0]], ["a"]), [1], "two classes"),
        (labeled(np.eye(3), ["a", "a", "b"]), [2], "'b' has 1 possible examples, too few for 2"),
        (labeled(np.eye(2), ["a", "b"]), [1], "all clips were drawn"),
        (labeled(np.eye(2), ["a", "b"], query=[False, False]), [1], "check --queries"),
    ],
)
def test_what_cannot_be_measured(clips, shots, says):
    with pytest.raises(UsageError, match=says):
        evaluate(clips, shots=shots, draws=2)


def by_the_whole_matrix(clips, n, draws, seed):
    """The same by the definition: all similarities, one vote at a time."""
    classes = sorted(set(clips.labels))
    numbers = np.array([classes.index(label) for label in clips.labels])
    pools = [np.flatnonzero((numbers == c) & clips.exemplar) for c in range(len(classes))]
    everyone = np.arange(len(numbers))
    similarities = clips.similarity(everyone, everyone)
    random = np.random.default_rng([seed, n])
    accuracies = []
    for _ in range(draws):
        drawn = np.concatenate([random.choice(pool, n, replace=False) for pool in pools])
        queries = np.setdiff1d(np.flatnonzero(clips.query), drawn)
        right = 0
        for query in queries:
            row = similarities[query, drawn]
            nearest = np.argsort(-row, kind="stable")[:n]
            labels = [str(numbers[drawn[place]]) for place in nearest]
            right += plain_vote(labels, [float(row[place]) for place in nearest]) == str(
                numbers[query]
            )
        accuracies.append(100 * right / len(queries))
    return np.mean(accuracies), np.std(accuracies)


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_figures_are_those_of_the_definition(n):
    clips = clusters(1.5, classes=5, each=15)
    got = evaluate(clips, shots=[n], draws=4, seed=3)[n]
    mean, std = by_the_whole_matrix(clips, n, draws=4, seed=3)
    assert (got.mean, got.std) == (pytest.approx(mean), pytest.approx(std))
    assert 20 < got.mean < 100


def test_temperature_decides_the_vote_of_a_draw():
    # The query lies on one exemplar of its class; the next two are of the other class.
    angles = np.deg2rad([0, 0, 90, 90, 40, 40, 40])
    clips = labeled(
        np.stack((np.cos(angles), np.sin(angles)), axis=1),
        ["a", "a", "a", "a", "b", "b", "b"],
        exemplar=[False] + [True] * 6,
        query=[True] + [False] * 6,
    )
    assert evaluate(clips, shots=[3], draws=1)[3].mean == 0
    assert (
        evaluate(
            replace(clips, classifier=lambda n: Vote(n=n, temperature=0.02)), shots=[3], draws=1
        )[3].mean
        == 100
    )


def test_clips_are_compared_as_their_model_compares_and_named_by_the_classifier():
    sequences = np.random.default_rng(0).normal(size=(4, 1, 4, 75)).astype(np.float32)
    features = [
        Features(vector=np.float32([1, number]), sequence=sequence)
        for number, sequence in enumerate(sequences)
    ]
    how = SequenceConfig(preprocessing=Preprocessing(frames=8), steps=4, temperature=0.5)
    made = LabeledClips.of_features(
        features,
        ["a", "a", "b", "b"],
        exemplar=[True] * 4,
        query=[True, False, True, False],
        classifier="vote",
        comparison=how,
    )
    everyone = np.arange(4)
    assert isinstance(made.similarity, DTWSimilarity)
    assert np.diag(made.similarity(everyone, everyone)) == pytest.approx(1, abs=1e-5)
    assert made.classifier(3) == Vote(n=3, temperature=0.5)
    assert made.query.tolist() == [True, False, True, False]
    gallery = WarpingGallery(sequences, how)
    expected = [gallery.similarities(one) for one in sequences]
    np.testing.assert_allclose(made.similarity(everyone, everyone), expected, atol=1e-6)
    assert (made.mirror, made.width) == ("auto", how.kernel_width)
    copies = [gallery.mirrored_similarities(one) for one in sequences]
    np.testing.assert_allclose(made.mirrored(everyone, everyone), copies, atol=1e-6)
    with pytest.raises(UsageError, match="no classifier 'forest'"):
        LabeledClips.of_features(
            features, ["a"] * 4, exemplar=[True] * 4, query=[True] * 4, classifier="forest"
        )
    with pytest.raises(UsageError, match="mirror 'maybe': choose one of auto, on, off"):
        LabeledClips.of_features(
            features, ["a"] * 4, exemplar=[True] * 4, query=[True] * 4, mirror="maybe"
        )
    vectors = LabeledClips.of_features(
        features, ["a"] * 4, exemplar=[True] * 4, query=[True] * 4, comparison=None
    )
    assert vectors.mirrored is None


HOW = SequenceConfig(preprocessing=Preprocessing(frames=8), steps=8)


def acted(*, sides, mirror="auto", each=4):
    """Four actions as sequences; if they have sides, two are the mirror images of the other two.

    The clips that are named are performed with the other hand if sides do not matter.
    """
    random = np.random.default_rng(0)
    first = random.normal(size=(4, 1, 8, 75))
    if sides:
        first[2:] = [mirror_sequence(one) for one in first[:2]]
    clips, exemplar = [], []
    for action in first:
        for number in range(2 * each):
            clip = action + 0.5 * random.normal(size=action.shape)
            exemplar.append(number < each)
            clips.append(clip if sides or exemplar[-1] else mirror_sequence(clip))
    features = [Features(vector=None, sequence=np.float32(clip)) for clip in clips]
    return LabeledClips.of_features(
        features,
        [name for name in "abcd" for _ in range(2 * each)],
        exemplar=exemplar,
        query=np.logical_not(exemplar),
        comparison=HOW,
        mirror=mirror,
    )


@pytest.mark.parametrize("mirror", ["auto", "on", "off"])
@pytest.mark.parametrize("sides", [True, False])
@pytest.mark.parametrize("shots", [1, 2])
def test_clips_are_named_by_the_mix_that_the_drawn_exemplars_choose(mirror, sides, shots):
    clips = acted(sides=sides, mirror=mirror)
    drawn = np.concatenate([np.arange(8 * action, 8 * action + shots) for action in range(4)])
    queries, classes = np.flatnonzero(clips.query), drawn // 8
    among, asked = named_by(clips, drawn, queries, classes)
    plain, other = clips.similarity(drawn, drawn), clips.mirrored(drawn, drawn)
    mirroring = choose_mirroring(
        plain, other, classes, ridge=Ridge(width=HOW.kernel_width), choice=mirror
    )
    weight = {"on": 0.4, "off": 0.0}.get(mirror, 0.4 if not sides else 0.15 if shots == 1 else 0)
    assert mirroring.weight == weight
    for got, one, two in (
        (among, plain, (other + other.T) / 2),
        (asked, clips.similarity(queries, drawn), clips.mirrored(queries, drawn)),
    ):
        own, copies = (np.exp((item.astype(np.float64) - 1) / 0.12) for item in (one, two))
        expected = 1 + 0.12 * np.log((own + weight * copies) / (1 + weight))
        np.testing.assert_allclose(got, expected, atol=1e-6)
    scores = make_classifier("ridge", n=shots, width=0.12).fit(among, classes, 4).scores(asked)
    right = 100 * np.mean(scores.argmax(axis=1) == queries // 8)
    assert (right == 100) == (sides or mirror != "off")


def test_the_other_hand_is_named_where_sides_do_not_matter():
    accuracy = {
        (sides, mirror): evaluate(acted(sides=sides, mirror=mirror), shots=[2], draws=5)[2].mean
        for sides in (True, False)
        for mirror in ("auto", "on", "off")
    }
    assert accuracy[True, "auto"] == accuracy[True, "off"] == 100
    assert accuracy[False, "auto"] == accuracy[False, "on"] == 100
    assert accuracy[False, "off"] < 60
