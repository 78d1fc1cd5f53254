"""MediaPipe behind the interface; a pretended MediaPipe where it is not installed."""

import json
import re
import shutil
import subprocess
import tarfile
import zipfile
from importlib.metadata import version
from types import SimpleNamespace

import numpy as np
import pytest

from stars_infer.errors import MissingExtraError, ModelError, StarsError, UsageError
from stars_infer.pose import estimator as module
from stars_infer.pose.estimator import MediaPipePose

IMAGE = np.zeros((40, 60, 3), np.uint8)


class FakeMediaPipe:
    """Returns what a test wants to be seen."""

    ImageFormat = SimpleNamespace(SRGB=1)

    def __init__(self, *, world=True, refuse=None):
        self.world, self.refuse, self.asked, self.closed, self.options = world, refuse, [], 0, None
        vision = SimpleNamespace(
            RunningMode=SimpleNamespace(VIDEO=2),
            PoseLandmarkerOptions=lambda **options: options,
            PoseLandmarker=SimpleNamespace(create_from_options=self.create),
        )
        self.tasks = SimpleNamespace(vision=vision, BaseOptions=lambda **options: options)

    def create(self, options):
        if self.refuse is not None:
            raise self.refuse
        self.options = options
        return self

    def Image(self, image_format, data):  # noqa: N802
        return data

    def detect_for_video(self, image, milliseconds):
        self.asked.append(milliseconds)
        if image.shape != IMAGE.shape:
            return SimpleNamespace(pose_landmarks=[], pose_world_landmarks=[])
        mark = SimpleNamespace(x=0.25, y=0.5, z=-0.1, visibility=None)
        return SimpleNamespace(
            pose_landmarks=[[mark] * 33], pose_world_landmarks=[[mark] * 33] * self.world
        )

    def close(self):
        self.closed += 1


@pytest.fixture
def opened(monkeypatch, tmp_path):
    """Open the estimator over a pretended MediaPipe."""
    model = tmp_path / "m.task"
    model.write_bytes(b"weights")

    def open_estimator(most_people=2, **options):
        fake = FakeMediaPipe(**options)
        modules = {"mediapipe": fake, "mediapipe.tasks.python": fake.tasks}
        monkeypatch.setattr(module, "find_spec", lambda name: True)
        monkeypatch.setattr(module, "version", lambda name: "0.10.33")
        monkeypatch.setattr(module.importlib, "import_module", modules.__getitem__)
        return MediaPipePose(model, most_people=most_people), fake

    return open_estimator


def test_what_is_seen(opened):
    seer, fake = opened(most_people=3)
    (pose,) = seer.look(IMAGE, 0.0)
    assert pose.world[0].tolist() == [0.25, 0.5, -0.1, 0.0]  # no visibility is none
    assert pose.image[0].tolist() == [15, 20]
    assert fake.options["num_poses"] == 3
    assert fake.options["base_options"] == {"model_asset_buffer": b"weights"}
    seer.close()
    assert fake.closed == 1


def test_times_rise_in_whole_milliseconds(opened):
    seer, fake = opened()
    for time in (0.0, 0.0, 0.0004, 0.0333, 0.02, 1.0):
        seer.look(IMAGE, time)
    assert (np.diff(fake.asked) > 0).all()
    assert fake.asked[-1] == 1000


def test_places_in_the_picture_alone_are_refused(opened):
    seer, _ = opened(world=False)
    with pytest.raises(ModelError, match="image landmarks without world landmarks"):
        seer.look(IMAGE, 0.0)


def test_a_model_that_mediapipe_refuses(opened):
    with pytest.raises(ModelError, match=r"m\.task: MediaPipe does not take it .*no metadata"):
        opened(refuse=ValueError("no metadata"))
    with pytest.raises(UsageError, match="most_people"):
        opened(most_people=0)


@pytest.mark.parametrize("installed", ["0.10.34", "0.10.35", "1.2.3", "0.11.0rc1"])
def test_versions_that_send_reports_are_refused(opened, monkeypatch, installed):
    opened()
    monkeypatch.setattr(module, "version", lambda name: installed)
    with pytest.raises(StarsError, match=rf"MediaPipe {re.escape(installed)} sends reports"):
        MediaPipePose()


def test_not_installed(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"MediaPipe.*pip install 'stars-infer\[video\]'"):
        MediaPipePose()


