"""What a prediction says, and the forms it is shown in."""

import json
import pickle
import sys
from dataclasses import replace
from importlib.util import find_spec
from types import ModuleType

import pytest

from stars_infer import Prediction
from stars_infer.classification import display
from stars_infer.classification.prediction import Neighbor, Predictions
from stars_infer.errors import ClipError, MissingExtraError


def neighbor(label, similarity, source):
    return Neighbor(label=label, similarity=similarity, source=source)


@pytest.fixture
def wave():
    return Prediction(
        label="wave",
        known=True,
        chance_known=0.99,
        confidence=0.98,
        second="clap",
        similarity=0.9,
        margin=0.3,
        neighbors=(neighbor("wave", 0.9, "a/anna.json"), neighbor("clap", 0.6, "array 1")),
        likeliest=(("wave", 0.98), ("clap", 0.008)),
        source="new.json",
        bodies=1,
        frames=80,
        notes=("odd <units>",),
    )


@pytest.fixture
def unknown(wave):
    return replace(
        wave,
        known=False,
        chance_known=0.4,
        confidence=0.31,
        second=None,
        margin=None,
        likeliest=(("wave", 0.31), ("clap", 0.05)),
    )


def test_as_text(wave, unknown):
    assert str(wave) == "wave (0.98)"
    assert repr(wave) == "<Prediction wave (0.98) of new.json>"
    assert str(unknown) == "unknown (nearest: wave, 0.31)"
    assert (unknown.answer, unknown.label) == ("unknown", "wave")
    two = Predictions([wave, unknown], [ClipError("x.npy", "the file is empty")])
    assert repr(two) == "<Predictions [wave (0.98), unknown (nearest: wave, 0.31)], 1 failed>"


def test_as_plain_types(wave, unknown):
    expected = {
        "source": "new.json",
        "answer": "wave",
        "label": "wave",
        "known": True,
        "confidence": 0.98,
        "chance_known": 0.99,
        "second": "clap",
        "similarity": 0.9,
        "margin": 0.3,
        "neighbors": [
            {"label": "wave", "similarity": 0.9, "source": "a/anna.json"},
            {"label": "clap", "similarity": 0.6, "source": "array 1"},
        ],
        "likeliest": [{"label": "wave", "chance": 0.98}, {"label": "clap", "chance": 0.008}],
        "bodies": 1,
        "frames": 80,
        "notes": ["odd <units>"],
    }
    assert wave.to_dict() == expected
    both = Predictions([wave, unknown])
    assert json.loads(both.to_json()) == both.to_dict() == [expected, unknown.to_dict()]
    assert both.to_dict()[1]["margin"] is None


def test_predictions_are_a_list_that_can_be_pickled(wave):
    failed = ClipError("x.npy", "the file is empty")
    copy = pickle.loads(pickle.dumps(Predictions([wave], [failed])))
    assert list(copy) == [wave]
    assert str(copy.failures[0]) == str(failed)


@pytest.fixture
def without_dataframes(monkeypatch):
    for name in display.DATAFRAMES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(display, "find_spec", lambda name: None)


@pytest.mark.parametrize("package", display.DATAFRAMES)
def test_dataframes_are_of_the_package_that_the_program_uses(
    wave, unknown, without_dataframes, monkeypatch, package
):
    module = ModuleType(package)
    module.DataFrame = lambda columns: (package, columns)
    monkeypatch.setitem(sys.modules, package, module)
    kind, columns = Predictions([wave, unknown]).to_dataframe()
    assert kind == package
    assert columns["answer"] == ["wave", "unknown"]
    assert columns["nearest_source"] == ["a/anna.json"] * 2
    assert columns["notes"] == ["odd <units>"] * 2
    assert set(columns) - set(wave.to_dict()) == {
        "nearest",
        "nearest_source",
        "nearest_similarity",
    }
    _, one = wave.to_dataframe()
    assert one["second"] == ["clap"]


@pytest.mark.parametrize("package", display.DATAFRAMES)
def test_a_real_dataframe(wave, unknown, package, monkeypatch):
    frames = pytest.importorskip(package)
    monkeypatch.setattr(display, "DATAFRAMES", (package,))
    table = display.dataframe_of([wave.to_dict(), replace(unknown, neighbors=()).to_dict()])
    assert isinstance(table, frames.DataFrame)
    assert table.shape == (2, 15)


def test_without_dataframes_one_sentence_says_what_to_install(wave, without_dataframes):
    with pytest.raises(MissingExtraError) as caught:
        wave.to_dataframe()
    assert str(caught.value) == (
        "to_dataframe needs polars or pandas, which is not installed: pip install polars"
    )


def test_html_shows_the_answers_and_escapes_what_files_say(wave, unknown):
    text = Predictions([wave, unknown])._repr_html_()
    assert "<b>wave</b>" in text
    assert "<i>unknown</i>, or wave" in text
    assert "odd &lt;units&gt;" in text
    assert text.count("<tr>") == 3
    assert wave._repr_html_().count("<tr>") == 2


@pytest.mark.skipif(find_spec("matplotlib") is None, reason="Matplotlib is not installed")
def test_the_figure_shows_chances_and_neighbors(wave, unknown, tmp_path):
    formula = replace(wave, label=r"$\frac{", likeliest=(), source="a/$x_$")
    for prediction in (wave, unknown, replace(unknown, neighbors=(), likeliest=()), formula):
        figure = prediction.plot()
        chances, neighbors = figure.axes
        widths = [bar.get_width() for bar in chances.patches]
        assert sum(widths) == pytest.approx(1, abs=0.005)
        assert widths[0] == prediction.confidence
        assert [bar.get_width() for bar in neighbors.patches] == [
            n.similarity for n in prediction.neighbors
        ]
        figure.savefig(tmp_path / "figure.png")
        assert (tmp_path / "figure.png").stat().st_size > 5000


def test_without_matplotlib_the_extra_is_named(wave, without_dataframes):
    with pytest.raises(MissingExtraError, match=r"pip install 'stars-infer\[plots\]'"):
        wave.plot()
