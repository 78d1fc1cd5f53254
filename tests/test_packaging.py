"""What a wheel brings."""

import re
import subprocess
import sys
import tomllib
import zipfile

import pytest

from tests.conftest import REPOSITORY


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of the checkout."""
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
    return zipfile.ZipFile(wheel)


@pytest.fixture(scope="module")
def names(wheel):
    """Files of the wheel."""
    return set(wheel.namelist())


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
    for ending in ("js", "css"):
        assert f"stars_infer/inspection/web/player.{ending}" in names
    assert "stars_infer/train/datasets/ntu/missing_skeletons.txt" in names
    assert "stars_infer/layouts/ntu25.toml" in names
    for layout in (REPOSITORY / "stars_infer/layouts").glob("*.toml"):
        assert f"stars_infer/layouts/{layout.name}" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    for model in (REPOSITORY / "models").iterdir():
        if (model / "model.json").exists():
            for file in ("encoder.onnx", "model.json", "README.md"):
                assert f"stars_infer/models/{model.name}/{file}" in names
            assert any(name.endswith(f"licenses/models/{model.name}/README.md") for name in names)
    for recipe in (REPOSITORY / "train/recipes").glob("*.toml"):
        assert f"stars_infer/train/recipes/{recipe.name}" in names


def test_the_page_of_the_package_links_to_nothing_beside_it(wheel):
    (metadata,) = (name for name in wheel.namelist() if name.endswith("METADATA"))
    page = wheel.read(metadata).decode("utf-8")
    assert "Description-Content-Type: text/markdown" in page
    assert "# stars-infer" in page
    assert not re.findall(r"\]\((?!https?:)", page)


def test_the_list_of_packages_is_complete():
    """It is written by hand, since automatic discovery cannot map folders to other names."""
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    listed = settings["tool"]["setuptools"]["packages"]
    roots = settings["tool"]["setuptools"]["package-dir"]
    found = {
        ".".join((package, *path.parent.relative_to(REPOSITORY / folder).parts))
        for package, folder in roots.items()
        for path in (REPOSITORY / folder).rglob("__init__.py")
    }
    assert sorted(listed) == sorted(found | {"stars_infer.train.recipes"})


def test_versions_agree():
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    citation = (REPOSITORY / "CITATION.cff").read_text(encoding="utf-8")
    version = settings["project"]["version"]
    assert f"\nversion: {version}\n" in citation
    assert f"## {version}" in (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
