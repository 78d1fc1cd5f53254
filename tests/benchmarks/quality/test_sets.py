"""Evaluation sets: who may be exemplar, who is asked, what is left out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sets import SPLITS, EvaluationSet, Split, folder_set, known_sets

from stars_infer.clips.clip import Clip
from stars_infer.errors import UsageError
from stars_infer.synthetic.actions import perform


def refuse(error):
    raise error


def test_people_are_exemplars_or_queries_by_pattern(people):
    split = Split(
        name="own", folder=people, exemplars=["*/s1_*"], queries=["*/s2_*", "squat/s3_t1.*"]
    )
    data = folder_set(split, refuse)
    assert data.labels == ["clap"] * 4 + ["squat"] * 5 + ["wave"] * 4
    assert data.exemplar.sum() == 6
    assert data.query.sum() == 7
    assert not (data.exemplar & data.query).any()
    assert data.most_shots == 2


def test_without_patterns_any_clip_may_be_either(people):
    data = folder_set(Split(name="own", folder=people), refuse)
    assert data.exemplar.all()
    assert data.query.all()
    assert data.most_shots == 6


def test_a_clip_that_cannot_be_used_is_named_and_left_out(people, tmp_path):
    folder = tmp_path / "wave"
    folder.mkdir()
    np.save(folder / "good.npy", np.load(people / "wave/s1_t1.npy"))
    np.save(folder / "zeros.npy", np.zeros((20, 25, 3), np.float32))
    seen_once = np.zeros((20, 25, 3), np.float32)
    seen_once[3] = 1
    np.save(folder / "once.npy", seen_once)
    refused = []
    data = folder_set(Split(name="own", folder=tmp_path), refused.append)
    assert len(data.clips) == 1
    assert [error.source.rsplit("/", 1)[-1] for error in refused] == ["once.npy", "zeros.npy"]


def test_a_pattern_that_matches_nothing_is_refused(people):
    with pytest.raises(UsageError, match="no CLASS/clip file"):
        folder_set(Split(name="own", folder=people, exemplars=["x"], queries=["y"]), refuse)


def test_known_sets_have_the_splits_of_their_subjects(tmp_path):
    joints = perform("wave", np.random.default_rng(0))[0, :, :20]
    for folder, names in (
        ("utd-mhad", [f"s{subject}_t1" for subject in range(1, 9)]),
        ("msr-action3d", [f"s{subject}_e1" for subject in range(1, 11)]),
        ("g3d", [f"s{subject}_{clip}" for subject in range(1, 11) for clip in (7, 8)]),
    ):
        (tmp_path / folder / "wave").mkdir(parents=True)
        for name in names:
            np.save(tmp_path / folder / "wave" / f"{name}.npy", joints)
    (tmp_path / "irds/wave").mkdir(parents=True)
    for subject in (215, 216, 217):
        file = tmp_path / f"irds/wave/s{subject}_g0_r1_c1.npy"
        np.save(file, perform("wave", np.random.default_rng(subject))[0])
    missing = []
    utd, msr, g3d, irds = known_sets(tmp_path, missing.append)
    taught = [clip.source for clip, may in zip(utd.clips, utd.exemplar, strict=True) if may]
    assert [Path(source).stem for source in taught] == ["s1_t1", "s3_t1", "s5_t1", "s7_t1"]
    assert (utd.exemplar ^ utd.query).all()
    assert (msr.exemplar ^ msr.query).all()
    assert msr.exemplar.sum() == 5
    assert (utd.clips[0].fps, msr.clips[0].fps) == (30, 15)
    taught = {
        Path(clip.source).stem for clip, may in zip(g3d.clips, g3d.exemplar, strict=True) if may
    }
    assert taught == {f"s{subject}_{clip}" for subject in (1, 3, 5, 7, 9) for clip in (7, 8)}
    assert (g3d.exemplar ^ g3d.query).all()
    assert irds.exemplar.tolist() == [True, False, False]
    assert irds.query.tolist() == [False, True, True]
    assert [data.title for data in (utd, msr, g3d, irds)] == [
        "UTD-MHAD", "MSR-Action3D", "G3D (untuned)", "IRDS (untuned)",
    ]  # fmt: skip
    assert [error.problem for error in missing] == [
        "not there: GTU is left out", "not there: HDM05 is left out",
    ]  # fmt: skip


def test_actions_of_too_few_people_are_named_and_left_out(people):
    whole = Split(name="own", folder=people, exemplars=["*/s1_*", "wave/s2_*"], queries=["*/s3_*"])
    refused = []
    data = folder_set(replace(whole, fewest=2), refused.append)
    assert sorted(set(data.labels)) == ["clap", "squat", "wave"]
    assert not refused
    fewer = replace(whole, exemplars=["*/s1_*", "wave/s2_*"], queries=["*/s3_t1.*", "squat/s3_*"])
    data = folder_set(replace(fewer, fewest=2), refused.append)
    assert set(data.labels) == {"squat"}
    assert (len(data.clips), data.exemplar.sum(), data.query.sum()) == (4, 2, 2)
    assert [(error.source, error.problem) for error in refused] == [
        (str(people / "clap"), "2 possible exemplars and 1 queries, "
                               "and own takes actions with 2 of each"),
        (str(people / "wave"), "4 possible exemplars and 1 queries, "
                               "and own takes actions with 2 of each"),
    ]  # fmt: skip
    with pytest.raises(UsageError, match="no CLASS/clip file"):
        folder_set(replace(fewer, fewest=3), refused.append)


def test_sets_are_keys_by_identity(waving):
    pair = [
        EvaluationSet(
            name="x",
            clips=[Clip.from_array(waving)],
            labels=["wave"],
            exemplar=np.array([True]),
            query=np.array([True]),
        )
        for _ in range(2)
    ]
    assert len(set(pair)) == 2


def test_real_sets(shared):
    root = shared / "data"
    if not all((root / split.folder).is_dir() for split in SPLITS):
        pytest.skip(f"not all evaluation sets are in {root}")
    left_out = []
    counts = {
        data.name: (len(data.clips), len(set(data.labels)), data.exemplar.sum(), data.query.sum())
        for data in known_sets(root, left_out.append)
    }
    assert counts == {
        "UTD-MHAD": (861, 27, 431, 430),
        "MSR-Action3D": (566, 20, 291, 275),
        "GTU": (505, 14, 505, 505),
        "HDM05": (288, 11, 189, 99),
        "G3D": (576, 18, 288, 288),
        "IRDS": (188, 9, 73, 115),
    }
    assert list(counts)[-2:] == ["G3D", "IRDS"]
    assert [error.source.rsplit("/", 1)[-1] for error in left_out] == [
        "s9_e2.npy", "golf_swing", "tennis_swing_forehand", "throw_bowling_ball",
    ]  # fmt: skip
