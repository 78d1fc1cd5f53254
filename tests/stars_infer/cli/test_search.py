import json

import numpy as np
import pytest

from stars_infer.cli.curate import remedy, what, why
from stars_infer.curation.check import Finding
from stars_infer.curation.suggest import Suggestion
from stars_infer.index.index import Exemplar
from tests.conftest import REPOSITORY

ACTIONS = ("clap", "squat", "wave")


@pytest.fixture
def taught(stars, recordings):
    """The command line, in a folder with an index of three performers of three actions."""
    for action in ACTIONS:
        clips = sorted((recordings / action).iterdir())[:3]
        assert stars("fewshot", "add-class", *clips)[0] == 0
    return stars


def records(text):
    return [json.loads(line) for line in text.splitlines()]


def last(recordings, action):
    return sorted((recordings / action).iterdir())[3]


def test_search_of_the_index(taught, recordings):
    clip = sorted((recordings / "squat").iterdir())[1]
    code, out, err = taught("search", clip, "-k", 4, "--json")
    assert code == 0, err
    hits = records(out)
    assert [hit["rank"] for hit in hits] == [1, 2, 3, 4]
    assert hits[0]["source"] == str(clip)
    assert hits[0]["label"] == "squat"
    assert hits[0]["similarity"] == pytest.approx(1, abs=1e-3)
    similar = [hit["similarity"] for hit in hits]
    assert similar == sorted(similar, reverse=True)
    quiet = taught("search", clip, "-k", 4, "--quiet")[1].splitlines()
    assert [line.split("\t")[2:] for line in quiet] == [[h["label"], h["source"]] for h in hits]
    assert records(taught("search", clip, "-k", 4, "--in", "stars.db", "--json")[1]) == hits
    by_vector = records(taught("search", clip, "--by", "vector", "--json")[1])
    assert len(by_vector) == 9
    assert by_vector[0]["source"] == str(clip)
    assert [hit["similarity"] for hit in by_vector[:4]] != similar


def test_search_of_a_file_and_of_a_folder_find_the_same(stars, recordings):
    clip, folder = last(recordings, "wave"), recordings / "wave"
    assert stars("embed", folder, recordings / "handshake", "--out", "x.npz")[0] == 0
    with np.load("x.npz", allow_pickle=False) as arrays:
        assert set(arrays) == {
            "format", "embeddings", "sources", "content_hashes", "model", "fingerprint",
            "sequences", "bodies", "comparison",
        }  # fmt: skip
        assert arrays["sequences"].dtype == np.float16
        assert arrays["bodies"].tolist() == [1] * 4 + [2] * 4
        assert len(arrays["sequences"]) == 12
    for way in ([], ["--by", "vector"]):
        file = records(stars("search", clip, "--in", "x.npz", *way, "-k", 4, "--json")[1])
        both = records(stars("search", clip, "--in", recordings, *way, "-k", 40, "--json")[1])
        kept = {hit["source"] for hit in file}
        same = [hit for hit in both if hit["source"] in kept]
        assert [hit["source"] for hit in same] == [hit["source"] for hit in file]
        np.testing.assert_allclose(
            [hit["similarity"] for hit in same], [hit["similarity"] for hit in file], atol=2e-3
        )
        assert file[0]["source"] == str(clip)
        assert {hit["label"] for hit in file} == {None}
    shown = stars("search", clip, "--in", "x.npz")[1]
    assert "action" not in shown
    assert "similarity" in shown


def test_what_cannot_be_searched(stars, recordings, encoder):
    clip = last(recordings, "wave")
    code, _, err = stars("search", clip)
    assert code == 1
    assert "no index of examples here" in " ".join(err.split())
    code, _, err = stars("search", clip, "--in", "none.npz")
    assert code == 1
    assert "none.npz: no such collection" in err
    code, _, err = stars("search", clip, "--in", "recordngs")
    assert code == 2
    assert "--in recordngs: no such file or folder" in err
    code, _, err = stars("search", clip, "--in", recordings, "--by", "color")
    assert code == 2
    assert "choose sequence, vector or both" in err
    code, _, err = stars("search", clip, "--in", recordings, "--by", "both")
    assert (code, "the model gives vectors no weight" in " ".join(err.split())) == (2, True)
    vectors = np.ones((2, encoder.info.width), np.float32)
    np.savez("old.npz", embeddings=vectors, sources=np.array(["a", "b"]))
    assert len(records(stars("search", clip, "--in", "old.npz", "--json")[1])) == 2
    code, _, err = stars("search", clip, "--in", "old.npz", "--by", "sequence")
    assert code == 2
    assert "search it by vector" in err
    np.savez(
        "other.npz", embeddings=vectors, sources=np.array(["a", "b"]), model="other",
        fingerprint="0" * 64,
    )  # fmt: skip
    code, _, err = stars("search", clip, "--in", "other.npz")
    assert code == 1
    assert "'other' (000000000000)" in err
    assert encoder.info.fingerprint[:12] in err
    stars("fewshot", "add-class", clip)
    assert stars("search", "missing.npy", "--json")[0] == 1
    stars("fewshot", "remove", "wave")
    code, _, err = stars("search", clip)
    assert code == 1
    assert "the index is empty" in " ".join(err.split())


