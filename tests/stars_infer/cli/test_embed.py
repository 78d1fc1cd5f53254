import json

import numpy as np


def records(text):
    return [json.loads(line) for line in text.splitlines()]


def test_embed(stars, recordings, tmp_path):
    (tmp_path / "bad.npy").write_bytes(b"bad")
    paths = [recordings / "wave", tmp_path / "bad.npy", recordings / "handshake"]
    code, out, err = stars("embed", *paths, "--out", "x.npz", "--json")
    assert code == 1
    (failure,) = records(err)
    assert failure["source"].endswith("bad.npy")
    assert "not a NumPy array" in failure["error"]
    lines = records(out)
    assert [line["bodies"] for line in lines] == [1] * 4 + [2] * 4
    with np.load(tmp_path / "x.npz", allow_pickle=False) as arrays:
        assert arrays["embeddings"].shape == (8, 32)
        assert arrays["embeddings"].dtype == np.float32
        assert arrays["sources"].tolist() == [line["source"] for line in lines]


def test_embed_writes_nothing_when_nothing_could_be_read(stars, tmp_path):
    code, _, err = stars("embed", "missing.npy", "--out", "x.npz")
    assert code == 1
    assert "missing.npy: no such file" in err
    assert "nothing was written" in err
    assert list(tmp_path.iterdir()) == []
    assert stars("embed", "x.npy", "--out", "x.csv")[0] == 2
    assert stars("embed", "x.npy", "--out", "nowhere/x.npz")[0] == 2


def test_writing_to_a_full_disk_is_a_clear_error(stars, recordings, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    code, _, err = stars("embed", recordings / "wave", "--out", "x.npz")
    assert (code, "x.npz: the disk is full" in " ".join(err.split())) == (1, True)
    assert list(tmp_path.iterdir()) == []
