"""Memory and time are bounded by the size of a file; each is read in a process of its own."""

import os
import sys

import numpy as np
import pytest

from stars_infer.errors import ClipError
from stars_infer.readers.bounds import BESIDE, TIMES, check_memory, check_points
from stars_infer.readers.files import READERS
from tests.faults.bombs import BOMBS, LARGE, faults_of, rows

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
QUICK = (
    "memo of 200,000,000 entries.pkl", "byte array of 3 GB.pkl", "one array many times.pkl",
    "turns of zeros.npz", "an id a frame.skeleton", "a hundred bodies.json",
    "160,000 columns of numbers.csv", "a chain that does not turn.bvh",
    "one value 500,000 times.parquet", "a fill value.h5", "zeros.mat", "keys that are nowhere.glb",
)  # fmt: skip
"""One of each kind, written in a moment."""


@pytest.mark.parametrize("name", QUICK)
def test_small_files_take_little(tmp_path, name):
    for _, size, found in rows({name: BOMBS[name]}, tmp_path):
        assert not faults_of(size, found), found


@pytest.mark.slow
@pytest.mark.parametrize("name", [*BOMBS, *LARGE])
def test_files_take_what_their_size_allows(tmp_path, name):
    for _, size, found in rows({name: {**BOMBS, **LARGE}[name]}, tmp_path):
        assert not faults_of(size, found), found


def test_every_format_that_holds_joints_has_a_file():
    formats = {os.path.splitext(name)[1] for name in (*BOMBS, *LARGE)}
    from stars_infer.pose.pictures import VIDEO_ENDINGS

    assert formats == READERS.keys() - set(VIDEO_ENDINGS) - {".amc"}  # as .bvh


def test_what_is_over_the_bound_is_told():
    found = {"memory": BESIDE + TIMES * 10 + 1, "seconds": 0.0, "escaped": ""}
    assert faults_of(10, found) == " OVER"
    assert faults_of(11, found) == ""
    assert "SLOW" in faults_of(10, {**found, "seconds": 6.0})
    with pytest.raises(ClipError, match="too many to be a recording"):
        check_points(BESIDE, source="c", size=1000)
    check_points(BESIDE, source="c", size=None)
    with pytest.raises(ClipError, match="200 MB"):
        check_memory(BESIDE + TIMES * 1000 + 1, "texts", source="c", size=1000)


def test_an_array_that_is_cut_short_while_it_is_read_is_whole(tmp_path):
    """The file was mapped once: cutting it short ended the process."""
    from stars_infer.clips.convention import Convention
    from stars_infer.readers.arrays import read_npy
    from stars_infer.readers.recording import clip_of
    from stars_infer.synthetic.actions import perform

    path = tmp_path / "c.npy"
    wave = perform("wave", np.random.default_rng(0))
    np.save(path, wave)
    (recording,) = read_npy(path)
    os.truncate(path, 200)
    assert clip_of(recording, Convention()).frames == wave.shape[-3]


@pytest.mark.slow
def test_many_clips_are_classified_in_constant_memory(tiny_model, tmp_path):
    """20,000 small clips take no more memory than 2,000 do."""
    import subprocess

    from stars_infer.synthetic.actions import perform

    folder = tmp_path / "clips"
    folder.mkdir()
    random = np.random.default_rng(0)
    waves = [perform("wave", random)[..., :40, :, :] for _ in range(8)]
    for number in range(20_000):
        np.save(folder / f"{number:05}.npy", waves[number % 8] + np.float32(1e-4) * number)
    environment = {**os.environ, "STARS_MODEL": str(tiny_model), "OMP_NUM_THREADS": "1"}
    index = tmp_path / "i.db"

    def peak(*arguments):
        code = (
            "import resource, sys, contextlib, io\n"
            "from stars_infer.cli import main\n"
            "sys.argv = ['stars', *sys.argv[1:]]\n"
            "with contextlib.suppress(SystemExit): main()\n"
            "sys.stderr.write(f'PEAK {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}')\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            env=environment, capture_output=True, text=True, timeout=1800,
        )  # fmt: skip
        return int(done.stderr.rpartition("PEAK ")[2]) * 1024, done.stdout

    some = sorted(folder.iterdir())
    peak("fewshot", "add-class", *some[:2], "--label", "wave", "--index", index)
    few, _ = peak("classify", *some[:2000], "--index", index, "--quiet")
    many, out = peak("classify", folder, "--index", index, "--quiet")
    assert len(out.splitlines()) == 20_000
    assert many - few < 40_000_000
