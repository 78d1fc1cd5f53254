import json

import numpy as np
import pytest

from stars_infer.errors import UsageError
from stars_infer.train.protocols.fusion import fuse_results
from stars_infer.train.protocols.results import Result, Score, confusion_matrix, save_result

LABELS = np.array([0, 1, 1])
JOINT = np.array([[3.0, 1.0], [2.0, 1.0], [0.0, 1.0]], np.float32)
BONE = np.array([[0.0, 1.0], [0.0, 2.0], [0.0, 4.0]], np.float32)


def kept(folder, run, scores, **changed):
    """A result's JSON, with class scores by setting."""
    named = {name: values.argmax(axis=1) for name, values in scores.items()}
    first = next(iter(named.values()), LABELS)
    values = {
        "protocol": "linear",
        "measured": {"run": run, "method": f"method of {run}", "step": 9},
        "data": "ntu60",
        "split": "xsub",
        "dataset": "ntu60",
        "scores": (Score(setting="accuracy", accuracy=50.0),),
        "settings": {},
        "classes": ("bow", "wave"),
        "confusion": confusion_matrix(LABELS, first, 2),
        "embedding": np.array([[3, 4], [0, 2], [1, 0]], np.float32),
        "labels": LABELS,
        "predictions": named,
        "class_scores": scores,
        "notes": ("a note",),
    }
    return save_result(Result(**values | changed), folder / run)


@pytest.fixture
def joint(tmp_path):
    return kept(tmp_path, "joint", {"accuracy": JOINT})


@pytest.fixture
def bone(tmp_path):
    return kept(tmp_path, "bone", {"accuracy": BONE})


def test_sum_by_hand(joint, bone):
    result = fuse_results([joint, bone])
    np.testing.assert_array_equal(result.class_scores["accuracy"], [[3, 2], [2, 3], [0, 5]])
    assert result.predictions["accuracy"].tolist() == [0, 1, 1]  # each alone errs on one
    assert result.scores == (Score(setting="accuracy", accuracy=100.0),)
    assert result.confusion.tolist() == [[1, 0], [0, 2]]
    assert result.measured == {
        "run": "joint + bone",
        "method": "method of joint + method of bone",
    }
    assert result.notes == ("a note",)
    np.testing.assert_allclose(result.embedding[0], [0.6, 0.8, 0.6, 0.8])


def test_weights_count(joint, bone):
    result = fuse_results([joint, bone], weights=[1, 4])
    np.testing.assert_array_equal(result.class_scores["accuracy"][0], [3, 5])
    assert result.scores[0].accuracy == pytest.approx(200 / 3)
    np.testing.assert_allclose(result.embedding[0], [0.6, 0.8, 2.4, 3.2])


def test_the_fused_result_can_be_kept_and_fused_again(joint, bone, tmp_path):
    path = save_result(fuse_results([joint, bone]), tmp_path / "both")
    again = fuse_results([path, joint])
    np.testing.assert_array_equal(again.class_scores["accuracy"][0], [6, 3])


def test_runs_of_a_share_are_fused_seed_by_seed(tmp_path):
    first, second = (
        kept(tmp_path, name, {"1% seed 0": scores, "1% seed 1": JOINT, "10% seed 0": BONE},
             protocol="semi")
        for name, scores in (("joint", JOINT), ("bone", BONE))
    )  # fmt: skip
    one, ten = fuse_results([first, second]).scores
    assert (one.setting, one.of) == ("1%", 2)
    assert one.accuracy == pytest.approx((100 + 200 / 3) / 2)
    assert one.deviation == pytest.approx(100 / 6)
    assert (ten.setting, ten.of, ten.deviation) == ("10%", 1, None)


def test_actions_that_no_stream_has_seen_are_never_named(tmp_path):
    unseen = JOINT.copy()
    unseen[:, 1] = -np.inf
    paths = [kept(tmp_path, name, {"accuracy": unseen}) for name in ("joint", "bone")]
    assert fuse_results(paths).predictions["accuracy"].tolist() == [0, 0, 0]


def test_what_does_not_belong_together_is_refused(joint, bone, tmp_path):
    def refused(message, *paths, **how):
        with pytest.raises(UsageError, match=message):
            fuse_results(paths, **how)

    refused("two results", joint)
    refused("as many --weight, not 1", joint, bone, weights=[1])
    refused("above 0, not 1, 0", joint, bone, weights=[1, 0])
    other = kept(tmp_path, "tuned", {"accuracy": BONE}, protocol="finetune")
    refused("finetune on ntu60, xsub, 2 actions, but .* linear on ntu60", joint, other)
    other = kept(tmp_path, "else", {"accuracy": BONE}, labels=LABELS[::-1].copy())
    refused("other clips", joint, other)
    other = kept(tmp_path, "runs", {"1% seed 0": BONE})
    refused("the same shares, runs and seed", joint, other)
    refused("no class scores.*stars model fuse", joint, kept(tmp_path, "knn", {}))


@pytest.mark.parametrize(
    "damage", ["missing", "text", "arrays", "empty", "cut", "schema", "list", "facts"]
)
def test_damaged_results_are_named(joint, bone, damage):
    if damage == "missing":
        bone.unlink()
    elif damage == "text":
        bone.write_text("{")
    elif damage == "arrays":
        bone.with_suffix(".npz").write_bytes(b"nothing")
    elif damage in ("empty", "cut"):
        arrays = bone.with_suffix(".npz")
        arrays.write_bytes(arrays.read_bytes()[: 300 if damage == "cut" else 0])
    elif damage == "facts":
        facts = json.loads(bone.read_text())
        bone.write_text(json.dumps({name: facts[name] for name in facts if name != "method"}))
    elif damage == "list":
        bone.write_text("[]")
    else:
        bone.write_text(json.dumps({**json.loads(bone.read_text()), "schema": 99}))
    with pytest.raises(UsageError, match="bone/linear-ntu60-xsub.json: "):
        fuse_results([joint, bone])
