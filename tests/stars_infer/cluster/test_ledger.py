"""Which shard embeds a clip, and which files are left out."""

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the extra [formats] is not installed")

from stars_infer.cluster.job import Shard
from stars_infer.cluster.ledger import Ledger
from stars_infer.cluster.places import Place
from stars_infer.cluster.work import EmbedWork, How
from stars_infer.synthetic.actions import perform

A, B, C = (letter * 64 for letter in "abc")


def test_a_clip_belongs_to_the_shard_that_asks_first():
    ledger = Ledger({C: 7})
    assert ledger.claim(1, [A, B, C]) == [True, True, False]
    assert ledger.claim(2, [B]) == [False]
    assert ledger.claim(1, [B]) == [True]  # done again, after its worker was lost
    assert ledger.claims() == {A: 1, B: 1, C: 7}


def test_a_file_that_ends_its_readers_is_left_out():
    ledger = Ledger()
    assert not ledger.begin(0).careful
    for _ in range(2):
        start = ledger.begin(0)
        assert start.careful
        assert not start.left_out
        ledger.at(0, "good.npy")
        ledger.at(0, "bomb.npy")
    assert ledger.begin(0).left_out == {"bomb.npy"}
    assert not ledger.begin(1).careful


def test_a_file_that_is_left_out_is_a_row_with_its_error(tmp_path):
    for name in ("bomb", "good"):
        np.save(tmp_path / f"{name}.npy", perform("wave", np.random.default_rng(0)))
    bomb, good = (str(tmp_path / f"{name}.npy") for name in ("bomb", "good"))
    ledger = Ledger()
    for _ in range(3):
        ledger.begin(0)
        ledger.at(0, bomb)
    how = How(device="cpu")
    work = EmbedWork(Place(str(tmp_path / "job")), ledger, how)
    report = work(Shard(number=0, sources=[bomb, good]))
    assert (report.clips, report.failures) == (1, 1)
    assert report.told[0][0] == bomb
    assert "ended the processes" in report.told[0][1]


def test_a_worker_that_cannot_work_says_why(tmp_path):
    (tmp_path / "file").write_text("")
    how = How(device="cpu")
    work = EmbedWork(Place(str(tmp_path / "file/job")), Ledger(), how)
    report = work(Shard(number=0, sources=[]))
    assert "file/job/shards/000000.parquet: cannot be reached or written" in report.stopped
