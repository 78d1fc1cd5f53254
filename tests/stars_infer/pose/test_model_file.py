"""The pose model: found, refused, and fetched once when asked."""

import hashlib
import io
import urllib.error
import zipfile

import pytest

from stars_infer.errors import ModelError, UsageError
from stars_infer.pose import model_file
from stars_infer.pose.model_file import MODELS, PoseModel, download_pose_model, find_pose_model


def bundle(path, *names):
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, "weights")
    return path


GOOD = ("pose_detector.tflite", "pose_landmarks_detector.tflite")


@pytest.fixture
def home(monkeypatch, tmp_path):
    """An empty settings folder, and no word about a model."""
    folder = tmp_path / "settings"
    monkeypatch.setattr("typer.get_app_dir", lambda name: str(folder))
    monkeypatch.delenv("STARS_POSE_MODEL", raising=False)

    def refuse(*arguments, **options):
        raise AssertionError("something was fetched")

    monkeypatch.setattr(model_file.urllib.request, "urlopen", refuse)
    return folder


@pytest.fixture
def published(home, monkeypatch, tmp_path):
    """A small model that is published, and what was fetched."""
    content = bundle(tmp_path / "there.task", *GOOD).read_bytes()
    sha = hashlib.sha256(content).hexdigest()
    monkeypatch.setitem(MODELS, "full", PoseModel(name="full", sha256=sha, size=len(content)))
    fetched = []

    def serve(address, timeout):
        fetched.append(address)
        return io.BytesIO(content)

    monkeypatch.setattr(model_file.urllib.request, "urlopen", serve)
    return fetched


def test_nothing_is_there_and_nothing_is_fetched(home):
    with pytest.raises(ModelError) as caught:
        find_pose_model()
    assert str(caught.value) == (
        "the pose model 'full' is not here: `stars pose --download` fetches it once (9 MB, Apache "
        "License 2.0, Google), or pass a .task file with --pose-model or STARS_POSE_MODEL"
    )
    assert not home.exists()


def test_a_file_is_named(home, monkeypatch, tmp_path):
    path = bundle(tmp_path / "mine.task", *GOOD)
    assert find_pose_model(str(path)) == path
    monkeypatch.setenv("STARS_POSE_MODEL", str(path))
    assert find_pose_model() == path
    with pytest.raises(ModelError, match=r"no\.task: no such file; name a \.task file, or lite"):
        find_pose_model("no.task")


def test_a_file_that_is_no_pose_model(home, tmp_path):
    text = tmp_path / "text.task"
    text.write_text("no bundle")
    with pytest.raises(ModelError, match=r"text\.task: damaged, or no \.task file"):
        find_pose_model(str(text))
    hands = bundle(tmp_path / "hands.task", "hand_detector.tflite")
    with pytest.raises(ModelError, match=r"holds hand_detector\.tflite.*of another task"):
        find_pose_model(str(hands))


def test_it_is_fetched_once(published):
    told = []
    path = download_pose_model(progress=lambda done, total: told.append((done, total)))
    assert find_pose_model() == find_pose_model("full") == path
    assert told[-1][0] == told[-1][1]
    assert download_pose_model("full") == path
    assert published == [MODELS["full"].address]
    assert [one.name for one in path.parent.iterdir()] == ["pose_landmarker_full.task"]


def test_any_model_that_was_fetched_serves(home):
    home.mkdir()
    path = bundle(home / "pose_landmarker_lite.task", *GOOD)
    assert find_pose_model() == path
    with pytest.raises(ModelError, match="'heavy' is not here"):
        find_pose_model("heavy")


def test_what_was_changed_on_the_way_is_not_kept(published, monkeypatch, home):
    wrong = PoseModel(name="full", sha256="0" * 64, size=10**6)
    monkeypatch.setitem(MODELS, "full", wrong)
    with pytest.raises(ModelError, match=r"SHA-256 is [0-9a-f]{64}, not 0{64}; nothing was kept"):
        download_pose_model()
    assert not home.exists()


def test_more_than_was_published_is_not_read(published, monkeypatch):
    monkeypatch.setattr(model_file, "_BLOCK", 10)
    monkeypatch.setitem(MODELS, "full", PoseModel(name="full", sha256="0" * 64, size=25))
    with pytest.raises(ModelError, match="nothing was kept"):
        download_pose_model()


@pytest.mark.parametrize(
    "failure",
    [urllib.error.URLError("Name or service not known"), TimeoutError("timed out"),
     urllib.error.HTTPError("", 404, "Not Found", {}, None)],
)  # fmt: skip
def test_without_a_network(home, monkeypatch, failure):
    def fail(*arguments, **options):
        raise failure

    monkeypatch.setattr(model_file.urllib.request, "urlopen", fail)
    with pytest.raises(ModelError, match=r"cannot be fetched \(.+\); without a network") as caught:
        download_pose_model("lite")
    assert "\n" not in str(caught.value)
    assert not home.exists()


def test_a_model_that_is_not_published(home):
    with pytest.raises(UsageError, match="`--download` fetches lite, full, heavy"):
        download_pose_model("huge")


def test_published_models():
    assert list(MODELS) == ["lite", "full", "heavy"]
    for model in MODELS.values():
        assert len(bytes.fromhex(model.sha256)) == 32
        assert model.address.startswith("https://storage.googleapis.com/mediapipe-models/")
        assert model.address.endswith(f"/float16/1/pose_landmarker_{model.name}.task")