def test_the_extra_brings_a_version_that_sends_nothing():
    import tomllib

    from tests.conftest import REPOSITORY

    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (asked,) = [one for one in extras["optional-dependencies"]["video"] if "mediapipe" in one]
    assert asked.endswith("<" + ".".join(map(str, module.NETWORKED)))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A .task bundle of the public weights in the npm package @mediapipe/pose (Apache-2.0)."""
    pytest.importorskip("mediapipe", reason="MediaPipe is not installed (extra [video])")
    pytest.importorskip("cv2", reason="OpenCV is not installed (extra [video])")
    if module._numbers(version("mediapipe")) >= module.NETWORKED:
        pytest.skip("this version of MediaPipe sends reports")
    if shutil.which("npm") is None:
        pytest.skip("npm, which fetches the weights, is not installed")
    folder = tmp_path_factory.mktemp("weights")
    packed = subprocess.run(
        ["npm", "pack", "@mediapipe/pose@0.5.1675469404", "--silent"],
        cwd=folder,
        check=False,
        capture_output=True,
    )
    if packed.returncode:
        pytest.skip("the weights cannot be fetched")
    with tarfile.open(next(folder.glob("*.tgz"))) as package:
        package.extractall(folder, filter="data")
    package = folder / "package"
    loader = (package / "pose_solution_packed_assets_loader.js").read_text(encoding="utf-8")
    (place,) = re.findall(r'"files": (\[[^\]]*\])', loader)
    (asset,) = json.loads(place)
    assets = (package / "pose_solution_packed_assets.data").read_bytes()
    (folder / "detector.tflite").write_bytes(assets[asset["start"] : asset["end"]])
    bundle = folder / "lite.task"
    with zipfile.ZipFile(bundle, "w") as file:
        for name, path, mean, std in (
            ("pose_detector.tflite", folder / "detector.tflite", 127.5, 127.5),
            ("pose_landmarks_detector.tflite", package / "pose_landmark_lite.tflite", 0.0, 255.0),
        ):
            file.writestr(name, with_normalization(path, mean, std))
    return bundle


def with_normalization(path, mean, std):
    """A TFLite model with the metadata that MediaPipe's tasks ask for."""
    import flatbuffers
    from mediapipe.tasks.metadata import metadata_schema_py_generated as metadata
    from mediapipe.tasks.metadata import schema_py_generated as schema

    image = metadata.TensorMetadataT()
    image.content = metadata.ContentT()
    image.content.contentPropertiesType = metadata.ContentProperties.ImageProperties
    image.content.contentProperties = metadata.ImagePropertiesT()
    image.content.contentProperties.colorSpace = metadata.ColorSpaceType.RGB
    unit = metadata.ProcessUnitT()
    unit.optionsType = metadata.ProcessUnitOptions.NormalizationOptions
    unit.options = metadata.NormalizationOptionsT()
    unit.options.mean, unit.options.std = [mean], [std]
    image.processUnits = [unit]
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(path.read_bytes(), 0))
    graph = metadata.SubGraphMetadataT()
    graph.inputTensorMetadata = [image]
    graph.outputTensorMetadata = [metadata.TensorMetadataT() for _ in model.subgraphs[0].outputs]
    whole = metadata.ModelMetadataT()
    whole.subgraphMetadata, whole.minParserVersion = [graph], "1.0.0"
    builder = flatbuffers.Builder(0)
    builder.Finish(whole.Pack(builder), b"M001")
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = list(builder.Output())
    entry.name, entry.buffer = "TFLITE_METADATA", len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [entry]
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.mark.slow
def test_the_real_model_sees_a_drawn_person(weights, tmp_path):
    """The synthetic person of tests, drawn with a face and clothes, is found where it stands."""
    from stars_infer import read_clip
    from stars_infer.synthetic.actions import perform
    from tests.stars_infer.pose.drawn_person import write_drawn_video

    joints = perform("squat", np.random.default_rng(0))[0]
    path = write_drawn_video(tmp_path / "squat.mp4", joints)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STARS_POSE_MODEL", str(weights))
        clip = read_clip(path)
    assert clip.presence.shape == (1, len(joints))
    assert clip.presence.mean() > 0.95
    assert clip.fps == pytest.approx(30, rel=0.01)
    knees = clip.bodies[0, :, [25, 26], 1].mean(axis=0)
    hips = clip.bodies[0, :, [23, 24], 1].mean(axis=0)
    seen = (hips - knees)[clip.presence[0]]
    assert seen.min() < 0.6 * seen.max()  # it squats
