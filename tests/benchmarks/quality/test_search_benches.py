from types import SimpleNamespace

import check
import numpy as np
import pytest
import suggest
from marked import write_between_marks

EACH = 12


@pytest.fixture(scope="module")
def table():
    """Similarity of three actions of twelve clips each, well apart."""
    random = np.random.default_rng(0)
    classes = np.repeat(np.arange(3), EACH)
    points = np.eye(3)[classes] + 0.05 * random.normal(size=(3 * EACH, 3))
    return np.float32(1 - np.linalg.norm(points[:, None] - points, axis=2) / 3)


@pytest.fixture
def pool(table):
    classes = np.repeat(np.arange(3), EACH)
    positions = np.random.default_rng(1).permutation(3 * EACH)
    return suggest.Pool(
        table=table, classes=classes, pool=positions[:30], queries=positions[30:], width=0.12
    )


@pytest.mark.parametrize("rule", suggest.RULES.values(), ids=suggest.RULES)
def test_every_rule_chooses_other_clips_of_the_pool(pool, rule):
    random = np.random.default_rng(0)
    labeled = np.zeros(0, np.intp)
    for _ in range(3):
        chosen = rule(pool, labeled, 5, random)
        assert len(set(chosen.tolist())) == 5
        assert set(chosen.tolist()) <= set(pool.pool.tolist()) - set(labeled.tolist())
        labeled = np.concatenate([labeled, chosen])


def test_accuracy_is_the_share_of_queries_named_right(pool):
    one_each = np.array([pool.pool[pool.classes[pool.pool] == one][0] for one in range(3)])
    assert suggest.accuracy(pool, one_each) == 100
    right = np.mean(pool.classes[pool.queries] == 0)
    assert suggest.accuracy(pool, one_each[:1]) == pytest.approx(100 * right)


def test_suggestions_reach_all_actions_at_once(pool, monkeypatch):
    monkeypatch.setattr(suggest, "BUDGETS", (3, 6))
    monkeypatch.setattr(suggest, "STEP", 3)
    shipped = list(suggest.RULES.values())[-1]
    assert suggest.curve(pool, shipped, 0, begun=False) == [100, 100]


def test_auroc_is_the_chance_that_a_bad_one_is_ranked_first():
    bad = np.array([True, False, True, False])
    assert check.auroc(np.array([3.0, 1.0, 1.0, 0.0]), bad) == pytest.approx(100 * 3.5 / 4)
    assert check.auroc(np.array([0.0, 1.0, 0.0, 1.0]), bad) == 0


def test_wrong_labels_of_separate_actions_are_all_found(table, monkeypatch):
    monkeypatch.setattr(check, "DRAWS", 3)
    known = check.Known(data=SimpleNamespace(), table=table, classes=np.repeat(np.arange(3), EACH))
    assert check.mislabeled(known, 10, 0.05) == "100.0 / 100 / 100 / 100"
    assert check.good(known, 10).startswith("0.0 / ")


def test_a_table_is_written_between_its_marks_and_again(tmp_path):
    file = tmp_path / "x.md"
    file.write_text("a\n<!-- t -->\n<!-- end of t -->\nb\n")
    for value in ("1", "2"):
        write_between_marks(file, "t", [["h", "i"], ["x", value]])
        expected = (
            f"a\n<!-- t -->\n| h | i |\n| --- | --- |\n| x | {value} |\n<!-- end of t -->\nb\n"
        )
        assert file.read_text() == expected
    with pytest.raises(SystemExit, match="no marks <!-- u -->"):
        write_between_marks(file, "u", [["h"]])
