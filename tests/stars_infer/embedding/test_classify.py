"""Clips are named one after the other, by the command line and by the recognizer alike."""

import json

import pytest

from stars_infer import Recognizer
from stars_infer.classification.prediction import ClassifyOptions
from stars_infer.embedding import files
from stars_infer.embedding.classify import classify_files
from stars_infer.errors import ExemplarIndexError, UsageError
from stars_infer.readers.files import clip_files

ACTIONS = ("wave", "walk", "handshake")


@pytest.fixture(scope="module")
def taught(recordings):
    recognizer = Recognizer(device="cpu")
    for action in ACTIONS:
        recognizer.add(action, sorted((recordings / action).iterdir())[:2])
    return recognizer


@pytest.mark.parametrize(
    ("said", "options"),
    [
        ([], {}),
        (["--people", "each"], {"people": "each"}),
        (["--views", "mirror", "--views", "crops"], {"views": ("mirror", "crops")}),
        (["--classifier", "vote", "--k", 1], {"classifier": "vote", "k": 1}),
        (["--false-accept", 5], {"false_accept_rate": 0.05}),
    ],
)
def test_the_command_line_and_the_recognizer_give_the_same_answers(
    taught, recordings, stars, said, options
):
    taught.save("stars.db")
    clips = [recordings / action for action in (*ACTIONS, "squat")]
    code, out, err = stars("classify", *clips, *said, "--model", "stars-mocap-small", "--json")
    assert code == 0, err
    assert [json.loads(line) for line in out.splitlines()] == taught.predict(
        clips, **options
    ).to_dict()


def test_an_answer_comes_as_soon_as_its_clip_is_read(taught, recordings, monkeypatch):
    read, outcomes = [], files.Reading.outcomes

    def reading(self, path):
        read.append(path)
        return outcomes(self, path)

    monkeypatch.setattr(files.Reading, "outcomes", reading)
    paths = clip_files([recordings / "wave"])
    answers = classify_files(taught.index, taught.encoder, paths, skip=pytest.fail)
    for number, path in enumerate(paths, 1):
        assert next(answers).source == str(path)
        assert read == paths[:number]
    assert next(answers, None) is None


def test_clips_that_are_named_together_are_all_read_first(taught, recordings, monkeypatch):
    read = []
    paths = clip_files([recordings / "wave"])

    def answers():
        read.clear()
        return classify_files(
            taught.index,
            taught.encoder,
            paths,
            options=ClassifyOptions(together=True),
            read=lambda: read.append(True),
            skip=pytest.fail,
        )

    named = answers()
    first = next(named)
    assert len(read) == len(paths)
    batch = [first, *named]
    alone = list(classify_files(taught.index, taught.encoder, paths, skip=pytest.fail))
    assert [one.source for one in batch] == [one.source for one in alone]
    assert all(
        one.chance_known != other.chance_known for one, other in zip(batch, alone, strict=True)
    )
    taught.index.expect_unknown(0.2)
    try:
        named = answers()
        next(named)
        assert len(read) == 1
        assert len(list(named)) == len(paths) - 1
    finally:
        taught.index.expect_unknown(None)


def test_the_index_says_how_many_unknown_clips_are_named_if_nobody_else_does(taught, recordings):
    def known(options=None):
        answers = classify_files(
            taught.index,
            taught.encoder,
            clip_files([recordings / "squat"]),
            skip=pytest.fail,
            options=options,
        )
        return sum(answer.known for answer in answers)

    usual = known()
    taught.index.set_false_accept_rate(0.99)
    try:
        assert known() > usual
        assert known(ClassifyOptions(classifier="ridge")) == known()
        assert known(ClassifyOptions(false_accept_rate=0.5)) <= known()
    finally:
        taught.index.set_false_accept_rate(None)


def test_what_cannot_be_asked_is_refused_before_a_clip_is_read(taught):
    empty = Recognizer(device="cpu")
    with pytest.raises(ExemplarIndexError, match="empty"):
        next(classify_files(empty.index, empty.encoder, ["none.npy"], skip=pytest.fail))
    for wrong in ({"people": "all"}, {"views": ["back"]}, {"workers": 0}):
        with pytest.raises(UsageError, match=next(iter(wrong))):
            next(classify_files(taught.index, taught.encoder, [], skip=pytest.fail, **wrong))
