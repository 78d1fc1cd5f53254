"""Miniatures of all data sets in one folder, and settings that make runs of seconds."""

import pytest

from stars_infer.train.reproduction.overrides import Overrides
from stars_infer.train.reproduction.places import Places
from stars_infer.train.reproduction.reproduce import Selection, reproduce
from stars_infer.train.session import open_fabric
from tests import miniature
from tests.conftest import call_stars

TINY = (
    "steps=2", "batch=8", "warmup=0", "log_every=1", "keep=2", "queue=64", "hidden=16",
    "projection=8", "prototypes=24", "bottleneck=8", "decoder_depth=1", "mask_heads=2",
    "pretrain.width=16", "pretrain.depth=3", "pretrain.heads=2", "pretrain.frames=36",
    "linear.epochs=3", "linear.crops=2", "linear.samplings=2", "fewshot.draws=2", "semi.runs=1",
    "finetune.samplings=2", "semi.samplings=2", "transfer.samplings=2",
)  # fmt: skip
CPU = ("--accelerator", "cpu", "--quiet")


def run_here(arguments):
    """Run a command of `stars` in this process, as `run_nodes` wants it."""
    # A miniature holds files that cannot be read; the rest of the set is prepared all the same.
    code, _, err = call_stars(*arguments)
    assert code == 0 or arguments[0] == "data", f"stars {' '.join(arguments)}: {err}"
    return code


def places_in(out, data):
    return Places(out=out, data=data, machine=(*CPU, "--precision", "32-true"), device=CPU)


def fabric():
    return open_fabric("cpu", 1, "32-true")


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """Folder of the data sets: a pack of NTU-60, and the others as they are downloaded."""
    folder = tmp_path_factory.mktemp("data")
    miniature.write_ntu(folder / "raw")
    run_here(("data", "prepare", "ntu60", "--raw", str(folder / "raw"), "--out",
              str(folder / "ntu60"), "--workers", "1", "--quiet"))  # fmt: skip
    miniature.write_ntu(folder / "ntu120", dataset="ntu120")
    for part in (1, 2):
        miniature.write_pku(folder / f"pku{part}", part=part)
    return folder


@pytest.fixture(scope="session")
def small(data, tmp_path_factory):
    """Two rows of a column of STARS, Table 2, in miniature: places, what was said, the report."""
    places, said = places_in(tmp_path_factory.mktemp("small"), data), []
    selection = Selection(
        tables=("stars-2",),
        rows=("MAMP", "STARS"),
        columns=("NTU-60 XSub",),
        overrides=Overrides.parse(TINY),
    )
    (path,) = reproduce(selection, places, fabric=fabric, say=said.append, run=run_here)
    return places, said, path, selection
