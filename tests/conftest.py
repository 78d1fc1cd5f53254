"""Fixtures: a tiny encoder trained for a few steps, and the real data where it is at hand."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import hypothesis
import numpy as np
import pytest

from stars_infer.encoder.encoder import Encoder
from stars_infer.synthetic.actions import perform
from stars_infer.synthetic.files import skeleton_text, write_recordings
from tests import public_mamp

REPOSITORY = Path(__file__).parents[1]

# The same examples in every run, on machines however slow: `--hypothesis-profile default` has new
# ones.
hypothesis.settings.register_profile(
    "same",
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("same")


@pytest.fixture(autouse=True)
def _same_draws():
    """What a test draws at random depends on it alone, not on those before it."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(autouse=True)
def _numba_as_in_a_new_process(monkeypatch):
    """Whether the compiled form compares depends on this test, not on those before it."""
    monkeypatch.setattr("stars_infer.similarity.dtw._pairs_compared", 0)


@pytest.fixture(scope="session")
def shared():
    """Real clips and golden numbers, which a public clone does not have."""
    folder = Path(os.environ.get("STARS_SHARED", REPOSITORY.parent / "shared"))
    if not (folder / "golden").is_dir():
        pytest.skip(f"no golden numbers and real clips in {folder} (set STARS_SHARED)")
    return folder


@pytest.fixture(scope="session")
def recordings(tmp_path_factory):
    """ROOT/ACTION/clip.skeleton by four synthetic performers."""
    folder = tmp_path_factory.mktemp("recordings")
    list(write_recordings(folder, performers=4, seed=1))
    return folder


@pytest.fixture(scope="session")
def trained(tmp_path_factory, recordings):
    """Folder of a run: a tiny encoder after both stages, a few steps each."""
    folder = tmp_path_factory.mktemp("runs")
    tiny = ["--batch", "8", "--log-every", "1", "--accelerator", "cpu", "--quiet"]
    small = ["--width", "32", "--depth", "2", "--heads", "2", "--decoder-depth", "1"]
    pack, mamp, stars = folder / "pack", folder / "mamp", folder / "stars"
    for arguments in (
        ["data", "pack", recordings, "--out", pack, "--quiet"],
        ["train", "pretrain", pack, "--out", mamp, "--steps", 4, "--warmup", 0, *tiny, *small],
        ["train", "tune", pack, "--from", mamp, "--out", stars, "--steps", 3, "--queue", 64, *tiny],
    ):
        code, _, err = call_stars(*arguments)
        assert code == 0, err
    return folder


@pytest.fixture(scope="session")
def tiny_model(trained):
    """Model directory of the tiny encoder."""
    out = trained / "tiny"
    code, _, err = call_stars("export", "--onnx", trained / "stars", "--out", out)
    assert code == 0, err
    return out


@pytest.fixture(scope="session")
def encoder(tiny_model):
    return Encoder.load(tiny_model, device="cpu")


@pytest.fixture(scope="session")
def imported_model(tmp_path_factory):
    """Model directory of a random public checkpoint that averages an absent body in."""
    folder = tmp_path_factory.mktemp("imported")
    checkpoint = public_mamp.save(public_mamp.random_weights(), folder / "mamp.pth")
    out = folder / "mamp"
    code, _, err = call_stars("model", "import", checkpoint, "--out", out, "--heads", 2)
    assert code == 0, err
    return out


@pytest.fixture
def stars(tiny_model, tmp_path, monkeypatch):
    """Run the command line with the tiny model, in an empty folder: (exit code, stdout, stderr)."""
    monkeypatch.setenv("STARS_MODEL", str(tiny_model))
    monkeypatch.delenv("STARS_INDEX", raising=False)
    monkeypatch.chdir(tmp_path)
    return call_stars


@pytest.fixture
def tiny_by_default(stars, monkeypatch):
    """`Encoder.load()` gives the tiny encoder; `stars` and an empty folder come with it."""
    from stars_infer.encoder import encoder

    find_model = encoder.find_model
    monkeypatch.setattr(
        encoder, "find_model", lambda model: find_model(model or os.environ["STARS_MODEL"])
    )
    return stars


def call_stars(*arguments):
    """Run `stars` in this process as the shell would."""
    from contextlib import redirect_stderr, redirect_stdout
    from io import StringIO

    from stars_infer.cli import main

    before, sys.argv = sys.argv, ["stars", *map(str, arguments)]
    out, err = StringIO(), StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
        code = 0
    except SystemExit as exit_:
        code = exit_.code or 0
    finally:
        sys.argv = before
    return code, out.getvalue(), err.getvalue()


@pytest.fixture
def waving():
    """A synthetic clip (1, T, 25, 3) of somebody who waves."""
    return perform("wave", np.random.default_rng(0))


@pytest.fixture
def skeleton_lines(waving):
    """The lines of a good .skeleton file."""
    return skeleton_text(waving).splitlines()