def test_suggest_without_and_with_an_index(stars, recordings):
    code, out, err = stars("fewshot", "suggest", recordings, "-n", 7, "--json")
    assert code == 0, err
    first = records(out)
    assert {one["reason"] for one in first} == {"representative"}
    assert sum(one["stands_for"] for one in first) == len(list(recordings.glob("*/*")))
    assert len({one["source"] for one in first}) == 7
    for one in first[:4]:
        stars("fewshot", "add-class", one["source"])
    code, out, err = stars("fewshot", "suggest", recordings, "-n", 5, "--json")
    assert code == 0, err
    second = records(out)
    assert not {one["source"] for one in first[:4]} & {one["source"] for one in second}
    assert {one["reason"] for one in second} <= {"new", "between", "variant"}
    assert all(one["similarity"] < 1 for one in second)
    shown = stars("fewshot", "suggest", recordings, "-n", 5)
    assert "4 clips are in stars.db already" in " ".join(shown[2].split())
    assert "stands for" in shown[1]
    code, _, err = stars("fewshot", "suggest", first[0]["source"])
    assert code == 1
    assert "give clips that are not" in " ".join(err.split())


def test_a_bad_clip_does_not_stop_suggestions(stars, recordings, tmp_path):
    (tmp_path / "bad.npy").write_bytes(b"bad")
    code, out, err = stars(
        "fewshot", "suggest", recordings / "wave", tmp_path / "bad.npy", "-n", 2, "--json"
    )
    assert code == 1
    assert len(records(out)) == 2
    assert records(err)[0]["source"].endswith("bad.npy")


def test_check_finds_a_wrong_label_and_strict_fails(taught, recordings):
    code, out, err = taught("fewshot", "check", "--strict", "--json")
    assert (code, out) == (0, ""), err
    clip = last(recordings, "squat")
    assert taught("fewshot", "add-class", clip, "--label", "wave")[0] == 0
    code, out, _ = taught("fewshot", "check", "--json")
    assert code == 0
    (found,) = records(out)
    assert (found["kind"], found["labels"]) == ("mislabeled", ["wave", "squat"])
    assert found["sources"] == [str(clip)]
    assert found["remedy"] == f"look; then stars fewshot relabel squat {clip}"
    code, out, err = taught("fewshot", "check", "--strict")
    assert code == 1
    assert "squat" in out
    assert "findings: 1" in err
    # The remedy is what to type.
    assert taught("fewshot", "relabel", "squat", clip)[0] == 0
    assert taught("fewshot", "check", "--strict")[0] == 0


def test_check_finds_a_copy_under_another_label(taught, recordings, tmp_path):
    from stars_infer.readers.files import read_clip

    clip = read_clip(sorted((recordings / "wave").iterdir())[0])
    np.save(tmp_path / "again.npy", clip.bodies[0] + np.float32([0.5, 0, 0.25]))
    taught("fewshot", "add-class", tmp_path / "again.npy", "--label", "wave")
    (found,) = records(taught("fewshot", "check", "--json")[1])
    assert found["kind"] == "duplicate"
    assert found["remedy"] == f"stars fewshot remove --id {found['ids'][0]}"
    taught("fewshot", "remove", "--id", found["ids"][0])
    taught("fewshot", "add-class", tmp_path / "again.npy", "--label", "clap")
    kinds = {one["kind"] for one in records(taught("fewshot", "check", "--json")[1])}
    assert {"contradiction", "mislabeled"} <= kinds


def exemplar(number, label, source="a clip.npy"):
    return Exemplar(id=number, label=label, source=source, content_hash="", added="")


@pytest.mark.parametrize(
    ("finding", "found", "cure"),
    [
        (
            Finding(
                kind="contradiction", positions=(1, 0), labels=("wave", "clap"), similarity=1.0
            ),
            "the same motion is 'clap' in 3",
            "keep the right one: stars fewshot remove --id 5, or stars fewshot remove --id 3",
        ),
        (
            Finding(kind="mislabeled", positions=(0,), labels=("clap", "high wave")),
            "likely 'high wave', as its neighbors are",
            "look; then stars fewshot relabel 'high wave' 'a clip.npy'",
        ),
        (
            Finding(kind="outlier", positions=(0,), labels=("clap",)),
            "unlike all other examples of 'clap'",
            "look; then stars fewshot remove --id 3, or add more like it",
        ),
        (
            Finding(kind="disagreement", positions=(0, 1), labels=("clap",), count=2, size=2),
            "two examples of 'clap' contradict each other",
            "look at them; stars fewshot add-class CLIPS --label clap",
        ),
        (
            Finding(kind="disagreement", positions=(0, 1), labels=("clap",), count=2, size=3),
            "2 of 3 examples of 'clap' are more like other actions",
            "look at them; stars fewshot add-class CLIPS --label clap",
        ),
        (
            Finding(kind="overlap", positions=(0, 1), labels=("clap", "wave"), count=4, size=10),
            "'clap' and 'wave' overlap: 4 of 10 name the other",
            "add examples of both, or give both one label",
        ),
        (
            Finding(kind="few", positions=(0,), labels=("clap",), size=1),
            "1 example",
            "stars fewshot add-class CLIPS --label clap",
        ),
    ],
)
def test_findings_in_words(finding, found, cure):
    exemplars = [exemplar(3, "clap"), exemplar(5, "wave")]
    assert what(finding, exemplars) == found
    assert remedy(finding, exemplars) == cure


def test_reasons_in_words():
    def said(reason, *labels):
        return why(
            Suggestion(position=0, reason=reason, labels=labels, similarity=0.5, stands_for=1)
        )  # fmt: skip

    assert said("representative") == "typical of many"
    assert said("new") == "nothing like it in the index"
    assert said("between", "clap", "wave") == "between clap and wave"
    assert said("variant", "clap") == "probably clap, unlike its examples"


def test_the_commands_of_the_documentation_run(stars):
    text = (REPOSITORY / "docs/search.md").read_text(encoding="utf-8")
    ran = [line for line in text.splitlines() if line.startswith("stars ")]
    assert {line.split()[1] for line in ran} >= {"search", "embed", "fewshot"}
    for line in ran:
        code, _, err = stars(*line.split()[1:])
        assert code == 0, (line, err)
