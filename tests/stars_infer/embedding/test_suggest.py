"""Clips that the index holds already are not suggested."""

import pytest

from stars_infer import Encoder, Recognizer
from stars_infer.embedding.suggest import suggest_files
from stars_infer.errors import StarsError
from stars_infer.readers.files import clip_files


def test_known_clips_are_left_out_and_counted(recordings, tmp_path):
    with Recognizer(tmp_path / "stars.db", device="cpu") as recognizer:
        recognizer.add(None, sorted((recordings / "wave").iterdir())[:3])
        encoder = recognizer.encoder
    paths, told = clip_files([recordings / "wave", recordings / "kick"]), []

    def suggested(paths, index, n=8):
        return suggest_files(
            encoder,
            paths,
            skip=pytest.fail,
            n=n,
            index=index,
            progress=lambda done, total: told.append((done, total)),
        )

    everything = suggested(paths, tmp_path / "none.db")
    assert (everything.clips, everything.known) == (8, 0)
    assert {source for source, _ in everything.suggestions} == set(map(str, paths))
    assert told[:8] == [(number, 8) for number in range(1, 9)]
    assert told[-1] == (8, 8)  # comparisons with each other
    assert not (tmp_path / "none.db").exists()
    new = suggested(paths, tmp_path / "stars.db")
    assert (new.clips, new.known) == (5, 3)
    assert {source for source, _ in new.suggestions} == set(map(str, paths[3:]))
    with pytest.raises(StarsError, match=r"all 3 clips are in .*stars.db already"):
        suggested(paths[:3], tmp_path / "stars.db")


def test_without_clips_nothing_is_suggested():
    nothing = suggest_files(Encoder.load(), ["none.npy"], skip=lambda error: None)
    assert (nothing.suggestions, nothing.clips, nothing.known) == ((), 0, 0)
