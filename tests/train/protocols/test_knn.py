import numpy as np
import pytest
import torch
from torch.nn import functional as F

from stars_infer.errors import UsageError
from stars_infer.train.protocols import knn as module
from stars_infer.train.protocols.knn import knn, nearest_votes
from tests.plain_vote import plain_vote


def at(*degrees):
    """Vectors at angles, of lengths that must not matter."""
    angles = torch.deg2rad(torch.tensor(degrees))
    lengths = torch.arange(1.0, len(degrees) + 1)
    return torch.stack([angles.cos(), angles.sin()], dim=1) * lengths[:, None]


def test_votes_by_hand():
    # From a query at 0°: class 0 at 5°, class 1 at 10° and 20°, class 2 at 90°.
    gallery, labels = at(5.0, 10.0, 20.0, 90.0), np.array([0, 1, 1, 2])
    named = nearest_votes(gallery, labels, at(0.0), ks=[1, 2, 3, 4])
    assert named[1].tolist() == [0]
    assert named[2].tolist() == [0]  # one vote each: the nearer one has the larger cosine
    assert named[3].tolist() == [1]  # two votes against one
    assert named[4].tolist() == [1]


def test_a_tie_goes_to_the_larger_sum_of_cosines():
    # Two votes each at k = 4: 0° and 60° against 20° and 30°; the nearest one loses.
    gallery, labels = at(0.0, 60.0, 20.0, 30.0), np.array([0, 0, 1, 1])
    assert nearest_votes(gallery, labels, at(0.0), ks=[4])[4].tolist() == [1]


@pytest.mark.parametrize("cells", [1, 1 << 26])
def test_agrees_with_the_runtime_vote_in_chunks_of_any_size(monkeypatch, cells):
    monkeypatch.setattr(module, "_CELLS", cells)
    torch.manual_seed(0)
    gallery, queries = torch.randn(50, 8), torch.randn(30, 8)
    labels = np.random.default_rng(0).integers(0, 4, 50)
    named = nearest_votes(gallery, labels, queries, ks=[1, 2, 5, 20, 50])
    cosines = (F.normalize(queries, dim=1) @ F.normalize(gallery, dim=1).T).numpy()
    for k, got in named.items():
        for query, row in enumerate(cosines):
            near = np.argsort(-row)[:k]
            expected = plain_vote([str(labels[n]) for n in near], [float(row[n]) for n in near])
            assert str(got[query]) == expected


def test_protocol_names_clips_and_counts(task, measured, fabric):
    result = knn(measured, task, fabric=fabric)
    assert [score.setting for score in result.scores] == ["k=1", "k=2", "k=5", "k=10"]
    assert result.scores[0].accuracy > 60
    assert result.confusion.sum() == len(task.test.clips) == 18
    assert 100 * np.trace(result.confusion) / 18 == pytest.approx(result.scores[0].accuracy)
    assert result.embedding.shape == (18, 16)


def test_a_k_beyond_the_gallery_is_refused(task, measured, fabric):
    for k in (0, 19):
        with pytest.raises(UsageError, match=f"--k {k}: the gallery has 18 clips, k is 1 to 18"):
            knn(measured, task, fabric=fabric, ks=[1, k])
