"""Many files: several processes give what one gives, in the same order, errors at their place."""

import os
import pickle

import numpy as np
import pytest

from stars_infer.embedding import files as prepared_files
from stars_infer.embedding.files import embed_files
from stars_infer.encoder.encoder import Encoder
from stars_infer.errors import ClipError, MissingExtraError, NobodyError
from stars_infer.synthetic.actions import perform
from stars_infer.synthetic.files import skeleton_text


@pytest.fixture
def no_patience(monkeypatch):
    """Processes do all the work, a file at a time."""
    monkeypatch.setattr(prepared_files, "PATIENCE", None)
    monkeypatch.setattr(prepared_files, "CHUNK", 1)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many")
    made = []
    for number, action in enumerate(("wave", "handshake", "walk", "wave")):
        made.append(folder / f"{number}.skeleton")
        joints = perform(action, np.random.default_rng(number))[:, :30]
        made[-1].write_text(skeleton_text(joints))
    cut = folder / "cut.skeleton"
    cut.write_text(made[0].read_text()[:-500])
    holed = folder / "holed.skeleton"
    holed.write_text(made[2].read_text().replace("256.0", "nan").replace(" 212.0", " 2e2"))
    return [*made[:2], cut, folder / "missing.npy", *made[2:], holed]


def outcomes(encoder, paths, **options):
    told = []
    found = embed_files(encoder, paths, skip=told.append, **options)
    for file in found:
        told.append(file)
    return told


def same(one, two):
    if isinstance(one, ClipError):
        return type(one) is type(two) and str(one) == str(two)
    return (
        (one.path, one.source, one.content_hash, one.bodies, one.frames, one.notes)
        == (two.path, two.source, two.content_hash, two.bodies, two.frames, two.notes)
        and np.array_equal(one.features.sequence, two.features.sequence)
        and len(one.features.views) == len(two.features.views)
    )


def test_several_processes_find_what_one_finds_in_the_same_order(files, no_patience):
    encoder = Encoder.load()
    how = {"query": True, "views": ("mirror",)}
    alone = outcomes(encoder, files, **how)
    together = outcomes(encoder, files, workers=2, **how)
    kinds = [isinstance(one, ClipError) for one in alone]
    assert kinds == [False, False, True, True, False, False, False]
    assert len(together) == len(alone)
    assert all(same(one, two) for one, two in zip(alone, together, strict=True))


def test_files_that_are_soon_read_start_no_process(files, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a process was started")

    monkeypatch.setattr("stars_infer.parallel.ProcessPoolExecutor", refuse)
    monkeypatch.setattr(prepared_files, "PATIENCE", 3600.0)
    assert len(outcomes(Encoder.load(), files * 3, query=True, workers=2)) == 21
    monkeypatch.setattr(prepared_files, "PATIENCE", 0.0)
    with pytest.raises(AssertionError, match="a process was started"):
        outcomes(Encoder.load(), files * 30, query=True, workers=2)


def test_reading_goes_on_here_until_processes_are_there(files, monkeypatch):
    monkeypatch.setattr(prepared_files, "PATIENCE", 0.0)
    monkeypatch.setattr("stars_infer.parallel._LOOK", 0.0)
    encoder = Encoder.load()
    many = files * 12
    alone = outcomes(encoder, many, query=True)
    together = outcomes(encoder, many, query=True, workers=2)
    assert all(same(one, two) for one, two in zip(alone, together, strict=True))


def test_what_ends_the_reading_ends_it_at_its_place(files, no_patience):
    given = []
    reading = prepared_files.Reading(
        encoder=Encoder.load(), convention=None, people="crowd", views=()
    )
    with pytest.raises(ValueError, match="crowd"):
        for clip in prepared_files.prepared_files(reading, files, skip=given.append, workers=2):
            given.append(clip)
    assert given == []


@pytest.mark.parametrize(
    "error", [ClipError("a.npy", "bad"), NobodyError("b", "none"), MissingExtraError("x", "y", "z")]
)
def test_errors_come_back_from_other_processes_as_they_are(error):
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert str(back) == str(error)
    assert vars(back) == vars(error)


def test_an_encoder_goes_to_another_process_without_its_network(encoder):
    encoder.open()
    back = pickle.loads(pickle.dumps(encoder))
    assert "_network" not in vars(back)
    assert back.info == encoder.info


def test_a_file_of_many_clips_is_read_clip_after_clip(tmp_path, monkeypatch):
    monkeypatch.setattr("stars_infer.parallel.ProcessPoolExecutor", os._exit)
    annotations = [
        {"frame_dir": f"c{n}", "keypoint": np.random.default_rng(n).normal(size=(1, 9, 25, 3))}
        for n in range(3)
    ]
    path = tmp_path / "many.pkl"
    path.write_bytes(pickle.dumps({"annotations": annotations}))
    found = embed_files(
        Encoder.load(), [path] * 20, skip=pytest.fail, query=True, workers=2, layout="ntu25"
    )
    assert next(found).source == f"{path}#c0"
