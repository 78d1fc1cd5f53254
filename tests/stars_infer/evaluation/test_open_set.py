import numpy as np
import pytest

from stars_infer.classification.model_calibration import OF_VECTORS
from stars_infer.errors import UsageError
from stars_infer.evaluation.fewshot import LabeledClips
from stars_infer.evaluation.open_set import (
    auroc,
    class_chooser,
    evaluate_open_set,
    false_accept_at_recall,
)
from stars_infer.similarity.pairwise import cosine_of

PRIOR = OF_VECTORS.ridge
CLASSES = ("clap", "hop", "jump", "kick", "wave")


def clips(spread):
    """Eight clips of each class around a direction of its own."""
    random = np.random.default_rng(0)
    centers = np.repeat(np.eye(len(CLASSES), 8), 8, axis=0)
    vectors = centers + spread * random.normal(size=centers.shape)
    everyone = np.ones(len(vectors), np.bool_)
    return LabeledClips(
        similarity=cosine_of(vectors.astype(np.float32)),
        labels=[name for name in CLASSES for _ in range(8)],
        exemplar=everyone,
        query=everyone,
    )


def test_auroc_and_false_accept_are_their_definitions():
    known, unknown = np.array([0.9, 0.8, 0.5, 0.5]), np.array([0.5, 0.1])
    pairs = [(k > s) + (k == s) / 2 for k in known for s in unknown]
    assert auroc(known, unknown) == pytest.approx(np.mean(pairs))
    assert false_accept_at_recall(known, unknown, recall=1.0) == pytest.approx(0.5)
    assert false_accept_at_recall(np.linspace(0, 1, 101), np.linspace(0, 1, 101)) == pytest.approx(
        0.95, abs=0.01
    )


def test_classes_are_unknown_by_pattern_or_by_a_share_that_is_drawn_anew():
    random = np.random.default_rng(0)
    labels = clips(0).labels
    assert class_chooser(labels, patterns=["h*", "w*"])(random) == [1, 4]
    drawn = [class_chooser(labels, share=0.4)(random) for _ in range(20)]
    assert {len(set(one)) for one in drawn} == {2}
    assert len({tuple(sorted(one)) for one in drawn}) > 1
    with pytest.raises(UsageError, match="no class matches z.*there are: clap, hop, jump"):
        class_chooser(labels, patterns=["z*"])
    with pytest.raises(UsageError, match="not both"):
        class_chooser(labels, patterns=["h*"], share=0.4)
    with pytest.raises(UsageError, match="not both"):
        class_chooser(labels)
    with pytest.raises(UsageError, match="above 0 and below 1, not 1"):
        class_chooser(labels, share=1.0)


def test_classes_far_apart_are_told_from_unknown_ones_and_noise_is_not():
    unknown = class_chooser(clips(0).labels, share=0.4)
    apart = evaluate_open_set(clips(0.02), shots=(1, 3), unknown=unknown, prior=PRIOR, draws=4)
    assert set(apart) == {1, 3}
    assert apart[3].auroc == 100
    assert apart[3].fpr_at_95 == 0
    assert apart[3].right_of_named == 100
    assert apart[3].reliability.count.sum() == 4 * (5 * 8 - 3 * 3)
    noise = evaluate_open_set(clips(20.0), shots=(3,), unknown=unknown, prior=PRIOR, draws=20)[3]
    assert 35 < noise.auroc < 65


def test_fewer_unknown_clips_are_named_where_fewer_are_accepted():
    unknown = class_chooser(clips(0).labels, share=0.4)
    strict, loose = (
        evaluate_open_set(
            clips(0.4), shots=(3,), unknown=unknown, prior=PRIOR, false_accept_rate=rate
        )[3]
        for rate in (0.02, 0.6)
    )
    assert strict.unknown_named < loose.unknown_named
    assert strict.known_named < loose.known_named


def test_some_classes_must_be_known():
    with pytest.raises(UsageError, match="some actions must be unknown and some known"):
        evaluate_open_set(clips(0), shots=(1,), unknown=lambda random: range(5), prior=PRIOR)
