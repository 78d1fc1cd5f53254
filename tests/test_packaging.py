"""What a wheel brings."""

import subprocess
import sys
import zipfile

import pytest

from tests.conftest import REPOSITORY


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """Files of the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "source"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in listed.stdout.splitlines():
        if (REPOSITORY / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((REPOSITORY / name).read_bytes())
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q"]
    subprocess.run([*build, "-w", folder, copy], check=True)
    (wheel,) = folder.glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def test_every_module_is_in_the_wheel_under_its_installed_name(names):
    folders = {
        "stars_infer": "stars_infer",
        "train": "stars_infer/train",
        "exporters": "stars_infer/exporters",
        "models": "stars_infer/models",
    }
    for folder, installed in folders.items():
        for path in (REPOSITORY / folder).rglob("*.py"):
            relative = path.relative_to(REPOSITORY / folder).as_posix()
            assert f"{installed}/{relative}" in names
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"stars_infer"}


def test_data_is_in_the_wheel(names):
    assert "stars_infer/py.typed" in names
    assert "stars_infer/inspection/player.html" in names
    assert "stars_infer/train/datasets/ntu/missing_skeletons.txt" in names
    assert "stars_infer/layouts/ntu25.toml" in names
    for layout in (REPOSITORY / "stars_infer/layouts").glob("*.toml"):
        assert f"stars_infer/layouts/{layout.name}" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    for model in (REPOSITORY / "models").iterdir():
        if (model / "model.json").exists():
            for file in ("encoder.onnx", "model.json", "README.md"):
                assert f"stars_infer/models/{model.name}/{file}" in names
