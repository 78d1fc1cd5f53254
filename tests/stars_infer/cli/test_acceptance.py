"""What is expected of unknown clips, said, told and shown."""

import json

import pytest


def records(text):
    return [json.loads(line) for line in text.splitlines()]


def told(stars):
    (info,) = records(stars("fewshot", "info", "--json")[1])
    return info["unknown_share"], info["unknown_share_from"], info["confirmed"], info["denied"]


def words(text):
    return " ".join(text.split())


def test_what_is_expected_is_said_kept_and_shown(taught, recordings):
    assert told(taught) == (pytest.approx(1 / 3), "assumed", 0, 0)
    assert "unknown clips expected: 33% (assumed" in words(taught("fewshot", "info")[2])
    code, out, _ = taught("fewshot", "expect", "--unknown", 10, "--json")
    assert (code, records(out)) == (
        0, [{"unknown_share": 0.1, "unknown_share_from": "said", "confirmed": 0, "denied": 0}]
    )  # fmt: skip
    said = words(taught("fewshot", "info")[2])
    assert "unknown clips expected: 10% (as `stars fewshot expect` said)" in said
    clip = sorted((recordings / "squat").iterdir())[3]
    (few,) = records(taught("classify", clip, "--json")[1])
    assert taught("fewshot", "expect", "--unknown", 90)[0] == 0
    (many,) = records(taught("classify", clip, "--json")[1])
    assert few["chance_known"] > many["chance_known"]
    assert taught("fewshot", "expect", "--unknown", "auto", "--quiet")[1] == "0.3333\tassumed\n"
    assert told(taught)[1] == "assumed"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("0.1", "--unknown takes per cent: 10 for a share of 0.1; at least 1"),
        ("many", "--unknown takes per cent or auto, not 'many'"),
        ("0", "--unknown (per cent) must be at least 1 and at most 99"),
        ("100", "--unknown (per cent) must be at least 1 and at most 99"),
        ("nan", "--unknown (per cent) must be at least 1 and at most 99"),
    ],
)
def test_what_is_no_per_cent_is_refused(taught, wrong, message):
    code, _, err = taught("fewshot", "expect", "--unknown", wrong)
    assert code == 2
    assert message in words(err)
    assert told(taught)[1] == "assumed"


def test_clips_are_confirmed_and_denied_but_examples_are_not(taught, recordings):
    squats = sorted((recordings / "squat").iterdir())
    code, out, err = taught("fewshot", "confirm", *squats)
    assert (code, out) == (0, "")
    assert "3 clips did not count: examples of the index say nothing" in words(err)
    assert told(taught)[1:] == ("feedback", len(squats) - 3, 0)
    wave = sorted((recordings / "wave").iterdir())[3]
    code, out, _ = taught("fewshot", "deny", wave, wave, "--json")
    assert code == 0
    (record,) = records(out)
    assert (record["confirmed"], record["denied"]) == (len(squats) - 3, 1)
    assert record["unknown_share"] == pytest.approx((10 / 3 + 1) / (10 + len(squats) - 2))
    said = words(taught("fewshot", "info")[2])
    assert f"(after {len(squats) - 3} confirmed and 1 denied;" in said
    code, _, err = taught("fewshot", "confirm", squats[0])
    assert code == 2
    assert "these clips are examples of the index" in words(err)
    assert taught("fewshot", "expect", "--forget")[0] == 0
    assert told(taught) == (pytest.approx(1 / 3), "assumed", 0, 0)


def test_nothing_is_counted_if_a_clip_cannot_be_read(taught, recordings, tmp_path):
    (tmp_path / "cut.skeleton").write_text("3\n1\n")
    good = sorted((recordings / "wave").iterdir())[3]
    code, _, err = taught("fewshot", "confirm", good, "cut.skeleton")
    assert code == 1
    assert "nothing was counted" in words(err)
    assert told(taught)[2:] == (0, 0)


def test_an_index_says_what_it_cannot_tell(stars, recordings):
    for number, action in enumerate(("wave", "squat", "kick"), 1):
        assert stars("fewshot", "add-class", *sorted((recordings / action).iterdir())[:2])[0] == 0
        said = words(stars("fewshot", "info")[2])
        assert ("clips of anything else may get" in said) == (number < 3)
        assert stars("fewshot", "threshold", "--false-accept", 5)[0] == 0
        for command in (["info"], ["threshold", "--false-accept", 5]):
            said = words(stars("fewshot", *command)[2])
            assert ("5.0% cannot be promised with 3 actions: at best 50%" in said) == (number == 3)
        (info,) = records(stars("fewshot", "info", "--json")[1])
        assert info["finest_false_accept"] == (0.5 if number == 3 else None)
    assert "cannot be promised" not in stars("fewshot", "threshold", "--false-accept", 60)[2]


def test_many_clips_are_named_together(taught, recordings):
    """Confidence follows from the other clips of the call, unless it was said what to expect."""
    clips = [sorted((recordings / action).iterdir())[3] for action in ("wave", "squat", "kick")]

    def chances(*paths):
        return [one["chance_known"] for one in records(taught("classify", *paths, "--json")[1])]

    alone = [chances(clip)[0] for clip in clips]
    assert all(one > other for one, other in zip(chances(*clips), alone, strict=True))
    assert taught("fewshot", "expect", "--unknown", 33)[0] == 0
    alone = [chances(clip)[0] for clip in clips]
    assert chances(*clips) == pytest.approx(alone)
